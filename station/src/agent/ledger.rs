//! What is to be written into the journal, and could not be yet. Nothing that happened is forgotten because a disk fails for a
//! while: it waits here, in order, and the desk pauses until it is written.

use super::{Agent, Wake};
use crate::{
    batch::{PageId, Plan},
    moment::Moment,
    words::Trouble,
};
use platen_protocol::uplink::{Event, Reading};
use std::{collections::VecDeque, time::Instant};

/// With the desk paused little can happen; a fault that comes and goes for hours must not fill the memory.
const MOST: usize = 10_000;

/// One change of the journal.
#[derive(Debug)]
pub(super) enum Note {
    Event(Event),
    Void {
        plan: Plan,
        page: PageId,
        why: Box<Trouble>,
    },
    /// The operator has closed the batch.
    ClearDesk,
}

/// What waits, and why.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    waiting: VecDeque<(Moment, Note)>,
    error: Option<String>,
}

impl Ledger {
    /// Why the journal cannot be written, if something waits for that.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

impl Agent {
    /// Writes down that something happened.
    pub(super) fn write_down(&mut self, event: &Event) {
        self.enter(Note::Event(event.clone()));
    }

    pub(super) fn enter(&mut self, note: Note) {
        if self.ledger.waiting.len() >= MOST {
            tracing::error!(?note, "the journal cannot be written and too much waits: this is lost");
            return;
        }
        self.ledger.waiting.push_back((Moment::now(), note));
        self.flush_ledger();
    }

    /// Tries to write what waits. Answers whether nothing does any more.
    pub(super) fn flush_ledger(&mut self) -> bool {
        let mut wrote = false;
        while let Some((moment, note)) = self.ledger.waiting.front() {
            let written = match note {
                Note::Event(event) => self.journal.note(event, moment),
                Note::Void { plan, page, why } => self.journal.void(plan, *page, (why.name, &why.text.en), moment),
                Note::ClearDesk => self.journal.clear_desk(),
            };
            match written {
                Ok(()) => {}
                // It would block those behind it for ever.
                Err(error) if error.is_of_the_entry() => {
                    tracing::error!(?note, %error, "an entry that the journal does not take is left out");
                }
                Err(error) => {
                    let error = error.to_string();
                    if self.ledger.error.as_ref() != Some(&error) {
                        tracing::error!(error, "the journal cannot be written; trying again");
                    }
                    self.ledger.error = Some(error);
                    return false;
                }
            }
            wrote = true;
            self.ledger.waiting.pop_front();
        }
        if wrote {
            self.ledger.error = None;
            self.wake();
        }
        true
    }

    /// Faults that an earlier run raised and could not clear, because it ended first.
    pub(super) fn clear_old_faults(&mut self) {
        match self.journal.standing_faults() {
            Ok(faults) => faults.into_iter().for_each(|fault| self.write_down(&Event::FaultCleared { fault })),
            Err(error) => tracing::error!(%error, "faults of the last run"),
        }
    }

    /// Notices a clock that was set.
    pub(super) fn look_at_the_clock(&mut self) {
        if let Some(by_ms) = self.steady.see(&Moment::now()) {
            tracing::warn!(by_ms, "the clock was set");
            self.write_down(&Event::ClockJumped { by_ms });
        }
    }

    pub(super) fn report(&self, reading: Reading) {
        self.report_of(Instant::now(), reading);
    }

    /// Reports what was read at that instant.
    pub(super) fn report_of(&self, read: Instant, reading: Reading) {
        if let Some(outbox) = &self.out.outbox {
            let moment = Moment::now().before(read.elapsed());
            // A reading that finds the outbox busy is one that may be thinned.
            let _ = outbox.try_send(Wake::Reading(moment, reading));
        }
    }

    pub(super) fn wake(&self) {
        if let Some(outbox) = &self.out.outbox {
            // If it is full, the outbox is awake.
            let _ = outbox.try_send(Wake::Events);
        }
    }
}
