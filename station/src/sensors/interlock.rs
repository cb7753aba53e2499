//! The interlock: what the board's messages allow. Pure. Unknown always means no.

mod certificate;
#[cfg(test)]
mod pass_tests;
mod words;

pub(crate) use certificate::{judge, no_certificate};
use platen_protocol::board::{Change, FromBoard, Inputs, Lid, VERSION};
use std::time::{Duration, Instant};
pub(crate) use words::arm_refused;

use crate::words::Trouble;

/// Who listens to the board says when it is silent. If even that is not heard for so long, nothing is known of the board.
const DEAF: Duration = Duration::from_secs(2);

/// What is known of the board.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Board {
    /// No board answers on the line.
    Absent { why: String },
    /// The board speaks another version.
    WrongVersion { theirs: u16 },
    /// The line is open; the board has not said which version it speaks since then, or since it fell silent.
    Greeting,
    /// It speaks our version, and has not told its inputs yet.
    Greeted,
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

    /// Nothing was heard on the open line for longer than a board is silent.
    pub(crate) fn quiet(&mut self) {
        if self.is_understood() {
            self.board = Board::Greeting;
        }
    }

    /// Takes a message. Answers whether the start button or the pedal was pressed by it.
    pub(crate) fn hear(&mut self, now: Instant, message: &FromBoard) -> bool {
        match message {
            FromBoard::Hello { protocol, .. } => {
                self.board =
                    if *protocol == VERSION { Board::Greeted } else { Board::WrongVersion { theirs: *protocol } };
                false
            }
            FromBoard::VersionRefused { ours, .. } => {
                self.board = Board::WrongVersion { theirs: *ours };
                false
            }
            FromBoard::Heartbeat { inputs, .. } => {
                let pressed = match &self.board {
                    Board::Present { inputs: old, .. } => !is_down(old) && is_down(inputs),
                    Board::Absent { .. } | Board::WrongVersion { .. } | Board::Greeting | Board::Greeted => false,
                };
                if self.is_understood() {
                    self.board = Board::Present { inputs: *inputs, heard: now };
                }
                pressed
            }
            FromBoard::Edge { change, .. } => {
                let Board::Present { inputs, heard } = &mut self.board else { return false };
                *heard = now;
                let was_down = is_down(inputs);
                match *change {
                    Change::Lid(lid) => inputs.lid = lid,
                    Change::Top(paper) => inputs.top = paper,
                    Change::Left(paper) => inputs.left = paper,
                    Change::Button(down) => inputs.button = down,
                    Change::Pedal(down) => inputs.pedal = down,
                    Change::Tamper(open) => inputs.tamper = open,
                }
                !was_down && is_down(inputs)
            }
            FromBoard::Armed { .. }
            | FromBoard::ArmRefused { .. }
            | FromBoard::Certificate(_)
            | FromBoard::NoCertificate { .. }
            | FromBoard::Climate { .. }
            | FromBoard::ClimateFault(_)
            | FromBoard::Drying { .. }
            | FromBoard::Panic { .. }
            | FromBoard::Calibrated { .. }
            | FromBoard::CalibrationRefused { .. }
            | FromBoard::SelfTest(_) => false,
        }
    }

    /// Whether the board was heard to speak our version: of another's words none may be obeyed.
    pub(crate) fn is_understood(&self) -> bool {
        matches!(self.board, Board::Greeted | Board::Present { .. })
    }

    /// When the board was heard last.
    pub(crate) fn heard(&self) -> Option<Instant> {
        match &self.board {
            Board::Present { heard, .. } => Some(*heard),
            Board::Absent { .. } | Board::WrongVersion { .. } | Board::Greeting | Board::Greeted => None,
        }
    }

    /// The inputs, if the board tells them.
    pub(crate) fn inputs(&self) -> Option<&Inputs> {
        match &self.board {
            Board::Present { inputs, .. } => Some(inputs),
            Board::Absent { .. } | Board::WrongVersion { .. } | Board::Greeting | Board::Greeted => None,
        }
    }

    /// When the answer of [`Self::holds`] changes by itself, because nothing is heard.
    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        match self.board {
            Board::Present { heard, .. } => Some((heard + DEAF, "nothing is heard")),
            Board::Absent { .. } | Board::WrongVersion { .. } | Board::Greeting | Board::Greeted => None,
        }
    }

    /// Everything that stands against a start now.
    ///
    /// `now` must be no later than the first message that has come and was not taken yet.
    pub(crate) fn holds(&self, now: Instant) -> Vec<Trouble> {
        match &self.board {
            Board::Absent { why } => vec![words::absent(why)],
            Board::WrongVersion { theirs } => vec![words::other_version(*theirs)],
            Board::Greeting | Board::Greeted => vec![words::silent()],
            Board::Present { heard, .. } if now.saturating_duration_since(*heard) > DEAF => vec![words::silent()],
            Board::Present { inputs, .. } => {
                let lid = match inputs.lid {
                    Lid::Closed => None,
                    Lid::Open => Some(words::lid_open()),
                    Lid::Broken => Some(words::lid_broken()),
                };
                let corner = (!inputs.in_corner()).then(|| words::corner(inputs));
                [lid, corner].into_iter().flatten().collect()
            }
        }
    }
}

fn is_down(inputs: &Inputs) -> bool {
    inputs.button || inputs.pedal
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_protocol::board::{Paper, Reset};

    const GOOD: Inputs = Inputs {
        lid: Lid::Closed,
        top: Paper::Present,
        left: Paper::Present,
        button: false,
        pedal: false,
        tamper: false,
    };

    fn names(holds: &[Trouble]) -> Vec<&str> {
        holds.iter().map(|h| h.name).collect()
    }

    fn hello(protocol: u16) -> FromBoard {
        let serial = "x".try_into().unwrap();
        FromBoard::Hello { protocol, firmware: [1, 0, 0], serial, reset: Reset::PowerOn, at_ms: 0 }
    }

    /// A board that was greeted and tells that all is well.
    fn present(now: Instant) -> Interlock {
        let mut interlock = Interlock::new();
        interlock.connected();
        interlock.hear(now, &hello(VERSION));
        interlock.hear(now, &beat(GOOD));
        interlock
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
        interlock.hear(now, &beat(GOOD));
        assert_eq!(names(&interlock.holds(now)), ["board-silent"], "its version is not known");
        interlock.hear(now, &hello(VERSION));
        assert_eq!(names(&interlock.holds(now)), ["board-silent"], "its inputs are not known");
        interlock.hear(now, &beat(GOOD));
        assert_eq!(names(&interlock.holds(now)), [""; 0]);
        interlock.quiet();
        interlock.hear(now, &beat(GOOD));
        assert_eq!(names(&interlock.holds(now)), ["board-silent"], "another board may speak now");
        interlock.hear(now, &hello(VERSION));
        interlock.hear(now, &beat(GOOD));
        let (late, _) = interlock.poll_timeout().unwrap();
        assert_eq!(names(&interlock.holds(late + Duration::from_millis(1))), ["board-silent"]);
        interlock.lost("unplugged".into());
        assert_eq!(names(&interlock.holds(now)), ["board-absent"]);
    }

    #[test]
    fn another_version_stays_refused_whatever_it_says() {
        let now = Instant::now();
        let mut interlock = Interlock::new();
        interlock.hear(now, &hello(VERSION + 1));
        interlock.hear(now, &beat(GOOD));
        assert_eq!(names(&interlock.holds(now)), ["board-version"]);
        assert!(!interlock.is_understood());
    }

    #[test]
    fn lid_and_corner_are_told_apart() {
        let now = Instant::now();
        let mut interlock = present(now);
        for (inputs, expected) in [
            (Inputs { lid: Lid::Open, ..GOOD }, vec!["lid-open"]),
            (Inputs { lid: Lid::Broken, ..GOOD }, vec!["lid-broken"]),
            (Inputs { top: Paper::Absent, ..GOOD }, vec!["not-in-corner"]),
            (Inputs { top: Paper::Faulty, ..GOOD }, vec!["corner-broken"]),
            (Inputs { lid: Lid::Open, left: Paper::Absent, ..GOOD }, vec!["lid-open", "not-in-corner"]),
        ] {
            interlock.hear(now, &beat(inputs));
            assert_eq!(names(&interlock.holds(now)), expected);
        }
    }

    #[test]
    fn one_press_is_one_start_whether_edge_or_heartbeat_tells_it() {
        let now = Instant::now();
        let mut interlock = present(now);
        interlock.hear(now, &beat(GOOD));
        let press = FromBoard::Edge { edge: 1, at_ms: 5, change: Change::Button(true) };
        assert!(interlock.hear(now, &press));
        assert!(!interlock.hear(now, &beat(Inputs { button: true, ..GOOD })));
        assert!(!interlock.hear(now, &beat(GOOD)));
        assert!(interlock.hear(now, &beat(Inputs { button: true, ..GOOD })), "the edge was lost on the line");
    }

    #[test]
    fn the_pedal_starts_too_and_a_button_held_with_it_is_no_second_start() {
        let now = Instant::now();
        let mut interlock = present(now);
        interlock.hear(now, &beat(GOOD));
        let edge = |change| FromBoard::Edge { edge: 1, at_ms: 5, change };
        assert!(interlock.hear(now, &edge(Change::Pedal(true))));
        assert!(!interlock.hear(now, &edge(Change::Button(true))));
        assert!(!interlock.hear(now, &edge(Change::Pedal(false))));
    }
}
