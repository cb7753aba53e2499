//! Pages that the disk did not take: they wait in memory and are tried again, while the desk pauses.

use super::{Agent, Made};
use crate::{
    batch::store::StoreError,
    disk::Disk,
    keep::{Job, KeepError},
    words::Trouble,
};
use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

/// A page between scanner and journal that waits for the disk.
#[derive(Debug)]
pub(super) enum Stalled {
    /// Its files could not be written.
    Make(Box<Job>),
    /// They could not be named, or the journal could not be written.
    Place(u32, Box<Made>),
    /// The tracking sheet could not be written, or the journal.
    Finish,
}

/// What a write has said of the disk. The watch may find nothing wrong: it writes another file.
#[derive(Debug)]
pub(super) struct Blame {
    disk: Disk,
    /// When it was tried last.
    tried: Instant,
}

/// Between two tries of what the disk did not take.
const AGAIN: Duration = Duration::from_secs(1);

impl Agent {
    /// What keeps the desk from scanning: a disk that does not take pages, a journal that cannot be written, too many reports.
    pub(super) fn storage_holds(&self) -> Vec<Trouble> {
        let blamed = self.blame.as_ref().and_then(|blame| blame.disk.hold());
        let mut holds: Vec<_> = self.disk.hold().or(blamed).into_iter().collect();
        if holds.is_empty()
            && let Some(error) = self.ledger.error()
        {
            let text = (error.to_owned(), format!("日志无法写入：{error}"));
            let action = ("have the disk looked at; the desk goes on by itself", "请检查磁盘，恢复后系统将自动继续");
            holds.push(Trouble::new("journal", (&text.0, &text.1), action).alarm().between_pages());
        }
        if self.network.full {
            let waiting = self.network.waiting;
            let text = (
                format!("{waiting} reports wait for the supervisor, and there is no room for more"),
                format!("已有 {waiting} 条记录等待上报，缓存空间不足"),
            );
            let action = (
                "have the way to the supervisor looked at; the desk goes on by itself",
                "请检查与管理端的网络连接，恢复后系统将自动继续",
            );
            holds.push(Trouble::new("outbox-full", (&text.0, &text.1), action).alarm().between_pages());
        }
        holds
    }

    /// Whether the disk is to blame for a page that could not be kept: then it waits.
    pub(super) fn blame_the_disk(&mut self, error: &KeepError) -> bool {
        let Some((folder, io)) = error.of_disk() else { return false };
        let folder = folder.unwrap_or(&self.config.context.out).to_path_buf();
        self.disk_failed(&folder, io);
        true
    }

    /// The same for the journal.
    pub(super) fn blame_the_journal(&mut self, error: &StoreError) -> bool {
        let Some((file, io)) = error.of_disk() else { return false };
        self.disk_failed(&file, &io);
        true
    }

    fn disk_failed(&mut self, folder: &Path, error: &io::Error) {
        tracing::error!(folder = %folder.display(), %error, "something waits for the disk");
        let disk = Disk::from_error(folder, error, self.config.reserve);
        self.blame = Some(Blame { disk, tried: Instant::now() });
        // If the watch has a word waiting, it will look.
        let _ = self.out.disk.try_send(());
    }

    /// Tries again what waits for the disk, unless that is known to be bad. The hold stands until something was taken.
    pub(super) fn try_again(&mut self) {
        if self.disk.hold().is_some() || self.blame.as_ref().is_some_and(|blame| blame.tried.elapsed() < AGAIN) {
            return;
        }
        self.flush_ledger();
        if self.stalled.is_empty() && self.machine.picture().saving == 0 {
            self.blame = None;
        }
        if let Some(blame) = &mut self.blame {
            blame.tried = Instant::now();
        }
        for stalled in std::mem::take(&mut self.stalled) {
            match stalled {
                Stalled::Make(job) => self.make(*job),
                Stalled::Place(attempt, made) => self.place(attempt, *made),
                Stalled::Finish => self.finish(),
            }
        }
    }
}
