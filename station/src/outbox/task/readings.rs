//! Readings: told on the spot while the supervisor is heard, kept until it is.
//!
//! A broker takes what nobody listens to and drops it: after it was restarted it is often the station that comes back first.
//! So readings go out only while the supervisor is heard, and those that had to wait are forgotten only when it says that it
//! has stored them. Of those told on the spot, it may die with 12 s.

use super::{DEAF, Task};
use crate::{moment::Moment, outbox::spool::SpoolError};
use platen_broker::{Promise, Said, Transport};
use platen_protocol::uplink::{Channel, Reading};
use std::time::{Duration, Instant};

/// Readings under way at once, of those that waited.
const READINGS: u32 = 500;
/// Readings held in memory while they cannot be written down; beyond, the older half goes.
const HELD: usize = 1_000;
/// What was not stored within this was lost on the way.
const OVERDUE: Duration = Duration::from_secs(10);

/// Readings that waited, on their way.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// The last one of them.
    last: u64,
    /// How much had been said with it; when the broker has it, the supervisor is asked whether it is stored.
    said: u64,
    since: Instant,
    asked: bool,
}

impl<T: Transport> Task<T> {
    /// The supervisor has said something: it is there, and listens.
    pub(super) fn listens(&mut self) {
        let was_heard = self.is_heard();
        if let Some(session) = &mut self.link {
            session.answered = Some(Instant::now());
        }
        if !was_heard {
            self.machine.handle(Instant::now(), super::Input::Heard);
            self.keep_pending();
        }
        if self.has_kept {
            self.send_kept_readings();
        }
    }

    fn is_heard(&self) -> bool {
        let answered = self.link.as_ref().and_then(|session| session.answered);
        self.machine.is_up() && answered.is_some_and(|at| at.elapsed() < DEAF)
    }

    pub(super) fn tell_reading(&mut self, moment: Moment, reading: Reading) {
        if self.is_heard() && !self.has_kept && self.pending.is_empty() {
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
        match self.spool.keep_readings(&self.pending, most) {
            Ok(()) => {
                self.pending.clear();
                self.has_kept = true;
                self.send_kept_readings();
            }
            Err(error) => {
                not_now(&error);
                if self.pending.len() > HELD {
                    self.pending.drain(..self.pending.len() / 2);
                }
            }
        }
    }

    fn send_kept_readings(&mut self) {
        if !self.is_heard() || self.link.as_ref().is_none_or(|session| session.readings.is_some()) {
            return;
        }
        let kept = match self.spool.readings(READINGS) {
            Ok(kept) => kept,
            Err(error) => return not_now(&error),
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
            session.readings = Some(UnderWay { last, said: session.said, since: Instant::now(), asked: false });
        }
    }

    /// The broker has taken a message; perhaps the last of the readings that were under way. A heartbeat asks the supervisor
    /// whether it has stored them, too.
    pub(super) fn ask_for_readings(&mut self) {
        let Some(session) = &mut self.link else { return };
        let taken = session.taken;
        if let Some(way) = session.readings.as_mut().filter(|way| !way.asked && taken >= way.said) {
            way.asked = true;
            self.beat();
        }
    }

    /// The supervisor has stored the readings that waited up to this one.
    pub(super) fn readings_are_stored(&mut self, through: u64) {
        let Some(session) = &mut self.link else { return };
        if session.readings.take_if(|way| way.last <= through).is_some()
            && let Err(error) = self.spool.forget_readings(through)
        {
            not_now(&error);
        }
    }

    /// What is under way for too long is sent again.
    pub(super) fn readings_are_overdue(&mut self) {
        let Some(session) = &mut self.link else { return };
        session.readings.take_if(|way| way.since.elapsed() > OVERDUE);
        if self.has_kept {
            self.send_kept_readings();
        }
    }
}

/// A disk that fails passes. Events go first: for readings no connection is given up.
fn not_now(error: &SpoolError) {
    tracing::warn!(%error, "readings wait");
}
