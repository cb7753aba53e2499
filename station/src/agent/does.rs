//! What the agent does when the machine asks for it.

use super::{Agent, Done, Note, Pass, cannot_keep, ledger, storage::Stalled};
use crate::{
    batch::{
        PageId,
        known::Known,
        machine::{Guard, Input, Output},
        sheet,
        store::StoreError,
    },
    keep::{self, Context, Job, KeepError, Made},
    moment::Moment,
    scanner::{self, task},
    view::{PageView, Preview},
    words::Trouble,
};
use jiff::Timestamp;
use platen_protocol::{
    board::{Sound, ToBoard},
    uplink::{Event, Interlock},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::Instant,
};
use tokio::runtime::Handle;

/// More than can be under way at once: the scanner has memory for six pages.
const PASSES: u32 = 64;

impl Agent {
    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::Arm { attempt } => {
                self.begin(attempt);
                match self.overrides.watch() {
                    Some(watch) => self.send_board(ToBoard::Arm { number: attempt, watch }),
                    // Nothing watches; two persons answer for that.
                    None => self.tell(Input::Armed { attempt }),
                }
            }
            Output::Disarm { attempt } => self.send_board(ToBoard::Disarm { number: attempt }),
            Output::Scan { attempt } => {
                self.begin(attempt);
                if self.out.scanner.try_send(task::Command::Scan { attempt }).is_err() {
                    let why = Trouble::from(&scanner::Fault::Crashed { how: "its task has ended".into() });
                    self.tell(Input::ScanFailed { attempt, why });
                }
            }
            Output::CancelScan => _ = self.out.scanner.try_send(task::Command::Cancel),
            Output::Certify { attempt } => {
                let Some(pass) = self.passes.get_mut(&attempt) else { return };
                // Asked again, it is to tell of no less than it was at first.
                pass.asked.get_or_insert_with(Instant::now);
                match pass.watch {
                    Some(_) => self.send_board(ToBoard::Certify { number: attempt }),
                    None => self.tell(Input::Certified { attempt, verdict: Ok(()) }),
                }
            }
            Output::Process { attempt, page, interlock } => self.process(attempt, page, interlock),
            Output::Save { attempt } => self.save(attempt),
            Output::Kept { .. } => {
                self.wake();
                self.send_board(ToBoard::Sound(Sound::Accepted));
            }
            Output::Void { attempt, page, why } => {
                self.void(attempt, page, why);
                self.send_board(ToBoard::Sound(Sound::Refused));
            }
            Output::Finish => self.finish(),
            Output::Raise(why) if !self.stands(why.name) => self.raise(&why),
            Output::Clear { name } if !self.stands(name) => {
                self.write_down(&Event::FaultCleared { fault: name.into() });
            }
            // The same is known from the sensors, and goes when they say so.
            Output::Raise(_) | Output::Clear { .. } => {}
        }
    }

    fn stands(&self, name: &str) -> bool {
        self.standing.iter().any(|fault| fault.name == name)
    }

    pub(super) fn begin(&mut self, attempt: u32) {
        // What came of passes that were broken off is known by now.
        self.passes.retain(|&earlier, _| attempt.wrapping_sub(earlier) < PASSES);
        let guarded = self.config.guard == Guard::Board;
        let (watch, overridden) = (self.overrides.watch(), self.overrides.told());
        self.passes.entry(attempt).or_insert_with(|| Pass {
            began: Instant::now(),
            scanned_at: Timestamp::now(),
            armed: None,
            asked: None,
            certificate: None,
            watch,
            overridden: if guarded { overridden } else { Vec::new() },
            raw: None,
        });
    }

    pub(super) fn process(&mut self, attempt: u32, page: PageId, interlock: Interlock) {
        let Some(pass) = self.passes.get_mut(&attempt) else { return };
        let Some(raw) = pass.raw.take() else { return };
        let interlock = match interlock {
            Interlock::Certified if !pass.overridden.is_empty() => {
                self.overrides.count_page(&pass.overridden);
                Interlock::Overridden
            }
            Interlock::Certified if self.config.watches_itself => Interlock::WatchedByStation,
            as_the_machine_says => as_the_machine_says,
        };
        let job = Job {
            attempt,
            page,
            interlock,
            certificate: pass.certificate,
            watch: pass.watch,
            overridden: pass.overridden.clone(),
            taken: self.taken.clone(),
            raw,
            scanned_at: pass.scanned_at,
            began: pass.began,
        };
        self.make(job);
    }

    pub(super) fn make(&self, job: Job) {
        let (context, results) = (self.config.context.clone(), self.results.clone());
        let in_work = self.making.a_page();
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let _turn = runtime.block_on(in_work.turn());
            let attempt = job.attempt;
            // A page that brings the pipeline down is a page that could not be kept, not a desk that hangs.
            let made = catch_unwind(AssertUnwindSafe(|| keep::make(&job, &context)));
            let result = made.unwrap_or_else(|_| Err(KeepError::Pipeline("it ended in a panic".into())));
            let _ = results.send((attempt, Done::Made(Box::new(job), result.map(Box::new))));
        });
    }

    pub(super) fn save(&mut self, attempt: u32) {
        let Some(mut made) = self.made.remove(&attempt) else { return };
        if let Some(specks) = made.specks.take() {
            let dirt = self.glass.add(specks);
            if !dirt.is_empty() {
                made.shows_dirt_at(&dirt);
            }
        }
        self.place(attempt, made);
    }

    pub(super) fn place(&mut self, attempt: u32, mut made: Made) {
        let (results, known) = (self.results.clone(), std::mem::take(&mut self.known));
        // Two folders are synced and the page is compared with those before it: the scanner need not wait for that.
        tokio::task::spawn_blocking(move || {
            // A comparison that fails costs a flag, not the page.
            let compared = catch_unwind(AssertUnwindSafe(|| known.same_sheet(made.kept.page, &made.signature)));
            match compared {
                Ok(Some(number)) if made.kept.event.same_as.is_none() => made.shows_the_same_sheet_as(number),
                Ok(Some(_)) => {}
                Ok(None) => {}
                Err(_) => tracing::error!(number = made.kept.page.number, "the page could not be compared"),
            }
            let placed = keep::place(&made);
            let _ = results.send((attempt, Done::Placed(Box::new(made), known, placed)));
        });
    }

    pub(super) fn placed(&mut self, attempt: u32, made: Made, known: Known, placed: Result<(), KeepError>) {
        self.known = known;
        let batch = self.config.context.plan.batch.clone();
        let now = Moment::now();
        // What happened before stands before it in the journal.
        let saved = match placed {
            Err(error) if self.blame_the_disk(&error) => {
                return self.stalled.push(Stalled::Place(attempt, Box::new(made)));
            }
            Err(error) => Err(error.to_string()),
            Ok(()) if !self.flush_ledger() => return self.stalled.push(Stalled::Place(attempt, Box::new(made))),
            Ok(()) => match self.journal.keep(&batch, &made.kept, &now) {
                Err(error) if self.blame_the_journal(&error) => {
                    return self.stalled.push(Stalled::Place(attempt, Box::new(made)));
                }
                other => other.map_err(|e| e.to_string()),
            },
        };
        match saved {
            Ok(()) => {
                self.blame = None;
                self.passes.remove(&attempt);
                self.known.add(made.kept.page, made.signature.clone());
                self.show_page(attempt, made, now.at);
                self.tell(Input::Saved { attempt });
            }
            Err(error) => self.tell(Input::SaveFailed { attempt, why: cannot_keep("disk", &error) }),
        }
    }

    pub(super) fn void(&mut self, attempt: u32, page: PageId, why: Trouble) {
        self.passes.remove(&attempt);
        if let Some(made) = self.made.remove(&attempt) {
            keep::discard(&made);
        }
        let plan = self.config.context.plan.clone();
        self.enter(ledger::Note::Void { plan, page, why: Box::new(why.clone()) });
        self.note(Note::Void { page, why });
    }

    pub(super) fn finish(&mut self) {
        match self.write_sheet() {
            Ok(sheet) => {
                self.blame = None;
                self.wake();
                self.note(Note::Complete { sheet });
                platen_process::give_back();
                self.tell(Input::Finished);
            }
            Err(Unfinished::Keep(error)) if self.blame_the_disk(&error) => self.stalled.push(Stalled::Finish),
            Err(Unfinished::Journal(error)) if self.blame_the_journal(&error) => self.stalled.push(Stalled::Finish),
            Err(error) => self.tell(Input::FinishFailed { why: cannot_finish(&error) }),
        }
    }

    fn write_sheet(&mut self) -> Result<PathBuf, Unfinished> {
        // What happened before stands before it in the journal.
        self.flush_ledger();
        let Context { plan, out, operator, .. } = &self.config.context;
        let now = Moment::now();
        let date = now.at.to_zoned(jiff::tz::TimeZone::system()).date().to_string();
        let bytes = sheet::workbook(plan, operator, &date, &self.journal.history(plan)?)
            .map_err(|e| Unfinished::Sheet(e.to_string()))?;
        let name = plan.batch.folder().join(sheet::FILE_NAME);
        keep::replace(&out.join(&name), &bytes)?;
        let batch = plan.batch.clone();
        self.journal.complete(&batch, &name.to_string_lossy(), &now)?;
        Ok(out.join(name))
    }

    pub(super) fn show_page(&mut self, attempt: u32, made: Made, now: Timestamp) {
        let name = format!("{attempt}.jpg");
        let event = made.kept.event;
        self.last_page = Some(PageView {
            volume: event.volume.clone(),
            number: event.number,
            preview: format!("/preview/{name}"),
            angle: event.angle,
            applied: event.applied,
            confidence: event.confidence,
            flags: event.flags.clone(),
            same_as: event.same_as,
            interlock: event.interlock,
            file: event.file.clone(),
            at: now.to_string(),
            took_ms: event.took_ms,
        });
        if let Some(jpeg) = made.preview {
            self.out.preview.send_replace(Preview { name, jpeg: jpeg.into() });
        }
        self.note(Note::Kept(Box::new(event)));
    }
}

/// Why a batch could not be completed.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error(transparent)]
    Journal(#[from] StoreError),
    #[error("{0}")]
    Sheet(String),
}

fn cannot_finish(error: &Unfinished) -> Trouble {
    Trouble::new(
        "tracking-sheet",
        (&format!("the tracking sheet could not be written: {error}"), &format!("跟踪表无法写入：{error}")),
        ("look at the disk, then press start to try again", "请检查磁盘，然后按开始重试"),
    )
    .alarm()
}
