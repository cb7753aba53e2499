//! Readings: told on the spot, or kept until there is a way. The broker's word is enough for them.

use super::Task;
use crate::moment::Moment;
use platen_broker::{Promise, Said, Transport};
use platen_protocol::uplink::{Channel, Reading};
use tokio::task::block_in_place;

/// Readings under way at once, of those that waited.
const READINGS: u32 = 100;

impl<T: Transport> Task<T> {
    pub(super) fn tell_reading(&mut self, moment: Moment, reading: Reading) {
        if self.machine.is_up() && !self.has_kept && self.pending.is_empty() {
            self.readings += 1;
            let run = format!("r{}", self.sender.since.as_millisecond());
            let payload = self.sender.reading(&run, self.readings, &moment, &Moment::now(), &reading);
            let topic = self.sender.topic(Channel::Env);
            if payload
                .is_none_or(|payload| self.say(Said { topic, payload, retain: false, promise: Promise::AtLeastOnce }))
            {
                return;
            }
        }
        self.pending.push((moment, reading));
        if self.pending.len() >= READINGS as usize {
            self.keep_pending();
        }
    }

    pub(super) fn keep_pending(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let most = self.config.limit / 8;
        match block_in_place(|| self.spool.keep_readings(&self.pending, most)) {
            Ok(()) => {
                self.pending.clear();
                self.has_kept = true;
                self.send_kept_readings();
            }
            // On a full disk the events go first; the oldest readings go.
            Err(error) => {
                self.pending.drain(..self.pending.len() / 2);
                self.fault(&error);
            }
        }
    }

    pub(super) fn send_kept_readings(&mut self) {
        if !self.machine.is_up() || self.link.as_ref().is_none_or(|session| session.readings.is_some()) {
            return;
        }
        let kept = match block_in_place(|| self.spool.readings(READINGS)) {
            Ok(kept) => kept,
            Err(error) => return self.fault(&error),
        };
        self.has_kept = !kept.is_empty();
        let (now, topic) = (Moment::now(), self.sender.topic(Channel::Env));
        let mut last = None;
        for reading in &kept {
            let payload = self.sender.kept_reading(self.spool.epoch(), reading, &now);
            if let Some(payload) = payload
                && !self.say(Said { topic: topic.clone(), payload, retain: false, promise: Promise::AtLeastOnce })
            {
                break;
            }
            last = Some(reading.id);
        }
        if let (Some(last), Some(session)) = (last, &mut self.link) {
            session.readings = Some((last, session.said));
        }
    }

    /// The broker has taken a message; perhaps the last of the readings that were under way.
    pub(super) fn forget_taken_readings(&mut self) {
        let Some(session) = &mut self.link else { return };
        let Some((last, mark)) = session.readings.filter(|(_, mark)| session.taken >= *mark) else { return };
        session.readings = None;
        tracing::trace!(last, mark, "readings that waited were taken");
        match block_in_place(|| self.spool.forget_readings(last)) {
            Ok(()) => self.send_kept_readings(),
            Err(error) => self.fault(&error),
        }
    }
}
