//! The project's profile as a file: read, checked, and known by its hash.

use crate::pages;
use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, fs, path::Path};

/// A profile, and the SHA-256 of the text it was read from, which goes into every page's record.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) pages: pages::Profile,
    pub(crate) sha256: String,
}

impl Profile {
    /// Reads a profile; without a file, the standard one. `quality` from a command line counts before the file's.
    pub(crate) fn load(file: Option<&Path>, quality: Option<u8>) -> anyhow::Result<Self> {
        let (mut pages, text) = match file {
            None => {
                let standard = pages::Profile::default();
                let text = toml::to_string(&standard).context("the standard profile")?;
                (standard, text)
            }
            Some(file) => {
                let text = fs::read_to_string(file).with_context(|| format!("profile {}", file.display()))?;
                let read: pages::Profile = match toml::from_str(&text) {
                    Ok(read) => read,
                    Err(error) => bail!("profile {}: {error}", file.display()),
                };
                (read, text)
            }
        };
        pages.quality = quality.unwrap_or(pages.quality);
        if let Err(error) = pages.check() {
            bail!("profile {}: {error}", file.unwrap_or(Path::new("standard")).display());
        }
        let mut sha256 = String::new();
        for byte in Sha256::digest(text) {
            let _ = write!(sha256, "{byte:02x}");
        }
        Ok(Self { pages, sha256 })
    }
}
