//! The interlock: what the board's messages allow. Pure. Unknown always means no.

use crate::words::Trouble;
use platen_protocol::board::{ArmRefusal, Certificate, Change, FromBoard, Inputs, Lid, STALE_MS, VERSION};
use std::time::{Duration, Instant};

/// A certificate may lack this share of its samples: the board's and the station's clocks differ by far less.
const SAMPLES_LOST: f64 = 0.02;
/// Samples that may be missing at the ends, and milliseconds that a message takes.
const SLACK_MS: u32 = 20;

/// What is known of the board.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Board {
    /// No board answers on the line.
    Absent { why: String },
    /// The board speaks another version.
    WrongVersion { theirs: u16 },
    /// The line is open; the board has not told its inputs yet.
    Greeting,
    /// The board talks.
    Present { inputs: Inputs, heard: Instant },
}

/// The interlock of one station.
#[derive(Debug)]
pub(crate) struct Interlock {
    board: Board,
}

impl Interlock {
    pub(crate) fn new() -> Self {
        Self { board: Board::Absent { why: "no board was heard yet".into() } }
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    /// The line was opened.
    pub(crate) fn connected(&mut self) {
        self.board = Board::Greeting;
    }

    /// The line was lost.
    pub(crate) fn lost(&mut self, why: String) {
        self.board = Board::Absent { why };
    }

    /// Takes a message. Answers whether the start button was pressed by it.
    pub(crate) fn hear(&mut self, now: Instant, message: &FromBoard) -> bool {
        match message {
            FromBoard::Hello { protocol, .. } => {
                self.board =
                    if *protocol == VERSION { Board::Greeting } else { Board::WrongVersion { theirs: *protocol } };
                false
            }
            FromBoard::VersionRefused { ours, .. } => {
                self.board = Board::WrongVersion { theirs: *ours };
                false
            }
            FromBoard::Heartbeat { inputs, .. } => {
                let pressed = matches!(&self.board, Board::Present { inputs: old, .. } if !old.button && inputs.button);
                if !matches!(self.board, Board::WrongVersion { .. }) {
                    self.board = Board::Present { inputs: *inputs, heard: now };
                }
                pressed
            }
            FromBoard::Edge { change, .. } => {
                let Board::Present { inputs, heard } = &mut self.board else { return false };
                *heard = now;
                let pressed = *change == Change::Button(true) && !inputs.button;
                match *change {
                    Change::Lid(lid) => inputs.lid = lid,
                    Change::Top(paper) => inputs.top = paper,
                    Change::Left(paper) => inputs.left = paper,
                    Change::Button(down) => inputs.button = down,
                }
                pressed
            }
            FromBoard::Armed { .. }
            | FromBoard::ArmRefused { .. }
            | FromBoard::Certificate(_)
            | FromBoard::NoCertificate { .. }
            | FromBoard::Climate { .. }
            | FromBoard::ClimateFault(_) => false,
        }
    }

    /// When the answer of [`Self::holds`] changes by itself, because the board stays silent.
    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        match self.board {
            Board::Present { heard, .. } => Some((heard + stale(), "board goes stale")),
            Board::Absent { .. } | Board::WrongVersion { .. } | Board::Greeting => None,
        }
    }

    /// Everything that stands against a start now.
    pub(crate) fn holds(&self, now: Instant) -> Vec<Trouble> {
        match &self.board {
            Board::Absent { why } => vec![Trouble::new(
                "board-absent",
                (&format!("the sensor board is not there ({why})"), "未连接传感器板"),
                ("plug the sensor board in", "请连接传感器板"),
            )],
            Board::WrongVersion { theirs } => vec![
                Trouble::new(
                    "board-version",
                    (
                        &format!("the sensor board speaks link version {theirs}, this station speaks {VERSION}"),
                        &format!("传感器板的协议版本为 {theirs}，本机为 {VERSION}"),
                    ),
                    ("tell the administrator: update the board's firmware", "请联系管理员升级传感器板固件"),
                )
                .alarm(),
            ],
            Board::Greeting => vec![silent()],
            Board::Present { heard, .. } if now.saturating_duration_since(*heard) > stale() => vec![silent()],
            Board::Present { inputs, .. } => {
                let lid = match inputs.lid {
                    Lid::Closed => None,
                    Lid::Open => Some(lid_open()),
                    Lid::Broken => Some(lid_broken()),
                };
                let corner = (!(inputs.top && inputs.left)).then(|| not_in_corner(*inputs));
                [lid, corner].into_iter().flatten().collect()
            }
        }
    }
}

fn stale() -> Duration {
    Duration::from_millis(u64::from(STALE_MS))
}

fn silent() -> Trouble {
    Trouble::new(
        "board-silent",
        ("the sensor board says nothing", "传感器板没有数据"),
        ("check the board's cable", "请检查传感器板连线"),
    )
}

fn lid_open() -> Trouble {
    Trouble::new("lid-open", ("the lid is open", "盖板未合上"), ("close the lid", "请合上盖板"))
}

fn lid_broken() -> Trouble {
    Trouble::new(
        "lid-broken",
        ("the two poles of the lid's switch disagree", "盖板开关的两路信号不一致"),
        ("open and close the lid; if that does not help, tell the administrator", "请重新开合盖板；如无效请联系管理员"),
    )
    .alarm()
}

fn not_in_corner(inputs: Inputs) -> Trouble {
    let (en, zh) = match (inputs.top, inputs.left) {
        (false, true) => ("the paper does not touch the top edge", "纸张未靠齐上边"),
        (true, false) => ("the paper does not touch the left edge", "纸张未靠齐左边"),
        _ => ("no paper lies in the top-left corner", "左上角没有纸张"),
    };
    Trouble::new("not-in-corner", (en, zh), ("push the page into the top-left corner", "请将页面推至左上角对齐"))
}

/// What a refusal to arm means for the operator.
pub(crate) fn arm_refused(why: ArmRefusal) -> Trouble {
    match why {
        ArmRefusal::LidOpen => lid_open(),
        ArmRefusal::LidBroken => lid_broken(),
        ArmRefusal::NotInCorner => not_in_corner(Inputs { lid: Lid::Closed, top: false, left: false, button: false }),
    }
}

/// Whether a certificate proves that the lid stayed closed and the paper in its corner for the whole pass. `watched` is
/// the time between the board's `Armed` and the request for the certificate, by the station's clock.
pub(crate) fn judge(certificate: &Certificate, number: u32, watched: Duration) -> Result<(), Trouble> {
    let again = ("lay the same page again, close the lid, press start", "请重新放好同一页，合上盖板，按开始");
    if certificate.number != number {
        return Err(no_certificate());
    }
    if let Some(opening) = certificate.opened {
        let text =
            format!("the lid was opened {} ms after the scan began, for {} ms", opening.first_ms, opening.samples);
        return Err(Trouble::new("lid-opened", (&text, "扫描完成之前盖板被打开"), again));
    }
    if !certificate.corner_kept {
        return Err(Trouble::new(
            "corner-lost",
            ("the paper left its corner during the scan", "扫描过程中纸张离开了左上角"),
            again,
        ));
    }
    let span = certificate.until_ms.wrapping_sub(certificate.armed_ms);
    let enough = |had: u32, wanted: f64| f64::from(had + SLACK_MS) >= wanted * (1.0 - SAMPLES_LOST);
    let watched_ms = watched.as_secs_f64() * 1e3;
    if !enough(certificate.samples, f64::from(span)) || !enough(span, watched_ms) {
        let text =
            format!("the board watched {span} ms with {} samples of a pass of {watched_ms:.0} ms", certificate.samples);
        return Err(Trouble::new("certificate-gap", (&text, "传感器板未能全程监视本次扫描"), again));
    }
    Ok(())
}

/// The board has no certificate of this number: it was reset, or watched something else.
pub(crate) fn no_certificate() -> Trouble {
    Trouble::new(
        "no-certificate",
        ("the board cannot certify this pass (it was restarted)", "传感器板无法证明本次扫描有效（曾重启）"),
        ("lay the same page again, close the lid, press start", "请重新放好同一页，合上盖板，按开始"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_protocol::board::{Opening, Reset};

    const GOOD: Inputs = Inputs { lid: Lid::Closed, top: true, left: true, button: false };
    const CERTIFICATE: Certificate = Certificate {
        number: 7,
        armed_ms: u32::MAX - 99,
        until_ms: 900,
        samples: 1_000,
        opened: None,
        corner_kept: true,
    };

    fn names(holds: &[Trouble]) -> Vec<&str> {
        holds.iter().map(|h| h.name).collect()
    }

    fn beat(inputs: Inputs) -> FromBoard {
        FromBoard::Heartbeat { at_ms: 0, inputs, armed: None }
    }

    #[test]
    fn nothing_known_means_no() {
        let now = Instant::now();
        let mut interlock = Interlock::new();
        assert_eq!(names(&interlock.holds(now)), ["board-absent"]);
        interlock.connected();
        assert_eq!(names(&interlock.holds(now)), ["board-silent"]);
        interlock.hear(now, &beat(GOOD));
        assert_eq!(names(&interlock.holds(now)), [""; 0]);
        let (late, _) = interlock.poll_timeout().unwrap();
        assert_eq!(names(&interlock.holds(late + Duration::from_millis(1))), ["board-silent"]);
        interlock.lost("unplugged".into());
        assert_eq!(names(&interlock.holds(now)), ["board-absent"]);
    }

    #[test]
    fn another_version_stays_refused_whatever_it_says() {
        let now = Instant::now();
        let mut interlock = Interlock::new();
        let hello = FromBoard::Hello {
            protocol: 2,
            firmware: [1, 0, 0],
            serial: "x".try_into().unwrap(),
            reset: Reset::PowerOn,
            at_ms: 0,
        };
        interlock.hear(now, &hello);
        interlock.hear(now, &beat(GOOD));
        assert_eq!(names(&interlock.holds(now)), ["board-version"]);
    }

    #[test]
    fn lid_and_corner_are_told_apart() {
        let now = Instant::now();
        let mut interlock = Interlock::new();
        for (inputs, expected) in [
            (Inputs { lid: Lid::Open, ..GOOD }, vec!["lid-open"]),
            (Inputs { lid: Lid::Broken, ..GOOD }, vec!["lid-broken"]),
            (Inputs { top: false, ..GOOD }, vec!["not-in-corner"]),
            (Inputs { lid: Lid::Open, left: false, ..GOOD }, vec!["lid-open", "not-in-corner"]),
        ] {
            interlock.hear(now, &beat(inputs));
            assert_eq!(names(&interlock.holds(now)), expected);
        }
    }

    #[test]
    fn one_press_is_one_start_whether_edge_or_heartbeat_tells_it() {
        let now = Instant::now();
        let mut interlock = Interlock::new();
        interlock.hear(now, &beat(GOOD));
        let press = FromBoard::Edge { edge: 1, at_ms: 5, change: Change::Button(true) };
        assert!(interlock.hear(now, &press));
        assert!(!interlock.hear(now, &beat(Inputs { button: true, ..GOOD })));
        assert!(!interlock.hear(now, &beat(GOOD)));
        assert!(interlock.hear(now, &beat(Inputs { button: true, ..GOOD })), "the edge was lost on the line");
    }

    #[test]
    fn only_a_whole_and_clean_certificate_is_good() {
        let pass = Duration::from_millis(990);
        assert_eq!(judge(&CERTIFICATE, 7, pass), Ok(()));
        let bad = |c: Certificate, number, watched| judge(&c, number, watched).unwrap_err().name;
        assert_eq!(bad(CERTIFICATE, 8, pass), "no-certificate");
        let opened = Some(Opening { first_ms: 3, samples: 5, broken: false });
        assert_eq!(bad(Certificate { opened, ..CERTIFICATE }, 7, pass), "lid-opened");
        assert_eq!(bad(Certificate { corner_kept: false, ..CERTIFICATE }, 7, pass), "corner-lost");
        assert_eq!(bad(Certificate { samples: 900, ..CERTIFICATE }, 7, pass), "certificate-gap");
        assert_eq!(bad(CERTIFICATE, 7, Duration::from_millis(2_000)), "certificate-gap");
    }
}
