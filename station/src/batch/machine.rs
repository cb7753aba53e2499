//! The batch machine: what happens next on the desk, decided without clock, file or socket.

mod talk;
mod work;

use super::{PageId, Plan};
use crate::words::Trouble;
use platen_protocol::uplink::Source;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

pub(crate) use talk::{Guard, Input, Output, Refused};
use work::{Desk, Work, during_pass};

/// The board answers within a few milliseconds or not at all.
const BOARD_ANSWERS: Duration = Duration::from_millis(1_000);
/// A certificate is asked for again after so long: the page is good, and a word may be lost on the line.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// ```text
///            Open                 all kept           Finished
///  NoBatch ───────▶ Open(desk) ───────────▶ Finishing ───────▶ Complete
///     ▲               │                                           │
///     └────Close──────┴───────────────────────────Close───────────┘
/// ```
#[derive(Debug)]
enum State {
    NoBatch,
    Open(Work),
    Finishing(Plan),
    Complete(Plan),
}

/// What the screen shows of the machine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture<'a> {
    pub(crate) desk: &'static str,
    pub(crate) plan: Option<&'a Plan>,
    pub(crate) kept: u32,
    pub(crate) next: Option<PageId>,
    /// Pages between scanner and journal.
    pub(crate) saving: usize,
    pub(crate) fault: Option<&'a Trouble>,
}

/// One desk.
#[derive(Debug)]
pub(crate) struct Machine {
    source: Source,
    guard: Guard,
    holds: Vec<Trouble>,
    next_attempt: u32,
    state: State,
    outputs: VecDeque<Output>,
}

impl Machine {
    /// `first_attempt` must be new for each start of the program: the board's latch knows attempts by number.
    pub(crate) fn new(source: Source, guard: Guard, first_attempt: u32) -> Self {
        let state = State::NoBatch;
        Self { source, guard, holds: Vec::new(), next_attempt: first_attempt, state, outputs: VecDeque::new() }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let State::Open(work) = &self.state else { return None };
        match work.desk {
            Desk::Arming { since, .. } => Some((since + BOARD_ANSWERS, "board arms")),
            Desk::Certifying { since, asked, .. } => {
                Some(((since + BOARD_ANSWERS).min(asked + ASK_AGAIN), "board certifies"))
            }
            Desk::Waiting { .. } | Desk::Paused | Desk::Scanning { .. } | Desk::Cancelling { .. } => None,
        }
    }

    /// The board did not answer in time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let State::Open(work) = &mut self.state else { return };
        let silent = || {
            Trouble::new(
                "board-silent",
                ("the sensor board did not answer", "传感器板没有应答"),
                ("check the board's cable, then press start", "请检查传感器板连线，再按开始"),
            )
        };
        let late = |since: Instant| now >= since + BOARD_ANSWERS;
        let input = match &mut work.desk {
            Desk::Arming { attempt, since } if late(*since) => {
                // It may have heard, and its answer been lost.
                self.outputs.push_back(Output::Disarm { attempt: *attempt });
                Input::ArmRefused { attempt: *attempt, why: silent() }
            }
            Desk::Certifying { attempt, since, .. } if late(*since) => {
                Input::Certified { attempt: *attempt, verdict: Err(silent()) }
            }
            Desk::Certifying { attempt, asked, .. } if now >= *asked + ASK_AGAIN => {
                *asked = now;
                self.outputs.push_back(Output::Certify { attempt: *attempt });
                return;
            }
            _ => return,
        };
        // These inputs are never refused in these states.
        let _ = self.handle(now, input);
    }

    pub(crate) fn picture(&self) -> Picture<'_> {
        let whole = |plan| Picture {
            desk: "complete",
            plan: Some(plan),
            kept: Plan::expected(plan),
            next: None,
            saving: 0,
            fault: None,
        };
        match &self.state {
            State::NoBatch => Picture { desk: "no_batch", plan: None, kept: 0, next: None, saving: 0, fault: None },
            State::Finishing(plan) => Picture { desk: "saving", ..whole(plan) },
            State::Complete(plan) => whole(plan),
            State::Open(work) => {
                let (desk, fault) = match &work.desk {
                    Desk::Waiting { fault } if work.next_page().is_some() => ("waiting", fault.as_ref()),
                    // The tracking sheet could not be written: start tries again.
                    Desk::Waiting { fault: Some(fault) } if work.keeping.is_empty() => ("waiting", Some(fault)),
                    Desk::Waiting { fault } => ("saving", fault.as_ref()),
                    Desk::Paused => ("waiting", None),
                    Desk::Arming { .. } => ("arming", None),
                    Desk::Scanning { .. } | Desk::Cancelling { .. } => ("scanning", None),
                    Desk::Certifying { .. } => ("certifying", None),
                };
                let saving = work.keeping.len();
                Picture { desk, plan: Some(&work.plan), kept: work.kept, next: work.next_page(), saving, fault }
            }
        }
    }

    /// What stands against a start now.
    pub(crate) fn holds(&self) -> &[Trouble] {
        &self.holds
    }

    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Result<(), Refused> {
        match input {
            Input::Open { plan, kept } => self.open(plan, kept),
            Input::Close => self.close(),
            Input::Start => self.start(now),
            Input::Cancel => self.break_off(cancelled()),
            Input::BreakOff { why } => self.break_off(why),
            Input::Holds(holds) => {
                self.holds = holds;
                self.guard_pass();
                if matches!(&self.state, State::Open(Work { desk: Desk::Paused, .. })) {
                    self.go_on();
                }
                Ok(())
            }
            Input::Finished => {
                if let State::Finishing(plan) = &self.state {
                    self.state = State::Complete(plan.clone());
                }
                Ok(())
            }
            Input::FinishFailed { why } => {
                if let State::Finishing(plan) = &self.state {
                    let (plan, kept) = (plan.clone(), plan.expected());
                    self.outputs.push_back(Output::Raise(why.clone()));
                    // Start tries once more.
                    let desk = Desk::Waiting { fault: Some(why) };
                    self.state = State::Open(Work { plan, kept, desk, keeping: VecDeque::new() });
                }
                Ok(())
            }
            result => {
                if let State::Open(work) = &mut self.state {
                    work.result(now, result, (self.source, self.guard), &mut self.outputs);
                }
                self.go_on();
                Ok(())
            }
        }
    }

    fn open(&mut self, plan: Plan, kept: u32) -> Result<(), Refused> {
        match self.state {
            State::NoBatch => {
                let desk = Desk::Waiting { fault: None };
                self.state = State::Open(Work { plan, kept, desk, keeping: VecDeque::new() });
                self.go_on();
                Ok(())
            }
            State::Open(_) | State::Finishing(_) | State::Complete(_) => Err(Refused::AlreadyOpen),
        }
    }

    fn close(&mut self) -> Result<(), Refused> {
        let idle = match &self.state {
            State::NoBatch => return Err(Refused::NoBatch),
            State::Finishing(_) => false,
            State::Complete(_) => true,
            State::Open(work) => work.is_idle(),
        };
        if !idle {
            return Err(Refused::Busy);
        }
        self.clear_fault();
        self.state = State::NoBatch;
        Ok(())
    }

    fn clear_fault(&mut self) {
        if let State::Open(Work { desk: Desk::Waiting { fault }, .. }) = &mut self.state
            && let Some(over) = fault.take()
        {
            self.outputs.push_back(Output::Clear { name: over.name });
        }
    }

    fn start(&mut self, now: Instant) -> Result<(), Refused> {
        match &self.state {
            State::NoBatch => return Err(Refused::NoBatch),
            State::Complete(_) => return Err(Refused::Complete),
            State::Finishing(_) => return Err(Refused::Busy),
            State::Open(work) if !matches!(work.desk, Desk::Waiting { .. } | Desk::Paused) => {
                return Err(Refused::Busy);
            }
            State::Open(_) => {}
        }
        if !self.holds.is_empty() {
            return Err(Refused::Held(self.holds.clone()));
        }
        self.clear_fault();
        let State::Open(work) = &mut self.state else { return Err(Refused::NoBatch) };
        if work.next_page().is_none() {
            if work.keeping.is_empty() {
                self.go_on();
                return Ok(());
            }
            return Err(Refused::Busy);
        }
        let attempt = self.next_attempt;
        self.next_attempt = self.next_attempt.wrapping_add(1);
        match self.guard {
            Guard::Board => {
                work.desk = Desk::Arming { attempt, since: now };
                self.outputs.push_back(Output::Arm { attempt });
            }
            Guard::Scanner | Guard::None => {
                work.desk = Desk::Scanning { attempt };
                self.outputs.push_back(Output::Scan { attempt });
            }
        }
        Ok(())
    }

    fn break_off(&mut self, why: Trouble) -> Result<(), Refused> {
        match &mut self.state {
            State::Open(work) => work.break_off(why, &mut self.outputs).then_some(()).ok_or(Refused::Busy),
            State::NoBatch | State::Finishing(_) | State::Complete(_) => Err(Refused::NoBatch),
        }
    }

    /// A flatbed's pass is void in the moment that its guard is lost: no need to wait for the last line.
    fn guard_pass(&mut self) {
        let State::Open(work) = &mut self.state else { return };
        let lost = self.holds.iter().find(|hold| !hold.between_pages);
        if self.guard == Guard::Board
            && matches!(work.desk, Desk::Arming { .. } | Desk::Scanning { .. })
            && let Some(why) = lost
        {
            let why = during_pass(why);
            work.break_off(why, &mut self.outputs);
        }
    }

    /// Takes the next step that needs no input: the feeder's next sheet, or the end of the batch.
    fn go_on(&mut self) {
        let State::Open(work) = &mut self.state else { return };
        if work.is_idle() && work.kept == work.plan.expected() {
            self.state = State::Finishing(work.plan.clone());
            self.outputs.push_back(Output::Finish);
            return;
        }
        // A feeder's pass that was just taken over into keeping leaves Desk::Scanning with an attempt that is done.
        let taken = |attempt| work.keeping.back().is_some_and(|k| k.attempt == attempt);
        match work.desk {
            Desk::Paused => {}
            Desk::Scanning { attempt } if taken(attempt) => {}
            _ => return,
        }
        if work.next_page().is_none() {
            work.desk = Desk::Waiting { fault: None };
        } else if !self.holds.is_empty() {
            work.desk = Desk::Paused;
        } else {
            let attempt = self.next_attempt;
            self.next_attempt = self.next_attempt.wrapping_add(1);
            work.desk = Desk::Scanning { attempt };
            self.outputs.push_back(Output::Scan { attempt });
        }
    }
}

fn cancelled() -> Trouble {
    Trouble::new(
        "cancelled",
        ("the pass was cancelled", "本次扫描已取消"),
        ("press start to scan the page again", "请按开始重新扫描本页"),
    )
}
