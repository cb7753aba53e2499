//! The two-person override of a broken sensor. Pure: who the two persons are was proved before. It is limited in time, its
//! pages are counted, and it ends with the program.

use crate::words::Trouble;
use platen_protocol::{board::Watch, uplink::Overridden};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The longest time for which a sensor may be overridden.
pub(crate) const LONGEST: Duration = Duration::from_secs(60 * 60);

/// What can be overridden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sensor {
    /// The lid's switch.
    Lid,
    /// The corner's two sensors.
    Corner,
    /// The whole board.
    Board,
}

impl Sensor {
    fn name(self) -> &'static str {
        match self {
            Self::Lid => "lid",
            Self::Corner => "corner",
            Self::Board => "board",
        }
    }

    /// The fault under which everybody sees the override.
    fn fault(self) -> &'static str {
        match self {
            Self::Lid => "override-lid",
            Self::Corner => "override-corner",
            Self::Board => "override-board",
        }
    }

    fn zh(self) -> &'static str {
        match self {
            Self::Lid => "盖板开关",
            Self::Corner => "左上角传感器",
            Self::Board => "传感器板",
        }
    }

    /// Whether this hold is one that the override takes away.
    fn lifts(self, hold: &str) -> bool {
        let lid = ["lid-open", "lid-broken", "lid-stuck", "lid-disagrees"].contains(&hold);
        let corner = ["not-in-corner", "corner-broken", "corner-stuck"].contains(&hold);
        match self {
            Self::Lid => lid,
            Self::Corner => corner,
            Self::Board => lid || corner || ["board-absent", "board-silent", "board-version"].contains(&hold),
        }
    }
}

/// What two persons ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) sensor: Sensor,
    pub(crate) by: [String; 2],
    pub(crate) reason: String,
    pub(crate) lasting: Duration,
}

/// An override in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Override {
    pub(crate) asked: Asked,
    pub(crate) until: Instant,
    /// Pages that were scanned under it.
    pub(crate) pages: u32,
}

/// Those in force, at most one for each sensor.
#[derive(Debug, Default)]
pub(crate) struct Overrides(Vec<Override>);

impl Overrides {
    /// Begins one.
    pub(crate) fn begin(&mut self, now: Instant, asked: Asked) -> Result<(), String> {
        let [first, second] = &asked.by;
        if first == second {
            return Err(format!("an override needs two persons; {first} was named twice"));
        }
        if asked.reason.trim().is_empty() {
            return Err("an override needs a reason".into());
        }
        if asked.lasting > LONGEST || asked.lasting.is_zero() {
            return Err(format!("an override lasts 1 to {} minutes", LONGEST.as_secs() / 60));
        }
        if self.0.iter().any(|o| o.asked.sensor == asked.sensor) {
            return Err(format!("the {} is overridden already", asked.sensor.name()));
        }
        self.0.push(Override { until: now + asked.lasting, asked, pages: 0 });
        Ok(())
    }

    /// Ends one before its time. Answers whether there was one.
    pub(crate) fn end(&mut self, sensor: Sensor) -> bool {
        let before = self.0.len();
        self.0.retain(|o| o.asked.sensor != sensor);
        self.0.len() < before
    }

    /// Ends those whose time is over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.0.retain(|o| now < o.until);
    }

    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.0.iter().map(|o| (o.until, "override ends")).min()
    }

    pub(crate) fn active(&self) -> &[Override] {
        &self.0
    }

    /// What is left of these holds.
    pub(crate) fn lift(&self, holds: Vec<Trouble>) -> Vec<Trouble> {
        holds.into_iter().filter(|hold| !self.0.iter().any(|o| o.asked.sensor.lifts(hold.name))).collect()
    }

    /// What the board still watches; `None`: nothing.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let has = |sensor| self.0.iter().any(|o| o.asked.sensor == sensor);
        match (has(Sensor::Lid), has(Sensor::Corner), has(Sensor::Board)) {
            (_, _, true) | (true, true, _) => None,
            (true, false, false) => Some(Watch::Corner),
            (false, true, false) => Some(Watch::Lid),
            (false, false, false) => Some(Watch::LidAndCorner),
        }
    }

    /// A page was scanned under these, as [`Self::told`] told them when it was begun.
    pub(crate) fn count_page(&mut self, under: &[Overridden]) {
        for o in self.0.iter_mut().filter(|o| under.iter().any(|u| u.sensor == o.asked.sensor.name())) {
            o.pages += 1;
        }
    }

    /// As a page's record tells them.
    pub(crate) fn told(&self) -> Vec<Overridden> {
        let told = |o: &Override| Overridden {
            sensor: o.asked.sensor.name().into(),
            by: o.asked.by.to_vec(),
            reason: o.asked.reason.clone(),
        };
        self.0.iter().map(told).collect()
    }

    /// As everybody sees them.
    pub(crate) fn faults(&self) -> Vec<Trouble> {
        let fault = |o: &Override| {
            let Asked { sensor, by: [first, second], reason, lasting } = &o.asked;
            let (en, zh, minutes) = (sensor.name(), sensor.zh(), lasting.as_secs() / 60);
            Trouble::new(
                sensor.fault(),
                (
                    &format!("the {en} is overridden by {first} and {second} for {minutes} min: {reason}"),
                    &format!("{first} 与 {second} 已停用{zh}（{minutes} 分钟）：{reason}"),
                ),
                ("have the sensor repaired; every page made until then says so", "请尽快修复传感器；此间每页均有记录"),
            )
            .alarm()
        };
        self.0.iter().map(fault).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(sensor: Sensor, minutes: u64) -> Asked {
        Asked {
            sensor,
            by: ["wang".into(), "li".into()],
            reason: "switch torn off".into(),
            lasting: Duration::from_secs(60 * minutes),
        }
    }

    fn hold(name: &'static str) -> Trouble {
        Trouble::new(name, ("", ""), ("", ""))
    }

    #[test]
    fn an_override_lifts_its_own_holds_for_its_time_and_counts_its_pages() {
        let now = Instant::now();
        let mut overrides = Overrides::default();
        assert_eq!(overrides.watch(), Some(Watch::LidAndCorner));
        overrides.begin(now, asked(Sensor::Lid, 10)).unwrap();
        assert_eq!(overrides.watch(), Some(Watch::Corner));
        let left = overrides.lift(vec![hold("lid-broken"), hold("not-in-corner"), hold("on-battery")]);
        assert_eq!(left, [hold("not-in-corner"), hold("on-battery")]);
        assert_eq!(overrides.told()[0].by, ["wang", "li"]);
        let under = overrides.told();
        overrides.begin(now, asked(Sensor::Corner, 10)).unwrap();
        overrides.count_page(&under);
        overrides.count_page(&under);
        assert_eq!(overrides.active()[1].pages, 0, "it was begun after the page was");
        assert!(overrides.end(Sensor::Corner));
        assert_eq!(overrides.active()[0].pages, 2);
        assert_eq!(overrides.faults()[0].name, "override-lid");

        let (until, _) = overrides.poll_timeout().unwrap();
        overrides.handle_timeout(until - Duration::from_millis(1));
        assert_eq!(overrides.active().len(), 1);
        overrides.handle_timeout(until);
        assert!(overrides.active().is_empty() && overrides.faults().is_empty());
        assert_eq!(overrides.lift(vec![hold("lid-broken")]), [hold("lid-broken")]);
    }

    #[test]
    fn nothing_is_watched_where_everything_is_overridden() {
        let now = Instant::now();
        let mut overrides = Overrides::default();
        overrides.begin(now, asked(Sensor::Corner, 60)).unwrap();
        assert_eq!(overrides.watch(), Some(Watch::Lid));
        overrides.begin(now, asked(Sensor::Lid, 60)).unwrap();
        assert_eq!(overrides.watch(), None);
        assert!(overrides.end(Sensor::Lid) && !overrides.end(Sensor::Lid));
        assert_eq!(overrides.watch(), Some(Watch::Lid));
        overrides.begin(now, asked(Sensor::Board, 1)).unwrap();
        assert_eq!(overrides.watch(), None);
        assert!(overrides.lift(vec![hold("board-absent"), hold("lid-open")]).is_empty());
        assert_eq!(overrides.lift(vec![hold("disk-full")]), [hold("disk-full")]);
    }

    #[test]
    fn one_person_no_reason_and_too_long_are_refused() {
        let now = Instant::now();
        let mut overrides = Overrides::default();
        let alone = Asked { by: ["li".into(), "li".into()], ..asked(Sensor::Lid, 5) };
        let silent = Asked { reason: " ".into(), ..asked(Sensor::Lid, 5) };
        for (asked, says) in [
            (alone, "two persons"),
            (silent, "a reason"),
            (asked(Sensor::Lid, 61), "1 to 60 minutes"),
            (asked(Sensor::Lid, 0), "1 to 60 minutes"),
        ] {
            assert!(overrides.begin(now, asked).unwrap_err().contains(says));
        }
        overrides.begin(now, asked(Sensor::Lid, 5)).unwrap();
        assert!(overrides.begin(now, asked(Sensor::Lid, 5)).unwrap_err().contains("already"));
    }
}
