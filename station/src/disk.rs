//! The disk: looked at before it is needed. Free space often, writing and syncing seldom, and often while it fails.

use crate::words::Trouble;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

/// Free space is looked at this often.
const LOOK: Duration = Duration::from_secs(2);
/// So many looks pass between tries to write while all is well.
const WRITE_EVERY: u32 = 15;
/// While something is wrong it is tried again after this.
const AGAIN: Duration = Duration::from_millis(500);
/// A small write that takes longer, twice in a row, says that something is wrong, though it works.
const SLOW: Duration = Duration::from_millis(800);
/// A disk that does not answer for so long is taken for gone.
const PATIENCE: Duration = Duration::from_secs(20);
const PROBE: &str = ".platen-probe";

/// How a folder's disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Disk {
    Good,
    /// It works, and takes long.
    Slow {
        took: Duration,
    },
    /// Less is free than one page may need.
    Full {
        folder: PathBuf,
        free: u64,
        reserve: u64,
    },
    ReadOnly {
        folder: PathBuf,
    },
    Failing {
        folder: PathBuf,
        error: String,
    },
    Silent {
        folder: PathBuf,
    },
}

impl Disk {
    /// What keeps the desk from scanning.
    pub(crate) fn hold(&self) -> Option<Trouble> {
        let mib = |bytes: u64| bytes / (1024 * 1024);
        let (name, en, zh, action) = match self {
            Self::Good | Self::Slow { .. } => return None,
            Self::Full { folder, free, reserve } => (
                "disk-full",
                format!("{} MiB are free below {}, {} are needed", mib(*free), folder.display(), mib(*reserve)),
                format!("{} 所在磁盘仅剩 {} MiB，至少需要 {} MiB", folder.display(), mib(*free), mib(*reserve)),
                ("make room on the disk; the desk goes on by itself", "请清理磁盘空间，系统将自动继续"),
            ),
            Self::ReadOnly { folder } => (
                "disk-read-only",
                format!("{} cannot be written: its disk is read-only", folder.display()),
                format!("{} 无法写入：磁盘为只读", folder.display()),
                ("have the disk looked at; the desk goes on by itself", "请检查磁盘，恢复后系统将自动继续"),
            ),
            Self::Failing { folder, error } => (
                "disk-error",
                format!("{} cannot be written: {error}", folder.display()),
                format!("{} 无法写入：{error}", folder.display()),
                ("have the disk looked at; the desk goes on by itself", "请检查磁盘，恢复后系统将自动继续"),
            ),
            Self::Silent { folder } => (
                "disk-silent",
                format!("the disk of {} has not answered for {} s", folder.display(), PATIENCE.as_secs()),
                format!("{} 所在磁盘已 {} 秒无响应", folder.display(), PATIENCE.as_secs()),
                ("have the disk looked at; the desk goes on by itself", "请检查磁盘，恢复后系统将自动继续"),
            ),
        };
        Some(Trouble::new(name, (&en, &zh), action).alarm().between_pages())
    }

    /// What somebody should look at although the desk goes on.
    pub(crate) fn fault(&self) -> Option<Trouble> {
        let Self::Slow { took } = self else { return None };
        let seconds = took.as_secs_f64();
        let text = (format!("a write took {seconds:.1} s"), format!("磁盘写入耗时 {seconds:.1} 秒"));
        let action = ("have the disk looked at; pages take longer", "请检查磁盘，扫描会变慢");
        Some(Trouble::new("disk-slow", (&text.0, &text.1), action).alarm())
    }

    /// What an error of a write says.
    pub(crate) fn from_error(folder: &Path, error: &io::Error, reserve: u64) -> Self {
        let folder = folder.to_path_buf();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { folder, free: 0, reserve },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { folder },
            _ => Self::Failing { folder, error: error.to_string() },
        }
    }
}

/// Looks at the folders' disks for as long as somebody wants to know. A word on `kicks` asks for a look at once.
pub(crate) async fn watch(
    folders: Vec<PathBuf>,
    reserve: u64,
    mut kicks: mpsc::Receiver<()>,
    told: watch::Sender<Disk>,
) {
    let (mut looks, mut probes) = (0, HashMap::new());
    // One slow write is a busy disk: it is tried once more before that is told.
    let mut suspected = false;
    while !told.is_closed() {
        let was = told.borrow().clone();
        let write = was != Disk::Good || suspected || looks % WRITE_EVERY == 0;
        looks += 1;
        let mut disk = Disk::Good;
        for folder in &folders {
            let slow = matches!(was, Disk::Slow { .. });
            match look(folder, reserve, (write, slow), &mut probes).await {
                Disk::Good => {}
                word @ Disk::Slow { .. } => disk = word,
                stops => {
                    disk = stops;
                    break;
                }
            }
        }
        let slow = matches!(disk, Disk::Slow { .. });
        let pause = if disk == Disk::Good || (slow && suspected) { LOOK } else { AGAIN };
        if slow && was == Disk::Good && !suspected {
            disk = Disk::Good;
        }
        suspected = slow;
        // How slow it is changes each time, and says nothing new.
        let same = disk == was || matches!((&disk, &was), (Disk::Slow { .. }, Disk::Slow { .. }));
        if !same {
            told.send_replace(disk);
        }
        tokio::select! {
            () = sleep(pause) => {}
            Some(()) = kicks.recv() => looks = 0,
        }
    }
}

/// Looks at one folder. A disk that hangs keeps one thread, not one for each look.
async fn look(
    folder: &Path,
    reserve: u64,
    (write, was_slow): (bool, bool),
    probes: &mut HashMap<PathBuf, JoinHandle<Disk>>,
) -> Disk {
    let mut probe = probes.remove(folder).unwrap_or_else(|| {
        let folder = folder.to_path_buf();
        spawn_blocking(move || probe(&folder, reserve, write, was_slow))
    });
    match timeout(PATIENCE, &mut probe).await {
        Ok(Ok(disk)) => disk,
        Ok(Err(panic)) => Disk::Failing { folder: folder.into(), error: panic.to_string() },
        Err(_) => {
            probes.insert(folder.into(), probe);
            Disk::Silent { folder: folder.into() }
        }
    }
}

fn probe(folder: &Path, reserve: u64, write: bool, was_slow: bool) -> Disk {
    let began = Instant::now();
    let failed = |error: &io::Error| Disk::from_error(folder, error, reserve);
    match rustix::fs::statvfs(folder) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            if free < reserve {
                return Disk::Full { folder: folder.into(), free, reserve };
            }
        }
        Err(error) => return failed(&error.into()),
    }
    if write && let Err(error) = write_probe(&folder.join(PROBE)) {
        return failed(&error);
    }
    let took = began.elapsed();
    // Once slow, it must be quick again to count as good.
    let limit = if was_slow { SLOW / 2 } else { SLOW };
    if took > limit { Disk::Slow { took } } else { Disk::Good }
}

fn write_probe(file: &Path) -> io::Result<()> {
    let mut out = File::create(file)?;
    out.write_all(&[0; 4096])?;
    out.sync_all()?;
    match fs::remove_file(file) {
        // A probe of before hung, and has ended now, too.
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_a_disk_fails_has_its_name() {
        let named = |errno: i32| Disk::from_error(Path::new("/x"), &io::Error::from_raw_os_error(errno), 1 << 20);
        for (errno, name) in [(28, "disk-full"), (122, "disk-full"), (30, "disk-read-only"), (5, "disk-error")] {
            let hold = named(errno).hold().unwrap();
            assert_eq!(hold.name, name);
            assert!(hold.text.en.contains("/x") && hold.text.zh.contains("/x"), "{hold:?}");
        }
        assert_eq!(Disk::Slow { took: SLOW }.hold(), None);
    }

    #[test]
    fn a_folder_is_tried_and_nothing_is_left_in_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(probe(folder.path(), 0, true, false), Disk::Good);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(matches!(probe(folder.path(), u64::MAX, true, false), Disk::Full { free, .. } if free > 0));
        assert!(matches!(probe(&folder.path().join("gone"), 0, false, false), Disk::Failing { .. }));
    }
}
