//! An open batch: the pass under way, and the pages between scanner and journal.

use super::{Guard, Input, Output};
use crate::{
    batch::{PageId, Plan},
    words::Trouble,
};
use platen_protocol::uplink::{Interlock, Source};
use std::{collections::VecDeque, time::Instant};

/// The scanner's side of an open batch.
///
/// ```text
///  Waiting ──Start──▶ Arming ──Armed──▶ Scanning ──Scanned──▶ Certifying ──good──▶ Waiting
///     │   feeder or no board               ▲ │                    │
///     └────────────────────────────────────┘ │ lid opened,        └─bad──▶ Waiting(fault), page void
///     ▲                                      ▼ Cancel, disk
///     └──────────────────────────────── Cancelling
///  A feeder goes from Scanned to Scanning until it is empty or the plan is full; while something stands against the next
///  sheet it is Paused, and goes on by itself.
/// ```
#[derive(Debug)]
pub(super) enum Desk {
    Waiting { fault: Option<Trouble> },
    Paused,
    Arming { attempt: u32, since: Instant },
    Scanning { attempt: u32 },
    Certifying { attempt: u32, since: Instant, asked: Instant },
    Cancelling { attempt: u32, why: Trouble },
}

#[derive(Debug)]
pub(super) struct Work {
    pub(super) plan: Plan,
    /// Pages in the journal, over all volumes.
    pub(super) kept: u32,
    pub(super) desk: Desk,
    /// Pages between scanner and journal, in order.
    pub(super) keeping: VecDeque<Keeping>,
}

#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) attempt: u32,
    pub(super) page: PageId,
    pub(super) stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Processing,
    Processed,
    Saving,
}

/// A hold that appeared during a pass, in the words for what it did to the pass.
pub(super) fn during_pass(hold: &Trouble) -> Trouble {
    match hold.name {
        "lid-open" | "lid-broken" | "cover-open" => Trouble::new(
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
    pub(super) fn next_page(&self) -> Option<PageId> {
        self.plan.page_after(self.kept + self.keeping.len() as u32)
    }

    /// No pass is under way and no page between scanner and journal.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.desk, Desk::Waiting { .. } | Desk::Paused) && self.keeping.is_empty()
    }

    pub(super) fn fault(&mut self, why: Trouble, outputs: &mut VecDeque<Output>) {
        outputs.push_back(Output::Raise(why.clone()));
        self.desk = Desk::Waiting { fault: Some(why) };
    }

    pub(super) fn void(&self, attempt: u32, why: &Trouble, outputs: &mut VecDeque<Output>) {
        if let Some(page) = self.next_page() {
            outputs.push_back(Output::Void { attempt, page, why: why.clone() });
        }
    }

    /// Ends the pass under way. Answers whether there was one.
    pub(super) fn break_off(&mut self, why: Trouble, outputs: &mut VecDeque<Output>) -> bool {
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
            Desk::Paused => {
                self.desk = Desk::Waiting { fault: None };
                true
            }
            Desk::Waiting { .. } | Desk::Cancelling { .. } => false,
        }
    }

    /// Takes the answer to an output. An answer to something given up long ago finds no state that waits for it.
    pub(super) fn result(&mut self, now: Instant, input: Input, desk: (Source, Guard), outputs: &mut VecDeque<Output>) {
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

    pub(super) fn scanned(
        &mut self,
        now: Instant,
        attempt: u32,
        desk: (Source, Guard),
        outputs: &mut VecDeque<Output>,
    ) {
        match desk {
            // The desk stays at Scanning; Machine::go_on asks for the next sheet.
            (Source::Adf | Source::Duplex, _) => self.take(attempt, Interlock::Feeder, outputs),
            (Source::Flatbed, Guard::Board) => {
                self.desk = Desk::Certifying { attempt, since: now, asked: now };
                outputs.push_back(Output::Certify { attempt });
            }
            (Source::Flatbed, Guard::Scanner | Guard::None) => {
                self.take(attempt, Interlock::None, outputs);
                self.desk = Desk::Waiting { fault: None };
            }
        }
    }

    pub(super) fn take(&mut self, attempt: u32, interlock: Interlock, outputs: &mut VecDeque<Output>) {
        if let Some(page) = self.next_page() {
            self.keeping.push_back(Keeping { attempt, page, stage: Stage::Processing });
            outputs.push_back(Output::Process { attempt, page, interlock });
        }
    }

    /// Pages go into the journal one at a time and in order.
    pub(super) fn save_first(&mut self, outputs: &mut VecDeque<Output>) {
        if let Some(first) = self.keeping.front_mut().filter(|k| k.stage == Stage::Processed) {
            first.stage = Stage::Saving;
            outputs.push_back(Output::Save { attempt: first.attempt });
        }
    }

    /// A page that cannot be kept takes those after it with it: their numbers would leave a gap.
    pub(super) fn give_up_from(&mut self, at: usize, why: Trouble, outputs: &mut VecDeque<Output>) {
        for lost in self.keeping.drain(at..) {
            outputs.push_back(Output::Void { attempt: lost.attempt, page: lost.page, why: why.clone() });
        }
        let waits = matches!(self.desk, Desk::Waiting { .. } | Desk::Paused);
        if waits || !self.break_off(why.clone(), outputs) && matches!(self.desk, Desk::Waiting { .. }) {
            self.fault(why, outputs);
        }
    }
}
