//! A disk that can be made to fail for one process.

use crate::process::artifact;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As it should be.
    Well,
    /// No room is left.
    Full,
    /// Nothing can be changed.
    ReadOnly,
    /// Input and output errors.
    Broken,
    /// A second for each sync.
    Slow,
}

/// The switch of a bad disk.
#[derive(Debug, Clone)]
pub struct BadDisk {
    switch: PathBuf,
    folders: String,
}

impl BadDisk {
    /// Makes one below some folders; it is well at first.
    pub fn new(switch: &Path, folders: &[PathBuf]) -> anyhow::Result<Self> {
        fs::write(switch, ".")?;
        let folders = folders.iter().map(|f| Ok(std::path::absolute(f)?.display().to_string()));
        let folders = folders.collect::<anyhow::Result<Vec<_>>>()?.join(":");
        Ok(Self { switch: std::path::absolute(switch)?, folders })
    }

    /// What the environment of the process must have.
    pub fn environment(&self) -> anyhow::Result<Vec<(&'static str, String)>> {
        Ok(vec![
            ("LD_PRELOAD", artifact("libbad_disk.so")?.display().to_string()),
            ("BAD_DISK", self.switch.display().to_string()),
            ("BAD_DISK_FOLDERS", self.folders.clone()),
        ])
    }

    /// From now on it is so.
    pub fn becomes(&self, way: Way) -> anyhow::Result<()> {
        let byte = match way {
            Way::Well => ".",
            Way::Full => "f",
            Way::ReadOnly => "r",
            Way::Broken => "e",
            Way::Slow => "s",
        };
        Ok(fs::write(&self.switch, byte)?)
    }
}
