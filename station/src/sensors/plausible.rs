//! What sensors say and what cannot be: a lid that never moves though pages come, a corner that is always covered, humidity
//! that stands still. Each has a name. Pure.

use crate::words::Trouble;
use platen_protocol::board::{ClimateFault, FromBoard, Inputs, Lid, Reset};
use std::time::{Duration, Instant};

/// So many pages in a row cannot have been laid without opening the lid, or without uncovering the corner.
const STUCK_PAGES: u32 = 3;
/// The corner's sensors say that paper lies there, but in the image it begins so far away, in mm.
const ELSEWHERE_MM: f64 = 20.0;
/// A sensor of humidity never reads the same thousandth of a percent for so long.
const FLAT: Duration = Duration::from_secs(60 * 60);
/// So many readings of the room in a row must fail.
const FAILED_READINGS: u32 = 3;

/// A board that greets later than this after its start tells of a restart that is long over.
const JUST_STARTED_MS: u32 = 10_000;

/// Where an image has its paper, if the corner's sensors are wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Elsewhere {
    /// So far from the corner, in mm.
    Away(f64),
    Nowhere,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Plausible {
    lid_still: u32,
    corner_still: u32,
    /// Where the last image had its paper, if that was not in the corner.
    elsewhere: Option<Elsewhere>,
    humidity: Option<(u32, Instant)>,
    flat: bool,
    failed: Option<(ClimateFault, u32)>,
    case_open: bool,
    restarted: Option<Reset>,
    panic: String,
}

impl Plausible {
    /// Takes a message of the board.
    pub(crate) fn hear(&mut self, now: Instant, message: &FromBoard) {
        match message {
            FromBoard::Hello { reset: Reset::Watchdog | Reset::Forced, at_ms, .. } if *at_ms > JUST_STARTED_MS => {}
            FromBoard::Hello { reset: Reset::PowerOn, .. } => {}
            FromBoard::Hello { reset, .. } => {
                self.restarted = Some(*reset);
                self.panic.clear();
            }
            FromBoard::Panic { part, text, .. } => {
                if *part == 0 {
                    self.panic.clear();
                }
                self.panic.push_str(text);
            }
            FromBoard::Climate { milli_percent, .. } => {
                self.failed = None;
                match self.humidity {
                    Some((same, since)) if same == *milli_percent => {
                        self.flat = now.saturating_duration_since(since) >= FLAT;
                    }
                    _ => (self.humidity, self.flat) = (Some((*milli_percent, now)), false),
                }
            }
            FromBoard::ClimateFault(fault) => {
                let times = self.failed.filter(|(last, _)| last == fault).map_or(0, |(_, times)| times);
                self.failed = Some((*fault, times.saturating_add(1)));
            }
            _ => {}
        }
    }

    /// Takes the inputs after each change.
    pub(crate) fn see(&mut self, inputs: &Inputs) {
        if inputs.lid != Lid::Closed {
            self.lid_still = 0;
        }
        if !inputs.in_corner() {
            self.corner_still = 0;
        }
        self.case_open = inputs.tamper;
    }

    /// The board is gone: what it would have said of lid and corner is not known.
    pub(crate) fn lost(&mut self) {
        (self.lid_still, self.corner_still, self.case_open) = (0, 0, false);
    }

    /// A page from the glass was certified.
    pub(crate) fn certified(&mut self) {
        self.lid_still = self.lid_still.saturating_add(1);
        self.corner_still = self.corner_still.saturating_add(1);
        self.restarted = None;
    }

    /// Where the paper of a certified page begins in its image, across and down in mm, if that was seen; `nothing`: the image
    /// is dark from side to side.
    pub(crate) fn page(&mut self, corner_mm: Option<(f64, f64)>, nothing: bool) {
        let far = corner_mm.map(|(x, y)| x.max(y)).filter(|&far| far >= ELSEWHERE_MM).map(Elsewhere::Away);
        self.elsewhere = if nothing { Some(Elsewhere::Nowhere) } else { far };
    }

    /// What stands against a start, until the sensor moves.
    pub(crate) fn holds(&self) -> Vec<Trouble> {
        let lid = (self.lid_still >= STUCK_PAGES).then(|| {
            Trouble::new(
                "lid-stuck",
                (
                    &format!("the lid's switch has not moved for {STUCK_PAGES} pages"),
                    &format!("连续 {STUCK_PAGES} 页未检测到开盖"),
                ),
                ("open and close the lid; if this stays, the switch is stuck", "请开合盖板；如仍提示，说明开关卡住"),
            )
            .alarm()
        });
        let corner = (self.corner_still >= STUCK_PAGES).then(|| {
            Trouble::new(
                "corner-stuck",
                (
                    &format!("the corner's sensors have seen paper without a break for {STUCK_PAGES} pages"),
                    &format!("左上角传感器连续 {STUCK_PAGES} 页一直显示有纸"),
                ),
                (
                    "take the page out and lay it again; if this stays, clean the sensors",
                    "请取出页面后重新放置；如仍提示，请清洁传感器",
                ),
            )
            .alarm()
        });
        [lid, corner].into_iter().flatten().collect()
    }

    /// What somebody must look at; it does not stop the desk.
    pub(crate) fn faults(&self) -> Vec<Trouble> {
        let elsewhere = self.elsewhere.map(|elsewhere| {
            let (en, zh) = match elsewhere {
                Elsewhere::Away(mm) => (
                    format!("the corner's sensors saw paper, but in the image it begins {mm:.0} mm away"),
                    format!("传感器显示左上角有纸，但图像中纸张距角 {mm:.0} 毫米"),
                ),
                Elsewhere::Nowhere => (
                    "the corner's sensors saw paper, but there is no paper in the image".into(),
                    "传感器显示左上角有纸，但图像中没有纸张".into(),
                ),
            };
            Trouble::new(
                "corner-disagrees",
                (&en, &zh),
                ("look at the page; clean or calibrate the corner's sensors", "请检查该页；清洁或校准左上角传感器"),
            )
            .alarm()
        });
        let flat = self.flat.then(|| {
            Trouble::new(
                "humidity-flat",
                ("the humidity has not changed for an hour: the sensor is stuck", "湿度一小时未变化，传感器可能失效"),
                ("have the room sensor looked at", "请检查温湿度传感器"),
            )
            .alarm()
        });
        let failed = self.failed.filter(|(_, times)| *times >= FAILED_READINGS).map(|(fault, _)| room(fault));
        let case = self.case_open.then(|| {
            Trouble::new(
                "case-open",
                ("the sensor board's case is open", "传感器板外壳被打开"),
                ("find out who opened it, and shut it", "请查明原因并合上外壳"),
            )
            .alarm()
        });
        let restarted = self.restarted.map(|reset| self.restart(reset));
        [elsewhere, flat, failed, case, restarted].into_iter().flatten().collect()
    }

    fn restart(&self, reset: Reset) -> Trouble {
        let why = match reset {
            Reset::Watchdog => "its watchdog bit".into(),
            Reset::PowerOn | Reset::Forced if self.panic.is_empty() => "it was reset".to_string(),
            Reset::PowerOn | Reset::Forced => format!("its firmware stopped: {}", self.panic),
        };
        Trouble::new(
            "board-restarted",
            (&format!("the sensor board has restarted: {why}"), &format!("传感器板曾重启：{why}")),
            ("scanning can go on; if it happens again, tell the administrator", "可继续扫描；如再次出现请联系管理员"),
        )
        .alarm()
    }
}

fn room(fault: ClimateFault) -> Trouble {
    let (name, en, zh) = match fault {
        ClimateFault::Absent => ("room-absent", "the room sensor does not answer", "温湿度传感器无应答"),
        ClimateFault::Checksum => ("room-checksum", "the room sensor's data are damaged", "温湿度传感器数据校验错误"),
        ClimateFault::Implausible => {
            ("room-implausible", "the room sensor reads what no room can be", "温湿度读数不合理")
        }
    };
    Trouble::new(name, (en, zh), ("check the room sensor and its wire", "请检查温湿度传感器及连线")).alarm()
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_protocol::board::Paper;

    const AT_REST: Inputs = Inputs {
        lid: Lid::Closed,
        top: Paper::Present,
        left: Paper::Present,
        button: false,
        pedal: false,
        tamper: false,
    };

    fn names(troubles: &[Trouble]) -> Vec<&str> {
        troubles.iter().map(|t| t.name).collect()
    }

    #[test]
    fn a_lid_or_a_corner_that_never_moves_though_pages_come_holds_the_desk_until_it_moves() {
        let mut seen = Plausible::default();
        for _ in 0..STUCK_PAGES {
            assert!(seen.holds().is_empty());
            seen.see(&AT_REST);
            seen.certified();
        }
        assert_eq!(names(&seen.holds()), ["lid-stuck", "corner-stuck"]);
        seen.see(&Inputs { lid: Lid::Open, ..AT_REST });
        assert_eq!(names(&seen.holds()), ["corner-stuck"]);
        seen.see(&Inputs { left: Paper::Absent, ..AT_REST });
        assert!(seen.holds().is_empty());
    }

    #[test]
    fn humidity_that_stands_still_for_an_hour_is_a_fault_until_it_moves() {
        let began = Instant::now();
        let mut seen = Plausible::default();
        let mut read = |minute: u64, milli_percent| {
            let reading = FromBoard::Climate { milli_celsius: 21_000, milli_percent, age_ms: 0 };
            seen.hear(began + Duration::from_secs(60 * minute), &reading);
            names(&seen.faults()).len()
        };
        assert_eq!((read(0, 48_000), read(59, 48_000), read(60, 48_000), read(61, 48_003)), (0, 0, 1, 0));
    }

    #[test]
    fn a_room_sensor_is_broken_when_it_fails_three_times_and_well_with_one_reading() {
        let now = Instant::now();
        let mut seen = Plausible::default();
        let broken = FromBoard::ClimateFault(ClimateFault::Implausible);
        seen.hear(now, &broken);
        seen.hear(now, &broken);
        assert!(seen.faults().is_empty());
        seen.hear(now, &broken);
        assert_eq!(names(&seen.faults()), ["room-implausible"]);
        seen.hear(now, &FromBoard::Climate { milli_celsius: 0, milli_percent: 1, age_ms: 0 });
        assert!(seen.faults().is_empty());
    }

    #[test]
    fn a_restart_is_told_with_the_firmwares_last_words_until_a_page_is_certified() {
        let now = Instant::now();
        let mut seen = Plausible::default();
        let hello = |reset, at_ms| FromBoard::Hello {
            protocol: 2,
            firmware: [0, 2, 0],
            serial: "x".try_into().unwrap(),
            reset,
            at_ms,
        };
        seen.hear(now, &hello(Reset::PowerOn, 3));
        seen.hear(now, &hello(Reset::Watchdog, 3_600_000));
        assert!(seen.faults().is_empty(), "that was an hour ago");
        seen.hear(now, &hello(Reset::Forced, 400));
        for (part, text) in [(0, "panicked at src/"), (1, "main.rs:3")] {
            seen.hear(now, &FromBoard::Panic { part, parts: 2, text: text.try_into().unwrap() });
        }
        assert!(seen.faults()[0].text.en.contains("panicked at src/main.rs:3"));
        seen.certified();
        assert!(seen.faults().is_empty());
    }

    #[test]
    fn paper_far_from_its_corner_and_an_open_case_are_named() {
        let mut seen = Plausible::default();
        seen.page(Some((2.0, 31.0)), false);
        seen.see(&Inputs { tamper: true, ..AT_REST });
        assert_eq!(names(&seen.faults()), ["corner-disagrees", "case-open"]);
        seen.page(Some((2.0, 3.0)), false);
        seen.see(&AT_REST);
        assert!(seen.faults().is_empty());
        seen.page(None, true);
        assert_eq!(names(&seen.faults()), ["corner-disagrees"]);
        assert!(seen.faults()[0].text.en.contains("no paper"));
    }
}
