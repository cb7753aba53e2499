//! What a message is: an arrival of one of our kinds, or one that is refused with the reason.

use crate::store::{AnyBody, Arrival, Refused};
use platen_protocol::uplink::{Channel, Envelope, MessageError, SiteId, Topic, parse};
use serde::Deserialize;
use std::time::Instant;

/// Characters kept of a message that is refused.
const EXCERPT: usize = 200;

/// `how`: whether the broker had kept it, and when it came in.
pub(super) fn arrival(site: &SiteId, topic: &[u8], payload: &[u8], how: (bool, Instant)) -> Arrival {
    let name = String::from_utf8_lossy(topic);
    read(site, &name, payload, how).unwrap_or_else(|error| {
        tracing::warn!(%error, "a message was refused");
        Arrival::Refused(refused(site, &name, payload, &error))
    })
}

fn read(site: &SiteId, name: &str, payload: &[u8], (retained, at): (bool, Instant)) -> Result<Arrival, MessageError> {
    let topic = Topic::parse(name)?;
    let refuse = |what: String| MessageError::Topic { topic: name.into(), what };
    if topic.site != *site {
        return Err(refuse(format!("the site must be {site}")));
    }
    let station = topic.station.to_string();
    let source = format!("/{site}/{station}");
    let own = |from: &str, seq: u64| {
        if from != source {
            return Err(refuse(format!("it carries a message of {from}")));
        }
        if seq == 0 || i64::try_from(seq).is_err() {
            return Err(MessageError::Shape { what: format!("seq {seq} must be 1 to 2⁶³ − 1") });
        }
        Ok(())
    };
    match topic.channel {
        Channel::Event => {
            let envelope: Envelope<AnyBody> = parse(payload)?;
            own(&envelope.source, envelope.seq)?;
            Ok(Arrival::Event { station, envelope })
        }
        Channel::Env => {
            let envelope: Envelope<_> = parse(payload)?;
            own(&envelope.source, envelope.seq)?;
            Ok(Arrival::Reading { station, envelope })
        }
        Channel::State => Ok(Arrival::State { station, state: parse(payload)?, heard: (!retained).then_some(at) }),
        Channel::Ack | Channel::Command => Err(refuse("stations do not speak there".into())),
    }
}

/// The number of an event, if only that can be read.
#[derive(Deserialize)]
struct Numbered {
    epoch: String,
    seq: u64,
}

fn refused(site: &SiteId, name: &str, payload: &[u8], error: &MessageError) -> Refused {
    let topic = Topic::parse(name).ok().filter(|topic| topic.site == *site);
    let is_event = topic.as_ref().is_some_and(|topic| topic.channel == Channel::Event);
    let number = serde_json::from_slice::<Numbered>(payload).ok().filter(|n| is_event && i64::try_from(n.seq).is_ok());
    Refused {
        topic: name.chars().take(EXCERPT).collect(),
        station: topic.map(|topic| topic.station.to_string()),
        number: number.map(|n| (n.epoch, n.seq)),
        reason: error.to_string().chars().take(EXCERPT).collect(),
        excerpt: String::from_utf8_lossy(payload).chars().take(EXCERPT).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(topic: &str, payload: &str) -> Arrival {
        arrival(&"north".parse().unwrap(), topic.as_bytes(), payload.as_bytes(), (false, Instant::now()))
    }

    fn refusal(topic: &str, payload: &str) -> Refused {
        match take(topic, payload) {
            Arrival::Refused(refused) => refused,
            other => panic!("taken: {other:?}"),
        }
    }

    const EVENT: &str = r#"{"specversion":"1.0","id":"e:3","source":"/north/desk-1","time":"2026-11-21T09:30:00Z","epoch":"e","seq":3,"type":"x","data":{}}"#;

    #[test]
    fn what_cannot_be_taken_is_refused_by_its_number_so_that_the_station_can_go_on() {
        let topic = "platen/v1/north/desk-1/event";
        assert!(matches!(take(topic, EVENT), Arrival::Event { .. }));
        for (from, to, says) in [
            ("/north/desk-1", "/north/desk-2", "a message of /north/desk-2"),
            ("\"1.0\"", "\"9.0\"", "1.0"),
            ("2026-11-21T09:30:00Z", "noon", "not of version 1"),
        ] {
            let refused = refusal(topic, &EVENT.replace(from, to));
            assert!(refused.reason.contains(says), "{refused:?}");
            assert_eq!(refused.number, Some(("e".into(), 3)));
            assert_eq!(refused.station.as_deref(), Some("desk-1"));
        }
        assert!(refusal(topic, &EVENT.replace("\"seq\":3", "\"seq\":0")).reason.contains("seq 0"));
    }

    #[test]
    fn what_is_nobodys_is_refused_without_a_number() {
        for (topic, payload) in [
            ("platen/v1/north/desk-1/event", "{"),
            ("platen/v1/south/desk-1/event", EVENT),
            ("platen/v1/north/desk-1/ack", EVENT),
            ("platen/v1/north/desk-1/env", EVENT),
            ("something/else", "\u{1}"),
        ] {
            assert_eq!(refusal(topic, payload).number, None, "{topic}");
        }
        assert!(refusal("x", &"y".repeat(70_000)).excerpt.len() <= EXCERPT);
    }
}
