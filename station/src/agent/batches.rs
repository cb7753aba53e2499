//! Batches come onto the desk: because somebody opens one, or because one lay there when the last run ended.

use super::{Agent, No, Wish};
use crate::{
    batch::{
        Plan,
        known::Known,
        machine::{Input, Refused},
    },
    keep,
    moment::Moment,
    pages::Signature,
    scanner::task,
};
use std::{collections::HashSet, time::Instant};

impl Agent {
    pub(super) fn open(&mut self, plan: Plan) -> Result<(), No> {
        if self.machine.picture().plan.is_some() {
            return Err(No::Because("a batch is open already".into()));
        }
        // What happened before stands before it in the journal.
        if !self.flush_ledger() {
            return Err(No::Because("the journal cannot be written now".into()));
        }
        if self.journal.is_complete(&plan.batch).map_err(|e| No::Because(e.to_string()))? {
            return Err(No::Complete(plan.batch));
        }
        let (kept, known) = self.open_in_journal(&plan)?;
        self.to_resume = false;
        self.known = known;
        self.config.context.plan = plan.clone();
        self.last_page = None;
        self.wake();
        // A queue that is full holds a scan, which opens it as well.
        let _ = self.out.scanner.try_send(task::Command::Open);
        self.machine
            .handle(Instant::now(), Input::Open { plan, kept })
            .map_err(|_| No::Because("a batch is open already".into()))
    }

    /// Opens the batch in the journal, and answers how many pages that has of it and what they look like. Refuses one of whose pages
    /// files are missing; files that the journal does not know are moved away.
    fn open_in_journal(&mut self, plan: &Plan) -> Result<(u32, Known), No> {
        let because = |e: &dyn std::fmt::Display| No::Because(e.to_string());
        let context = &self.config.context;
        let kept = self.journal.open_batch(plan, &context.operator, &Moment::now()).map_err(|e| because(&e))?;
        let files = self.journal.files(&plan.batch).map_err(|e| because(&e))?;
        let missing: Vec<_> =
            files.iter().filter(|(f, ..)| !context.out.join(f).is_file()).map(|(f, ..)| f.clone()).collect();
        if !missing.is_empty() {
            let where_ = context.out.display();
            return Err(No::Because(format!("files of kept pages are missing below {where_}: {}", missing.join(", "))));
        }
        let known: HashSet<String> = files.into_iter().flat_map(|(file, master, _)| [file, master]).collect();
        let moved = keep::sweep(&context.out, plan, &known, &self.config.lost_found).map_err(|e| because(&e))?;
        if moved > 0 {
            tracing::warn!(moved, to = %self.config.lost_found.display(), "files of pages that were never kept");
        }
        let mut pages = Known::default();
        for (page, bytes) in self.journal.signatures(&plan.batch).map_err(|e| because(&e))? {
            match Signature::from_bytes(&bytes) {
                Ok(signature) => pages.add(page, signature),
                Err(error) => tracing::warn!(%error, number = page.number, "a page cannot be compared"),
            }
        }
        Ok((kept, pages))
    }

    /// The batch leaves the desk, if no pass is under way.
    pub(super) fn close(&mut self) -> Result<(), Refused> {
        self.machine.handle(Instant::now(), Input::Close)?;
        let _ = self.out.scanner.try_send(task::Command::Close);
        self.known = Known::default();
        platen_process::give_back();
        self.look_for_plans();
        Ok(())
    }

    /// What was on the desk when the last run ended, or when the battery was low: it goes on by itself.
    pub(super) fn resume(&mut self) {
        if !self.to_resume || self.supply.battery_low || self.machine.picture().plan.is_some() {
            return;
        }
        match self.journal.on_desk() {
            Ok(None) => self.to_resume = false,
            Ok(Some(plan)) => {
                let batch = plan.batch.clone();
                match self.grant(Wish::Open(plan)) {
                    Ok(()) => tracing::info!(%batch, "goes on"),
                    // Its folder may not be mounted yet.
                    Err(no) => tracing::warn!(%batch, ?no, "cannot go on; trying again"),
                }
            }
            Err(error) => tracing::error!(%error, "the batch on the desk"),
        }
    }
}
