//! The virtual scanner's surroundings: a desk, and the environment in which any SANE program finds it.

use crate::process::artifact;
use anyhow::Context;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use virtual_scanner::desk::{Desk, Settings};

/// The device's name for SANE.
pub const DEVICE: &str = "platen:desk";

/// A virtual scanner.
#[derive(Debug)]
pub struct VirtualScanner {
    folder: PathBuf,
    /// What it feeds, and what goes wrong.
    pub desk: Desk,
}

impl VirtualScanner {
    /// Makes one in `folder`.
    pub fn create(folder: &Path, settings: Settings) -> anyhow::Result<Self> {
        let folder = &std::path::absolute(folder)?;
        let (conf, lib) = (folder.join("sane.d"), folder.join("lib"));
        fs::create_dir_all(&conf)?;
        fs::create_dir_all(&lib)?;
        let settings = Settings { pages: std::path::absolute(&settings.pages)?, ..settings };
        let desk = Desk::create(&folder.join("desk"), settings)?;
        let backend = artifact("libvirtual_scanner.so")?;
        let link = lib.join("libsane-platen.so.1");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&backend, &link).with_context(|| link.display().to_string())?;
        fs::write(conf.join("dll.conf"), "platen\n")?;
        fs::write(conf.join("platen.conf"), format!("device desk {}\n", desk.folder.display()))?;
        virtual_scanner::prepare(&desk)?;
        Ok(Self { folder: folder.clone(), desk })
    }

    /// KEY, VALUE of the environment.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let lib = self.folder.join("lib").display().to_string();
        let lib = match std::env::var("LD_LIBRARY_PATH") {
            Ok(before) if !before.is_empty() => format!("{lib}:{before}"),
            _ => lib,
        };
        vec![("SANE_CONFIG_DIR", self.folder.join("sane.d").display().to_string()), ("LD_LIBRARY_PATH", lib)]
    }

    /// A command that will find this scanner.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment());
        command
    }
}
