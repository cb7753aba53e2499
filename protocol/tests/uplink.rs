//! The uplink: golden messages of version 1, topics, and hostile bytes.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use jiff::Timestamp;
use platen_protocol::uplink::*;
use proptest::prelude::*;
use std::{fmt::Debug, fs, path::PathBuf};

fn site() -> SiteId {
    "north".parse().unwrap()
}

fn station() -> StationId {
    "desk-3".parse().unwrap()
}

fn at() -> Timestamp {
    "2026-11-21T09:30:00.125Z".parse().unwrap()
}

fn enveloped<B>(body: B) -> Envelope<B> {
    Envelope::new(&site(), &station(), "0f6c2f1e", 17, at(), body)
}

fn since_boot(ms: u64) -> Monotonic {
    Monotonic { boot: "7f3a9c21".into(), ms }
}

/// A page that counts.
fn page() -> PageAccepted {
    PageAccepted {
        batch: "1/1-6-2".into(),
        volume: "1997-民-0014-0025".into(),
        number: 3,
        file: "1/1-6-2/1997-民-0014-0025/0003.jpg".into(),
        bytes: 812_345,
        sha256: "ab".repeat(32),
        dpi: 300,
        mode: ColourMode::Colour,
        source: Source::Flatbed,
        width: 2480,
        height: 3508,
        angle: -1.25,
        applied: -1.25,
        confidence: 0.97,
        same_as: None,
        flags: vec!["blank".into()],
        interlock: Interlock::Certified,
        overridden: Vec::new(),
        took_ms: 6120,
    }
}

/// A page that two persons answer for.
fn overridden_page() -> PageAccepted {
    let overridden = Overridden {
        sensor: "lid".into(),
        by: vec!["wang".into(), "chen".into()],
        reason: "the switch is torn off".into(),
    };
    PageAccepted { interlock: Interlock::Overridden, overridden: vec![overridden], ..page() }
}

fn events() -> Vec<(&'static str, Event)> {
    let batch = || "1/1-6-2".to_string();
    let volume = || "1997-民-0014-0025".to_string();
    vec![
        (
            "batch-opened",
            Event::BatchOpened(BatchOpened {
                batch: batch(),
                operator: "li-na".into(),
                volumes: vec![VolumePlan { code: volume(), title: "婚姻登记".into(), expected: 40 }],
            }),
        ),
        ("page-accepted", Event::PageAccepted(page())),
        ("page-overridden", Event::PageAccepted(overridden_page())),
        (
            "page-voided",
            Event::PageVoided(PageVoided {
                batch: batch(),
                volume: volume(),
                number: 4,
                fault: "lid-opened".into(),
                text: "the lid was opened 812 ms after the scan began".into(),
            }),
        ),
        (
            "batch-completed",
            Event::BatchCompleted { batch: batch(), pages: 40, tracking_sheet: "1/1-6-2/tracking-sheet.xlsx".into() },
        ),
        (
            "fault-raised",
            Event::FaultRaised {
                fault: "cover-open".into(),
                text: "the scanner's cover is open".into(),
                action: "close the cover".into(),
                severity: Severity::Operator,
            },
        ),
        ("fault-cleared", Event::FaultCleared { fault: "cover-open".into() }),
        ("power-changed", Event::PowerChanged { from: UpsState::Online, to: UpsState::OnBattery }),
        ("unsendable", Event::Unsendable { reason: "it is of 70001 bytes and the broker takes 70000".into() }),
        ("clock-jumped", Event::ClockJumped { by_ms: -3_600_000 }),
    ]
}

/// If an event is added, this stops compiling and reminds you of the list above.
fn _every_event_is_listed(event: Event) {
    match event {
        Event::BatchOpened(_)
        | Event::PageAccepted(_)
        | Event::PageVoided(_)
        | Event::BatchCompleted { .. }
        | Event::FaultRaised { .. }
        | Event::FaultCleared { .. }
        | Event::PowerChanged { .. }
        | Event::ClockJumped { .. }
        | Event::Unsendable { .. } => {}
    }
}

fn golden<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + Debug>(name: &str, message: &T) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/uplink-v1/{name}.json"));
    let text = String::from_utf8(write(message).unwrap()).unwrap();
    if std::env::var_os("ADD_GOLDEN").is_some() && !file.exists() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("{text}\n")).unwrap();
    }
    let released = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    assert_eq!(released.trim(), text, "{name} is not what version 1 released");
    assert_eq!(&parse::<T>(released.trim().as_bytes()).unwrap(), message);
}

#[test]
fn the_messages_of_version_1_stay_as_they_were_released() {
    for (name, event) in events() {
        golden(name, &enveloped(event));
    }
    golden("room-reading", &enveloped(Reading::Room { celsius: 21.5, humidity: 48.25 }));
    golden(
        "power-reading",
        &enveloped(Reading::Power {
            state: UpsState::Online,
            charge: Some(98.0),
            runtime_s: None,
            replace_battery: false,
        }),
    );
    let worn = Reading::Power {
        state: UpsState::ForcedShutdown,
        charge: Some(2.0),
        runtime_s: Some(30.0),
        replace_battery: true,
    };
    golden("power-reading-worn", &enveloped(worn));
    let state = State {
        online: true,
        software: "0.1.0".into(),
        since: at(),
        time: Some(at()),
        waiting: 12,
        outbox: None,
        monotonic: None,
    };
    golden("state", &state);
    let outbox = Outbox {
        epoch: "0f6c2f1e".into(),
        first: 6,
        last: 17,
        oldest_ms: Some(61_000),
        bytes: 7_200,
        limit: 67_108_864,
        quarantined: 1,
    };
    golden("state-outbox", &State { outbox: Some(outbox), monotonic: Some(since_boot(3_600_250)), ..state });
    let event = Envelope { previous: Some(at()), ..enveloped(events().remove(1).1) };
    let late = event.timed(Some(since_boot(1_000)), since_boot(3_600_250));
    assert!(late.historical);
    golden("page-accepted-late", &late);
    golden("ack", &Ack { epoch: "0f6c2f1e".into(), seq: 17, time: None, broken: false, readings: None });
    golden("ack-time", &Ack { epoch: "0f6c2f1e".into(), seq: 17, time: Some(at()), broken: false, readings: None });
    golden("ack-broken", &Ack { epoch: "0f6c2f1e".into(), seq: 17, time: Some(at()), broken: true, readings: None });
    golden(
        "ack-readings",
        &Ack { epoch: "0f6c2f1e".into(), seq: 17, time: Some(at()), broken: false, readings: Some(9) },
    );
    let epoch = || "0f6c2f1e".to_string();
    golden("command-resend", &Command::Resend { epoch: epoch(), seq: 3, to: None });
    golden("command-resend-range", &Command::Resend { epoch: epoch(), seq: 3, to: Some(9) });
    golden("command-refused", &Command::Refused { epoch: epoch(), seq: 3, reason: "it is of another site".into() });
}

#[test]
fn a_topic_names_its_station_and_a_foreign_one_says_what_is_wrong() {
    let topic = Topic { site: site(), station: station(), channel: Channel::Event };
    assert_eq!(topic.to_string(), "platen/v1/north/desk-3/event");
    assert_eq!(Topic::parse(&topic.to_string()), Ok(topic));
    assert_eq!(Topic::filter(&site(), Channel::Env), "platen/v1/north/+/env");
    for (name, what) in [
        ("", "platen/"),
        ("platen/v2/north/desk-3/event", "v1"),
        ("platen/v1/North/desk-3/event", "site"),
        ("platen/v1/north/desk+3/event", "station"),
        ("platen/v1/north/desk-3/events", "one of event"),
        ("platen/v1/north/desk-3/event/x", "one of event"),
    ] {
        let error = Topic::parse(name).unwrap_err().to_string();
        assert!(error.contains(what), "{name}: {error}");
    }
}

#[test]
fn a_bad_message_is_refused_with_its_reason() {
    let oversize = vec![b' '; MAX_MESSAGE + 1];
    assert_eq!(parse::<Ack>(&oversize), Err(MessageError::Oversize { len: MAX_MESSAGE + 1 }));
    for (text, what) in [
        ("", "EOF"),
        ("{\"epoch\":\"a\"}", "seq"),
        ("{\"epoch\":\"a\",\"seq\":1,\"x\":2}", "unknown field"),
        ("{\"epoch\":\"a\",\"seq\":-1}", "line 1"),
    ] {
        let error = parse::<Ack>(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(what), "{text}: {error}");
    }
    let other = r#"{"specversion":"2.0","id":"a:1","source":"/n/d","time":"2026-11-21T09:30:00Z","epoch":"a","seq":1,"type":"platen.fault.cleared","data":{"fault":"x"}}"#;
    assert!(parse::<Envelope<Event>>(other.as_bytes()).unwrap_err().to_string().contains("1.0"));
}

#[test]
fn what_waited_is_history_and_so_is_what_nobody_can_time() {
    let event = || enveloped(Event::FaultCleared { fault: "jam".into() });
    let of_other_boot = Monotonic { boot: "00ff".into(), ms: 5 };
    for (happened, historical) in [
        (Some(since_boot(100)), false),
        (Some(since_boot(100_000)), false),
        (Some(since_boot(89_999)), true),
        (Some(of_other_boot), true),
        (None, true),
    ] {
        let sent = since_boot(if historical { 100_000 } else { 10_100 });
        assert_eq!(event().timed(happened.clone(), sent).historical, historical, "{happened:?}");
    }
    for bad in ["", "7f", ":5", "7f:", "7f:-1", "7f:9223372036854775808", "7 f:1", "zz:1"] {
        assert!(bad.parse::<Monotonic>().unwrap_err().contains("<boot>:<milliseconds>"), "{bad}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse::<Envelope<Event>>(&bytes);
        let _ = parse::<State>(&bytes);
        let _ = Topic::parse(&String::from_utf8_lossy(&bytes));
    }

    /// A true message, cut anywhere, is an error and never another message.
    #[test]
    fn a_cut_message_is_an_error(which in 0usize..8, cut in 0.0f64..1.0) {
        let whole = write(&enveloped(events().remove(which).1)).unwrap();
        let len = (whole.len() as f64 * cut) as usize;
        prop_assert!(parse::<Envelope<Event>>(&whole[..len]).is_err());
    }
}
