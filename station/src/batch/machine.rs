//! The batch machine: what happens next on the desk, decided without clock, file or socket.

use super::{PageId, Plan};
use crate::words::Trouble;
use platen_protocol::uplink::{Interlock, Source};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The board answers within a few milliseconds or not at all.
const BOARD_ANSWERS: Duration = Duration::from_millis(1_000);

/// What the machine is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    /// Begin a batch, or go on with one of which `kept` pages are in the journal.
    Open {
        plan: Plan,
        kept: u32,
    },
    /// Leave a batch; nothing is lost, it can be opened again.
    Close,
    /// The operator pressed start.
    Start,
    /// The operator does not want the pass under way.
    Cancel,
    /// What stands against a start now, as the interlocks see it. For a flatbed this also guards the pass under way.
    Holds(Vec<Trouble>),
    Armed {
        attempt: u32,
    },
    ArmRefused {
        attempt: u32,
        why: Trouble,
    },
    Scanned {
        attempt: u32,
    },
    ScanFailed {
        attempt: u32,
        why: Trouble,
    },
    Certified {
        attempt: u32,
        verdict: Result<(), Trouble>,
    },
    /// Pictures are made and lie, synced, under temporary names.
    Processed {
        attempt: u32,
    },
    ProcessFailed {
        attempt: u32,
        why: Trouble,
    },
    /// Files have their names and the journal says so.
    Saved {
        attempt: u32,
    },
    SaveFailed {
        attempt: u32,
        why: Trouble,
    },
    /// The tracking sheet is written and the journal says that the batch is complete.
    Finished,
    FinishFailed {
        why: Trouble,
    },
}

/// What the machine wants done. `Save` always comes before `Kept`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    Arm {
        attempt: u32,
    },
    Disarm {
        attempt: u32,
    },
    Scan {
        attempt: u32,
    },
    CancelScan,
    Certify {
        attempt: u32,
    },
    Process {
        attempt: u32,
        page: PageId,
        interlock: Interlock,
    },
    Save {
        attempt: u32,
    },
    /// The page is safe: tell everybody.
    Kept {
        page: PageId,
    },
    /// A pass did not count; its number stays asked for. The pictures made of it are thrown away.
    Void {
        attempt: u32,
        page: PageId,
        why: Trouble,
    },
    /// Write the tracking sheet.
    Finish,
    /// Tell the operator and the supervisor what is wrong.
    Raise(Trouble),
    /// What was raised under this name is over.
    Clear {
        name: &'static str,
    },
}

/// Why an input was not obeyed. Nothing changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refused {
    NoBatch,
    AlreadyOpen,
    Busy,
    Complete,
    Held(Vec<Trouble>),
}

/// How pages are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The board arms, watches and certifies each pass.
    Board,
    /// The scanner's own sensors.
    Scanner,
    /// Nothing: `--without-interlocks`.
    None,
}

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

/// The scanner's side of an open batch.
///
/// ```text
///  Waiting ──Start──▶ Arming ──Armed──▶ Scanning ──Scanned──▶ Certifying ──good──▶ Waiting
///     │   feeder or no board               ▲ │                    │
///     └────────────────────────────────────┘ │ lid opened,        └─bad──▶ Waiting(fault), page void
///     ▲                                      ▼ Cancel, disk
///     └──────────────────────────────── Cancelling
///  A feeder goes from Scanned to Scanning until it is empty or the plan is full.
/// ```
#[derive(Debug)]
enum Desk {
    Waiting { fault: Option<Trouble> },
    Arming { attempt: u32, since: Instant },
    Scanning { attempt: u32 },
    Certifying { attempt: u32, since: Instant },
    Cancelling { attempt: u32, why: Trouble },
}

#[derive(Debug)]
struct Work {
    plan: Plan,
    /// Pages in the journal, over all volumes.
    kept: u32,
    desk: Desk,
    /// Pages between scanner and journal, in order.
    keeping: VecDeque<Keeping>,
}

#[derive(Debug)]
struct Keeping {
    attempt: u32,
    page: PageId,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Processing,
    Processed,
    Saving,
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
            Desk::Certifying { since, .. } => Some((since + BOARD_ANSWERS, "board certifies")),
            Desk::Waiting { .. } | Desk::Scanning { .. } | Desk::Cancelling { .. } => None,
        }
    }

    /// The board did not answer in time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let State::Open(work) = &self.state else { return };
        let silent = || {
            Trouble::new(
                "board-silent",
                ("the sensor board did not answer", "传感器板没有应答"),
                ("check the board's cable, then press start", "请检查传感器板连线，再按开始"),
            )
        };
        let late = |since: Instant| now >= since + BOARD_ANSWERS;
        let input = match work.desk {
            Desk::Arming { attempt, since } if late(since) => Input::ArmRefused { attempt, why: silent() },
            Desk::Certifying { attempt, since } if late(since) => Input::Certified { attempt, verdict: Err(silent()) },
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
                    Desk::Waiting { fault } => ("saving", fault.as_ref()),
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
            Input::Cancel => self.cancel(),
            Input::Holds(holds) => {
                self.holds = holds;
                self.guard_pass();
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
            State::Open(work) => matches!(work.desk, Desk::Waiting { .. }) && work.keeping.is_empty(),
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
            State::Open(work) if !matches!(work.desk, Desk::Waiting { .. }) => return Err(Refused::Busy),
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

    fn cancel(&mut self) -> Result<(), Refused> {
        let why = Trouble::new(
            "cancelled",
            ("the pass was cancelled", "本次扫描已取消"),
            ("press start to scan the page again", "请按开始重新扫描本页"),
        );
        match &mut self.state {
            State::Open(work) => work.break_off(why, &mut self.outputs).then_some(()).ok_or(Refused::Busy),
            State::NoBatch | State::Finishing(_) | State::Complete(_) => Err(Refused::NoBatch),
        }
    }

    /// A flatbed's pass is void in the moment that its guard is lost: no need to wait for the last line.
    fn guard_pass(&mut self) {
        let State::Open(work) = &mut self.state else { return };
        let lost = self.holds.iter().find(|hold| hold.name != "on-battery" && hold.name != "disk-full");
        if self.guard == Guard::Board
            && matches!(work.desk, Desk::Scanning { .. })
            && let Some(why) = lost
        {
            let why = during_pass(why);
            work.break_off(why, &mut self.outputs);
        }
    }

    /// Takes the next step that needs no input: the feeder's next sheet, or the end of the batch.
    fn go_on(&mut self) {
        let State::Open(work) = &mut self.state else { return };
        let idle = matches!(work.desk, Desk::Waiting { .. }) && work.keeping.is_empty();
        if idle && work.kept == work.plan.expected() {
            self.state = State::Finishing(work.plan.clone());
            self.outputs.push_back(Output::Finish);
            return;
        }
        // A feeder's pass that was just taken over into keeping leaves Desk::Scanning with an attempt that is done.
        if let Desk::Scanning { attempt } = work.desk
            && work.keeping.back().is_some_and(|k| k.attempt == attempt)
        {
            if work.next_page().is_none() || !self.holds.is_empty() {
                work.desk = Desk::Waiting { fault: self.holds.first().cloned() };
                return;
            }
            let attempt = self.next_attempt;
            self.next_attempt = self.next_attempt.wrapping_add(1);
            work.desk = Desk::Scanning { attempt };
            self.outputs.push_back(Output::Scan { attempt });
        }
    }
}

/// A hold that appeared during a pass, in the words for what it did to the pass.
fn during_pass(hold: &Trouble) -> Trouble {
    match hold.name {
        "lid-open" | "lid-broken" => Trouble::new(
            "lid-opened",
            ("the lid was opened before the scan had ended", "扫描完成之前盖板被打开"),
            ("lay the same page again, close the lid, press start", "请重新放好同一页，合上盖板，按开始"),
        ),
        "not-in-corner" => Trouble::new(
            "corner-lost",
            ("the paper left its corner during the scan", "扫描过程中纸张离开了左上角"),
            (
                "lay the same page into the top-left corner, close the lid, press start",
                "请将同一页对齐左上角，合上盖板，按开始",
            ),
        ),
        _ => hold.clone(),
    }
}

impl Work {
    /// The page that is to be scanned, or is under the light.
    fn next_page(&self) -> Option<PageId> {
        self.plan.page_after(self.kept + self.keeping.len() as u32)
    }

    fn fault(&mut self, why: Trouble, outputs: &mut VecDeque<Output>) {
        outputs.push_back(Output::Raise(why.clone()));
        self.desk = Desk::Waiting { fault: Some(why) };
    }

    fn void(&self, attempt: u32, why: &Trouble, outputs: &mut VecDeque<Output>) {
        if let Some(page) = self.next_page() {
            outputs.push_back(Output::Void { attempt, page, why: why.clone() });
        }
    }

    /// Ends the pass under way. Answers whether there was one.
    fn break_off(&mut self, why: Trouble, outputs: &mut VecDeque<Output>) -> bool {
        match self.desk {
            Desk::Scanning { attempt } => {
                outputs.push_back(Output::CancelScan);
                self.desk = Desk::Cancelling { attempt, why };
                true
            }
            Desk::Arming { attempt, .. } => {
                outputs.push_back(Output::Disarm { attempt });
                self.fault(why, outputs);
                true
            }
            Desk::Certifying { attempt, .. } => {
                self.void(attempt, &why, outputs);
                outputs.push_back(Output::Disarm { attempt });
                self.fault(why, outputs);
                true
            }
            Desk::Waiting { .. } | Desk::Cancelling { .. } => false,
        }
    }

    /// Takes the answer to an output. An answer to something given up long ago finds no state that waits for it.
    fn result(&mut self, now: Instant, input: Input, desk: (Source, Guard), outputs: &mut VecDeque<Output>) {
        match (&self.desk, input) {
            (Desk::Arming { attempt, .. }, Input::Armed { attempt: answered }) if *attempt == answered => {
                self.desk = Desk::Scanning { attempt: answered };
                outputs.push_back(Output::Scan { attempt: answered });
            }
            (Desk::Arming { attempt, .. }, Input::ArmRefused { attempt: answered, why }) if *attempt == answered => {
                self.fault(why, outputs);
            }
            (Desk::Scanning { attempt }, Input::Scanned { attempt: answered }) if *attempt == answered => {
                self.scanned(now, answered, desk, outputs);
            }
            (Desk::Scanning { attempt }, Input::ScanFailed { attempt: answered, why }) if *attempt == answered => {
                // An empty feeder is no pass.
                if why.name != "feeder-empty" {
                    self.void(answered, &why, outputs);
                }
                outputs.push_back(Output::Disarm { attempt: answered });
                self.fault(why, outputs);
            }
            (
                Desk::Cancelling { attempt, why },
                Input::Scanned { attempt: answered } | Input::ScanFailed { attempt: answered, .. },
            ) if *attempt == answered => {
                let why = why.clone();
                self.void(answered, &why, outputs);
                outputs.push_back(Output::Disarm { attempt: answered });
                self.fault(why, outputs);
            }
            (Desk::Certifying { attempt, .. }, Input::Certified { attempt: answered, verdict })
                if *attempt == answered =>
            {
                outputs.push_back(Output::Disarm { attempt: answered });
                match verdict {
                    Ok(()) => {
                        self.take(answered, Interlock::Certified, outputs);
                        self.desk = Desk::Waiting { fault: None };
                    }
                    Err(why) => {
                        self.void(answered, &why, outputs);
                        self.fault(why, outputs);
                    }
                }
            }
            (_, Input::Processed { attempt }) => {
                if let Some(page) =
                    self.keeping.iter_mut().find(|k| k.attempt == attempt && k.stage == Stage::Processing)
                {
                    page.stage = Stage::Processed;
                }
                self.save_first(outputs);
            }
            (_, Input::Saved { attempt }) => {
                if self.keeping.front().is_some_and(|k| k.attempt == attempt && k.stage == Stage::Saving)
                    && let Some(saved) = self.keeping.pop_front()
                {
                    self.kept += 1;
                    outputs.push_back(Output::Kept { page: saved.page });
                }
                self.save_first(outputs);
            }
            (_, Input::ProcessFailed { attempt, why } | Input::SaveFailed { attempt, why }) => {
                if let Some(at) = self.keeping.iter().position(|k| k.attempt == attempt) {
                    self.give_up_from(at, why, outputs);
                }
            }
            _ => {}
        }
    }

    fn scanned(&mut self, now: Instant, attempt: u32, desk: (Source, Guard), outputs: &mut VecDeque<Output>) {
        match desk {
            // The desk stays at Scanning; Machine::go_on asks for the next sheet.
            (Source::Adf | Source::Duplex, _) => self.take(attempt, Interlock::Feeder, outputs),
            (Source::Flatbed, Guard::Board) => {
                self.desk = Desk::Certifying { attempt, since: now };
                outputs.push_back(Output::Certify { attempt });
            }
            (Source::Flatbed, Guard::Scanner | Guard::None) => {
                self.take(attempt, Interlock::None, outputs);
                self.desk = Desk::Waiting { fault: None };
            }
        }
    }

    fn take(&mut self, attempt: u32, interlock: Interlock, outputs: &mut VecDeque<Output>) {
        if let Some(page) = self.next_page() {
            self.keeping.push_back(Keeping { attempt, page, stage: Stage::Processing });
            outputs.push_back(Output::Process { attempt, page, interlock });
        }
    }

    /// Pages go into the journal one at a time and in order.
    fn save_first(&mut self, outputs: &mut VecDeque<Output>) {
        if let Some(first) = self.keeping.front_mut().filter(|k| k.stage == Stage::Processed) {
            first.stage = Stage::Saving;
            outputs.push_back(Output::Save { attempt: first.attempt });
        }
    }

    /// A page that cannot be kept takes those after it with it: their numbers would leave a gap.
    fn give_up_from(&mut self, at: usize, why: Trouble, outputs: &mut VecDeque<Output>) {
        for lost in self.keeping.drain(at..) {
            outputs.push_back(Output::Void { attempt: lost.attempt, page: lost.page, why: why.clone() });
        }
        if !self.break_off(why.clone(), outputs) && matches!(self.desk, Desk::Waiting { .. }) {
            self.fault(why, outputs);
        }
    }
}
