//! Messages as they go out.

use super::spool::{Kept, Waiting};
use crate::moment::Moment;
use jiff::Timestamp;
use platen_protocol::uplink::{
    Channel, Envelope, Event, MAX_MESSAGE, MessageError, Outbox, Reading, SiteId, State, StationId, Topic,
    kept_readings, write,
};
use serde::{Serialize, de::IgnoredAny};
use std::fmt::Display;

/// What MQTT adds to topic and payload at most, in bytes.
const PACKET: usize = 32;

/// Who writes.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) site: SiteId,
    pub(super) station: StationId,
    pub(super) software: &'static str,
    pub(super) since: Timestamp,
}

/// Filled from the journal's own text.
#[derive(Serialize)]
struct Nothing {}

impl Sender {
    pub(super) fn topic(&self, channel: Channel) -> String {
        Topic { site: self.site.clone(), station: self.station.clone(), channel }.to_string()
    }

    /// An event, or why nobody would take it. `most` is the largest packet that the broker takes.
    pub(super) fn event(&self, epoch: &str, event: &Waiting, now: &Moment, most: usize) -> Result<Vec<u8>, String> {
        let happened = event.monotonic.as_deref().and_then(|m| m.parse().ok());
        let at = event.at.parse().map_err(|e| format!("its time {:?} is none: {e}", event.at))?;
        let previous = event.previous.as_deref().and_then(|time| time.parse().ok());
        let envelope = Envelope::new(&self.site, &self.station, epoch, event.seq, at, Nothing {});
        let envelope = Envelope { previous, ..envelope };
        let written = splice(&envelope.timed(happened, now.monotonic.clone()), &event.body)?;
        let packet = written.len() + self.topic(Channel::Event).len() + PACKET;
        if packet > most {
            return Err(format!("it is of {packet} bytes and the broker takes {most}"));
        }
        Ok(written)
    }

    pub(super) fn reading(
        &self,
        run: &str,
        seq: u64,
        then: &Moment,
        now: &Moment,
        reading: &Reading,
    ) -> Option<Vec<u8>> {
        let envelope = Envelope::new(&self.site, &self.station, run, seq, then.at, reading);
        write(&envelope.timed(Some(then.monotonic.clone()), now.monotonic.clone())).ok()
    }

    /// A reading that had to wait.
    pub(super) fn kept_reading(&self, epoch: &str, kept: &Kept, now: &Moment) -> Option<Vec<u8>> {
        let run = kept_readings(epoch);
        let envelope = Envelope::new(&self.site, &self.station, &run, kept.id, kept.at.parse().ok()?, Nothing {});
        splice(&envelope.timed(kept.monotonic.parse().ok(), now.monotonic.clone()), &kept.body).ok()
    }

    /// Birth and heartbeat.
    pub(super) fn state(&self, now: &Moment, outbox: Outbox) -> Vec<u8> {
        let waiting = (outbox.last + 1).saturating_sub(outbox.first);
        let (time, monotonic) = (Some(now.at), Some(now.monotonic.clone()));
        self.write_state(true, State { time, monotonic, waiting, outbox: Some(outbox), ..self.will_state() })
    }

    /// What the broker says for us when we are gone.
    pub(super) fn will(&self) -> Vec<u8> {
        self.write_state(false, self.will_state())
    }

    fn will_state(&self) -> State {
        let (software, since) = (self.software.into(), self.since);
        State { online: false, software, since, time: None, waiting: 0, outbox: None, monotonic: None }
    }

    fn write_state(&self, online: bool, state: State) -> Vec<u8> {
        // Far below the limit.
        write(&State { online, ..state }).unwrap_or_default()
    }
}

/// What goes out under the number of an event that nobody takes.
pub(super) fn note(reason: &str) -> String {
    // A text: it cannot fail.
    serde_json::to_string(&Event::Unsendable { reason: reason.into() }).unwrap_or_default()
}

/// Whether an event is such a note.
pub(super) fn is_note(body: &str) -> bool {
    matches!(serde_json::from_str(body), Ok(Event::Unsendable { .. }))
}

/// The envelope with the journal's text in it, unread: it was written by us, and is checked to be JSON.
fn splice(envelope: &Envelope<Nothing>, body: &str) -> Result<Vec<u8>, String> {
    let refused = |e: &dyn Display| format!("it cannot be read: {e}");
    serde_json::from_str::<IgnoredAny>(body).map_err(|e| refused(&e))?;
    let inner = body.trim().strip_prefix('{').ok_or_else(|| refused(&"it is no object"))?;
    let mut written = write(envelope).map_err(|e| refused(&e))?;
    written.pop();
    written.push(b',');
    written.extend_from_slice(inner.as_bytes());
    if written.len() > MAX_MESSAGE {
        return Err(MessageError::Oversize { len: written.len() }.to_string());
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_protocol::uplink::parse;

    fn sender() -> Sender {
        let (site, station) = ("north".parse().unwrap(), "desk-1".parse().unwrap());
        Sender { site, station, software: "x", since: Timestamp::UNIX_EPOCH }
    }

    fn waiting(body: &str) -> Waiting {
        let now = Moment::now();
        let (at, monotonic) = (now.at.to_string(), Some(now.monotonic.to_string()));
        Waiting { seq: 7, at, monotonic, previous: None, body: body.into() }
    }

    #[test]
    fn an_event_goes_out_as_the_protocol_reads_it() {
        let event = Event::FaultCleared { fault: "jam \"{}\" 卡纸".into() };
        let body = serde_json::to_string(&event).unwrap();
        let written = sender().event("e1", &waiting(&body), &Moment::now(), 100_000).unwrap();
        let read: Envelope<Event> = parse(&written).unwrap();
        assert_eq!((read.body, read.seq, read.id.as_str(), read.historical), (event, 7, "e1:7", false));
        assert!(read.sent.unwrap().since(&read.monotonic.unwrap()).is_some());
    }

    #[test]
    fn what_nobody_would_take_says_why() {
        let event = |body: &str, most| sender().event("e1", &waiting(body), &Moment::now(), most).unwrap_err();
        assert!(event("{\"type\":1", 100_000).contains("cannot be read"));
        assert!(event("[1]", 100_000).contains("no object"));
        assert!(event(&format!("{{\"type\":\"{}\"}}", "x".repeat(70_000)), 100_000).contains("at most 65536"));
        assert!(event("{\"type\":\"x\"}", 200).contains("the broker takes 200"));
        let broken = Waiting { at: "noon".into(), ..waiting("{}") };
        assert!(sender().event("e1", &broken, &Moment::now(), 9_000).unwrap_err().contains("noon"));
    }
}
