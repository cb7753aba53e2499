//! The journal: what this station knows for certain. SQLite with `synchronous=FULL`; one writer.
//!
//! Every change and the event that tells of it are one transaction. The outbox copies events from here, so that a page
//! can neither be kept without being told nor be told without being kept.

mod schema;
mod told;

use super::{BatchName, PageId, Plan};
use crate::{durable::create_folders, moment::Moment};
use platen_protocol::uplink::{BatchOpened, Event, PageAccepted, PageVoided, VolumePlan};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};
use std::{
    io,
    path::{Path, PathBuf},
};
pub(crate) use told::Entry;
use told::say;

/// Why the journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("journal {file}: {source}", file = .file.display())]
    Sqlite { file: PathBuf, source: rusqlite::Error },
    #[error("journal {file}: {source}", file = .file.display())]
    Io { file: PathBuf, source: std::io::Error },
    #[error("journal {file}: it is of version {found}; this program writes version {own}", file = .file.display(), own = schema::VERSION)]
    Version { file: PathBuf, found: i64 },
    #[error("journal: page {number} of volume {volume} was to be written where page {expected} comes next")]
    Gap { volume: usize, number: u32, expected: u32 },
    #[error("batch {batch} was begun here with another plan: {what}")]
    OtherPlan { batch: BatchName, what: String },
    #[error("journal: an entry cannot be read: {0}")]
    Entry(#[from] serde_json::Error),
}

impl StoreError {
    /// Whether this one entry can never be written, and others may.
    pub(crate) fn is_of_the_entry(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => source.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation),
            Self::Entry(_) => true,
            Self::Io { .. } | Self::Version { .. } | Self::Gap { .. } | Self::OtherPlan { .. } => false,
        }
    }

    /// If the disk is to blame: the file, and what to call it.
    pub(crate) fn of_disk(&self) -> Option<(PathBuf, io::Error)> {
        use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, ReadOnly, SystemIoFailure};
        match self {
            Self::Sqlite { file, source } => {
                let kind = match source.sqlite_error_code()? {
                    DiskFull => io::ErrorKind::StorageFull,
                    ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
                    SystemIoFailure | DatabaseBusy | DatabaseLocked | CannotOpen => io::ErrorKind::Other,
                    _ => return None,
                };
                Some((file.clone(), io::Error::new(kind, source.to_string())))
            }
            Self::Io { file, source } => Some((file.clone(), io::Error::new(source.kind(), source.to_string()))),
            Self::Version { .. } | Self::Gap { .. } | Self::OtherPlan { .. } | Self::Entry(_) => None,
        }
    }
}

/// A page as it goes into the journal.
#[derive(Debug, Clone)]
pub(crate) struct KeptPage {
    pub(crate) page: PageId,
    /// Below the output folder.
    pub(crate) master: String,
    /// Everything known of the page but the event.
    pub(crate) record: serde_json::Value,
    pub(crate) event: PageAccepted,
    /// What the sheet is recognised by.
    pub(crate) signature: Vec<u8>,
}

/// What the tracking sheet needs to know of a volume.
#[derive(Debug, Clone, Default)]
pub(crate) struct VolumeHistory {
    pub(crate) kept: u32,
    /// Passes that did not count, by fault.
    pub(crate) voided: Vec<(String, u32)>,
    /// Flags, with the pages they are on.
    pub(crate) flags: Vec<(String, u32)>,
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: PathBuf,
    db: Connection,
}

impl Journal {
    pub(crate) fn open(file: &Path) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { file: file.into(), source };
        if let Some(folder) = file.parent() {
            create_folders(folder).map_err(io)?;
        }
        let sqlite = |source| StoreError::Sqlite { file: file.into(), source };
        let mut db = Connection::open(file).map_err(sqlite)?;
        schema::prepare(&mut db, file)?;
        Ok(Self { file: file.into(), db })
    }

    /// Opens it for looking only: neither made nor brought to this version.
    pub(crate) fn look(file: &Path) -> Result<Self, StoreError> {
        let sqlite = |source| StoreError::Sqlite { file: file.into(), source };
        let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite)?;
        match db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)? {
            schema::VERSION => Ok(Self { file: file.into(), db }),
            found => Err(StoreError::Version { file: file.into(), found }),
        }
    }

    fn write<T>(&mut self, change: impl FnOnce(&Transaction<'_>) -> Result<T, Inner>) -> Result<T, StoreError> {
        let file = &self.file;
        let named = |inner| match inner {
            Inner::Sqlite(source) => StoreError::Sqlite { file: file.clone(), source },
            Inner::Own(own) => own,
        };
        let tx = self.db.transaction().map_err(|e| named(e.into()))?;
        let done = change(&tx).map_err(named)?;
        tx.commit().map_err(|e| named(e.into()))?;
        Ok(done)
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        query(&self.db).map_err(|source| StoreError::Sqlite { file: self.file.clone(), source })
    }

    /// Begins a batch, or finds one that was begun. Answers how many of its pages are kept.
    pub(crate) fn open_batch(&mut self, plan: &Plan, operator: &str, now: &Moment) -> Result<u32, StoreError> {
        let name = plan.batch.to_string();
        let text = serde_json::to_string(plan)?;
        self.write(|tx| {
            let known: Option<String> =
                tx.query_row("SELECT plan FROM batch WHERE name = ?1", [&name], |row| row.get(0)).optional()?;
            match known {
                Some(known) if known == text => {}
                Some(known) => {
                    let known: Plan = serde_json::from_str(&known).map_err(StoreError::from)?;
                    let what = format!(
                        "{} volumes with {} pages then, {} volumes with {} pages now",
                        known.volumes.len(),
                        known.expected(),
                        plan.volumes.len(),
                        plan.expected()
                    );
                    return Err(StoreError::OtherPlan { batch: plan.batch.clone(), what }.into());
                }
                None => {
                    tx.execute(
                        "INSERT INTO batch (name, plan, operator, opened_at) VALUES (?1, ?2, ?3, ?4)",
                        params![name, text, operator, now.at.to_string()],
                    )?;
                    let volumes = plan.volumes.iter().map(|v| VolumePlan {
                        code: v.code.to_string(),
                        title: v.title.clone(),
                        expected: v.expected,
                    });
                    let (batch, operator) = (name.clone(), operator.into());
                    say(tx, now, &Event::BatchOpened(BatchOpened { batch, operator, volumes: volumes.collect() }))?;
                }
            }
            tx.execute("UPDATE batch SET on_desk = (name = ?1)", [&name])?;
            Ok(tx.query_row(
                "SELECT count(*) FROM page WHERE batch = (SELECT id FROM batch WHERE name = ?1)",
                [&name],
                |row| row.get(0),
            )?)
        })
    }

    /// Somebody has closed the batch that lay on the desk.
    pub(crate) fn clear_desk(&mut self) -> Result<(), StoreError> {
        self.write(|tx| Ok(tx.execute("UPDATE batch SET on_desk = 0 WHERE on_desk", []).map(|_| ())?))
    }

    /// The batch that lies on the desk and is not complete: nobody has closed it.
    pub(crate) fn on_desk(&self) -> Result<Option<Plan>, StoreError> {
        let plan: Option<String> = self.read(|db| {
            db.query_row("SELECT plan FROM batch WHERE on_desk AND completed_at IS NULL", [], |row| row.get(0))
                .optional()
        })?;
        Ok(plan.map(|plan| serde_json::from_str(&plan)).transpose()?)
    }

    /// Whether the batch was completed before.
    pub(crate) fn is_complete(&self, batch: &BatchName) -> Result<bool, StoreError> {
        let name = batch.to_string();
        self.read(|db| {
            db.query_row("SELECT completed_at IS NOT NULL FROM batch WHERE name = ?1", [name], |row| row.get(0))
                .optional()
                .map(|found| found.unwrap_or(false))
        })
    }

    /// Pages kept of a batch, 0 if it was never begun.
    pub(crate) fn kept(&self, batch: &BatchName) -> Result<u32, StoreError> {
        let name = batch.to_string();
        self.read(|db| {
            db.query_row(
                "SELECT count(*) FROM page JOIN batch ON batch.id = page.batch WHERE name = ?1",
                [name],
                |row| row.get(0),
            )
        })
    }

    /// Writes a page. Refuses any but the next number: a gap cannot be written.
    pub(crate) fn keep(&mut self, batch: &BatchName, kept: &KeptPage, now: &Moment) -> Result<(), StoreError> {
        let PageId { volume, number } = kept.page;
        self.write(|tx| {
            let id: i64 =
                tx.query_row("SELECT id FROM batch WHERE name = ?1", [batch.to_string()], |row| row.get(0))?;
            let last: u32 = tx.query_row(
                "SELECT coalesce(max(number), 0) FROM page WHERE batch = ?1 AND volume = ?2",
                params![id, volume],
                |row| row.get(0),
            )?;
            if number != last + 1 {
                return Err(StoreError::Gap { volume, number, expected: last + 1 }.into());
            }
            let mut record = kept.record.clone();
            record["page"] = serde_json::to_value(&kept.event).map_err(StoreError::from)?;
            tx.execute(
                "INSERT INTO page (batch, volume, number, file, master, sha256, record, kept_at, signature)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    id,
                    volume,
                    number,
                    kept.event.file,
                    kept.master,
                    kept.event.sha256,
                    record.to_string(),
                    now.at.to_string(),
                    kept.signature
                ],
            )?;
            say(tx, now, &Event::PageAccepted(kept.event.clone()))
        })
    }

    /// Writes down a pass that did not count.
    pub(crate) fn void(
        &mut self,
        plan: &Plan,
        page: PageId,
        (fault, text): (&str, &str),
        now: &Moment,
    ) -> Result<(), StoreError> {
        let batch = plan.batch.to_string();
        let volume = plan.volumes.get(page.volume).map(|v| v.code.to_string()).unwrap_or_default();
        self.write(|tx| {
            tx.execute(
                "INSERT INTO void (batch, volume, number, fault, text, at)
                 VALUES ((SELECT id FROM batch WHERE name = ?1), ?2, ?3, ?4, ?5, ?6)",
                params![batch, page.volume, page.number, fault, text, now.at.to_string()],
            )?;
            let (number, fault, text) = (page.number, fault.into(), text.into());
            say(tx, now, &Event::PageVoided(PageVoided { batch, volume, number, fault, text }))
        })
    }

    /// Writes down that a batch is complete and where its tracking sheet lies; once.
    pub(crate) fn complete(&mut self, batch: &BatchName, sheet: &str, now: &Moment) -> Result<(), StoreError> {
        let name = batch.to_string();
        self.write(|tx| {
            let changed = tx.execute(
                "UPDATE batch SET completed_at = ?2, tracking_sheet = ?3 WHERE name = ?1 AND completed_at IS NULL",
                params![name, now.at.to_string(), sheet],
            )?;
            if changed == 1 {
                let pages = tx.query_row(
                    "SELECT count(*) FROM page JOIN batch ON batch.id = page.batch WHERE name = ?1",
                    [&name],
                    |row| row.get(0),
                )?;
                say(tx, now, &Event::BatchCompleted { batch: name, pages, tracking_sheet: sheet.into() })?;
            }
            Ok(())
        })
    }

    /// Writes down an event that changes no page.
    pub(crate) fn note(&mut self, event: &Event, now: &Moment) -> Result<(), StoreError> {
        self.write(|tx| say(tx, now, event))
    }

    /// Files that belong to kept pages of a batch, with the hash each must have.
    pub(crate) fn files(&self, batch: &BatchName) -> Result<Vec<(String, String, String)>, StoreError> {
        let name = batch.to_string();
        self.read(|db| {
            db.prepare("SELECT file, master, sha256 FROM page JOIN batch ON batch.id = page.batch WHERE name = ?1 ORDER BY volume, number")?
                .query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })
    }

    /// What the sheets of a batch are recognised by, in the order of their pages.
    pub(crate) fn signatures(&self, batch: &BatchName) -> Result<Vec<(PageId, Vec<u8>)>, StoreError> {
        let name = batch.to_string();
        self.read(|db| {
            db.prepare(
                "SELECT volume, number, signature FROM page JOIN batch ON batch.id = page.batch
                 WHERE name = ?1 AND signature IS NOT NULL ORDER BY volume, number",
            )?
            .query_map([name], |row| Ok((PageId { volume: row.get(0)?, number: row.get(1)? }, row.get(2)?)))?
            .collect()
        })
    }

    /// What happened to each volume of a plan.
    pub(crate) fn history(&self, plan: &Plan) -> Result<Vec<VolumeHistory>, StoreError> {
        let name = plan.batch.to_string();
        let mut volumes = vec![VolumeHistory::default(); plan.volumes.len()];
        let records: Vec<(usize, u32, String)> = self.read(|db| {
            db.prepare("SELECT volume, number, record FROM page JOIN batch ON batch.id = page.batch WHERE name = ?1 ORDER BY volume, number")?
                .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })?;
        for (volume, number, record) in records {
            let record: serde_json::Value = serde_json::from_str(&record)?;
            let Some(history) = volumes.get_mut(volume) else { continue };
            history.kept += 1;
            let flags = record["page"]["flags"].as_array().into_iter().flatten().filter_map(|f| f.as_str());
            history.flags.extend(flags.map(|f| (f.to_string(), number)));
            if record["page"]["interlock"] == "overridden" {
                history.flags.push(("sensor overridden".into(), number));
            }
        }
        let voids: Vec<(usize, String, u32)> = self.read(|db| {
            db.prepare("SELECT volume, fault, count(*) FROM void JOIN batch ON batch.id = void.batch WHERE name = ?1 GROUP BY 1, 2 ORDER BY 1, 2")?
                .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })?;
        for (volume, fault, times) in voids {
            if let Some(history) = volumes.get_mut(volume) {
                history.voided.push((fault, times));
            }
        }
        Ok(volumes)
    }
}

/// Either kind of error inside a transaction.
enum Inner {
    Sqlite(rusqlite::Error),
    Own(StoreError),
}

impl From<rusqlite::Error> for Inner {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(e)
    }
}

impl From<StoreError> for Inner {
    fn from(e: StoreError) -> Self {
        Self::Own(e)
    }
}
