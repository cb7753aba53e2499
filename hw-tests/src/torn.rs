//! Power cuts, played back: the record of what a run has written and synced, and the disks that a cut after any of its steps
//! could have left. What was not synced may be there, or not, or in part; a name may be there only if its folder was synced.

use crate::chance::Chance;
use anyhow::{Context, bail};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a disk writes at once or not at all, in bytes.
const SECTOR: usize = 512;

/// Stands for a folder among the files.
const FOLDER: usize = usize::MAX;

/// One step of a run.
#[derive(Debug, Clone)]
pub enum Step {
    /// A file is made, or emptied.
    Make { inode: u64, path: PathBuf },
    /// Bytes are written.
    Write { inode: u64, at: u64, bytes: Arc<[u8]> },
    /// A file is made so long.
    Truncate { inode: u64, len: u64 },
    /// A file or folder is synced.
    Sync { inode: u64, path: PathBuf },
    /// A file gets another name.
    Rename { from: PathBuf, to: PathBuf },
    /// A file is removed.
    Remove { path: PathBuf },
    /// A folder is made.
    Folder { path: PathBuf },
    /// The user was told something.
    Told(String),
    /// Somebody elsewhere was told something.
    Sent(Arc<[u8]>),
}

/// Reads the record that `disk-recorder` has written.
pub fn read(record: &[u8]) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = record;
    while let Some((&kind, after)) = rest.split_first() {
        let (head, after) = after.split_at_checked(32).context("the record is cut")?;
        let n = |i: usize| u64::from_le_bytes(head[8 * i..8 * i + 8].try_into().unwrap_or_default());
        let (inode, at) = (n(0), n(1));
        let (first, after) = after.split_at_checked(n(2) as usize).context("the record is cut")?;
        let (second, after) = after.split_at_checked(n(3) as usize).context("the record is cut")?;
        let path = |text: &[u8]| PathBuf::from(String::from_utf8_lossy(text).into_owned());
        steps.push(match kind {
            b'o' => Step::Make { inode, path: path(first) },
            b'w' => Step::Write { inode, at, bytes: first.into() },
            b't' => Step::Truncate { inode, len: at },
            b's' => Step::Sync { inode, path: path(first) },
            b'r' => Step::Rename { from: path(first), to: path(second) },
            b'u' => Step::Remove { path: path(first) },
            b'm' => Step::Folder { path: path(first) },
            b'1' => Step::Told(String::from_utf8_lossy(first).into_owned()),
            b'n' => Step::Sent(first.into()),
            other => bail!("a step of the unknown kind {other}"),
        });
        rest = after;
    }
    Ok(steps)
}

/// How a cut treats what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All of it is gone.
    Dropped,
    /// All of it is there: the process died, not the machine.
    Kept,
    /// Each write is there, gone, or torn between two sectors; names in each folder up to some point.
    Torn,
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: u64, bytes: Arc<[u8]> },
    Truncate { len: u64 },
}

#[derive(Debug, Clone, Default)]
struct File {
    synced: Arc<Vec<u8>>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Naming {
    Set { path: PathBuf, file: usize },
    Move { from: PathBuf, to: PathBuf, file: usize },
    Remove { path: PathBuf },
}

impl Naming {
    fn folder(&self) -> &Path {
        let (Self::Set { path, .. } | Self::Move { to: path, .. } | Self::Remove { path }) = self;
        path.parent().unwrap_or(Path::new("/"))
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Set { path, file } => _ = names.insert(path.clone(), *file),
            Self::Move { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Remove { path } => _ = names.remove(path),
        }
    }
}

/// A disk with what is on it for certain and what may be.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: Vec<File>,
    /// Which file an inode is now; the numbers are used again.
    inodes: BTreeMap<u64, usize>,
    /// As programs see them.
    names: BTreeMap<PathBuf, usize>,
    /// As they are after a cut.
    certain: BTreeMap<PathBuf, usize>,
    pending: Vec<Naming>,
    /// Folders made in this run.
    made: Vec<PathBuf>,
}

impl Disk {
    /// The next step happens.
    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Make { inode, path } => {
                if let Some(&file) = self.names.get(path).filter(|&file| self.inodes.get(inode) == Some(file)) {
                    return self.files[file].pending.push(Change::Truncate { len: 0 });
                }
                let file = self.files.len();
                self.files.push(File::default());
                self.inodes.insert(*inode, file);
                self.name(Naming::Set { path: path.clone(), file });
            }
            Step::Write { inode, at, bytes } => {
                if let Some(&file) = self.inodes.get(inode) {
                    self.files[file].pending.push(Change::Write { at: *at, bytes: bytes.clone() });
                }
            }
            Step::Truncate { inode, len } => {
                if let Some(&file) = self.inodes.get(inode) {
                    self.files[file].pending.push(Change::Truncate { len: *len });
                }
            }
            Step::Sync { inode, path } => match self.inodes.get(inode) {
                Some(&file) => {
                    let file = &mut self.files[file];
                    let pending = std::mem::take(&mut file.pending);
                    let content = Arc::make_mut(&mut file.synced);
                    pending.iter().for_each(|change| change.apply(content));
                }
                None => {
                    let (synced, left): (Vec<_>, _) =
                        std::mem::take(&mut self.pending).into_iter().partition(|naming| naming.folder() == path);
                    synced.iter().for_each(|naming| naming.apply(&mut self.certain));
                    self.pending = left;
                }
            },
            Step::Rename { from, to } => {
                if let Some(&file) = self.names.get(from) {
                    self.name(Naming::Move { from: from.clone(), to: to.clone(), file });
                }
            }
            Step::Remove { path } => self.name(Naming::Remove { path: path.clone() }),
            Step::Folder { path } => {
                self.made.push(path.clone());
                self.name(Naming::Set { path: path.clone(), file: FOLDER });
            }
            Step::Told(_) | Step::Sent(_) => {}
        }
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.pending.push(naming);
    }

    /// What is on the disk after a cut now.
    #[must_use]
    pub fn cut(&self, how: Cut, chance: &mut Chance) -> BTreeMap<PathBuf, Arc<Vec<u8>>> {
        let mut names = self.certain.clone();
        // In each folder names change in order; some cut the order short.
        let mut ended: Vec<&Path> = Vec::new();
        for naming in &self.pending {
            let there = match how {
                Cut::Dropped => false,
                Cut::Kept => true,
                Cut::Torn => !ended.contains(&naming.folder()) && !chance.once_in(3),
            };
            if there {
                naming.apply(&mut names);
            } else {
                ended.push(naming.folder());
            }
        }
        // What lies in a folder whose name is gone is gone with it.
        let gone: Vec<_> = self.made.iter().filter(|folder| !names.contains_key(*folder)).collect();
        names.retain(|path, &mut file| file != FOLDER && !gone.iter().any(|folder| path.starts_with(folder)));
        names.into_iter().map(|(path, file)| (path, self.files[file].after(how, chance))).collect()
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => write(content, *at as usize, bytes),
            Self::Truncate { len } => content.resize(*len as usize, 0),
        }
    }
}

fn write(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

impl File {
    fn after(&self, how: Cut, chance: &mut Chance) -> Arc<Vec<u8>> {
        if self.pending.is_empty() || how == Cut::Dropped {
            return self.synced.clone();
        }
        let mut content = self.synced.to_vec();
        for change in &self.pending {
            match (how, change) {
                (Cut::Kept, change) => change.apply(&mut content),
                (_, Change::Truncate { .. }) if chance.once_in(2) => change.apply(&mut content),
                (_, Change::Truncate { .. }) => {}
                // Each sector by itself, in any order.
                (_, Change::Write { at, bytes }) => {
                    let mut from = 0;
                    while from < bytes.len() {
                        let to = ((*at as usize + from) / SECTOR + 1) * SECTOR - *at as usize;
                        let to = to.min(bytes.len());
                        if !chance.once_in(3) {
                            write(&mut content, *at as usize + from, &bytes[from..to]);
                        }
                        from = to;
                    }
                }
            }
        }
        Arc::new(content)
    }
}
