//! What is written into a page's files about it.

use super::{Context, Job};
use crate::{SOFTWARE, pages::encode};
use platen_protocol::{
    board::{Certificate, Watch},
    uplink::{Interlock, Overridden},
};

/// Everything about a page that stands in its files.
pub(super) fn metadata(job: &Job, context: &Context, steps: Vec<String>) -> encode::Metadata {
    let settings = &context.settings;
    let mut facts = vec![
        ("station", context.station.clone()),
        ("device", context.device.clone()),
        ("batch", context.plan.batch.to_string()),
        ("volume", context.plan.volumes[job.page.volume].code.to_string()),
        ("number", job.page.number.to_string()),
        ("dpi", settings.dpi.to_string()),
        ("mode", format!("{:?}", settings.mode).to_lowercase()),
        ("source", format!("{:?}", settings.source).to_lowercase()),
        (
            "interlock",
            match job.interlock {
                Interlock::Certified => "certified".into(),
                Interlock::WatchedByStation => "watched by the station through its own pins".into(),
                Interlock::Overridden => "a sensor was overridden by two persons".into(),
                Interlock::Feeder => "feeder".into(),
                Interlock::None => "none: scanned without interlocks".into(),
            },
        ),
    ];
    if let (Some(certificate), Some(watch)) = (&job.certificate, job.watch) {
        facts.push(("certificate", certified(certificate, watch)));
    }
    for Overridden { sensor, by, reason } in &job.overridden {
        facts.push(("override", format!("{sensor}, by {}: {reason}", by.join(" and "))));
    }
    encode::Metadata {
        time: job.scanned_at.to_string(),
        software: SOFTWARE.into(),
        operator: context.operator.clone(),
        facts,
        steps,
        // SANE knows of none.
        icc: None,
    }
}

/// A certificate in words. What was not watched is not said to have been closed.
fn certified(certificate: &Certificate, watch: Watch) -> String {
    let lid = match (watch.lid(), certificate.opened) {
        (false, _) => "lid not watched",
        (true, None) => "lid closed",
        (true, Some(_)) => "lid opened",
    };
    let corner = match (watch.corner(), certificate.uncovered) {
        (false, _) => "corner not watched",
        (true, None) => "paper in its corner",
        (true, Some(_)) => "paper out of its corner",
    };
    format!("number {}, {} samples, {lid}, {corner}", certificate.number, certificate.samples)
}
