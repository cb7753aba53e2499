//! Who signs certificates in the rig.

use anyhow::{Context, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A certificate authority with a folder of its own.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// Makes one.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = std::path::absolute(folder)?;
        let authority = Self { folder };
        authority.openssl(
            &["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"],
            &["-subj", "/CN=rig authority", "-keyout", "ca.key", "-out", "ca.pem"],
        )?;
        Ok(authority)
    }

    /// The file in which its own certificate stands.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Issues a certificate for a name; certificate and key are written to `to`.pem and `to`.key.
    pub fn issue(&self, name: &str, to: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
        self.openssl(
            &["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
            &["-subj", &format!("/CN={}", name.replace('/', "\\/")), "-keyout", "new.key", "-out", "new.csr"],
        )?;
        fs::write(self.folder.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n")?;
        self.openssl(
            &["x509", "-req", "-in", "new.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30"],
            &["-extfile", "names", "-out", "new.pem"],
        )?;
        let (certificate, key) = (to.with_extension("pem"), to.with_extension("key"));
        // As a renewal does it: each file is the old one or the new one.
        for (from, to) in [("new.key", &key), ("new.pem", &certificate)] {
            fs::copy(self.folder.join(from), to.with_extension("part"))?;
            fs::rename(to.with_extension("part"), to)?;
        }
        Ok((certificate, key))
    }

    fn openssl(&self, first: &[&str], more: &[&str]) -> anyhow::Result<()> {
        let out =
            Command::new("openssl").current_dir(&self.folder).args(first).args(more).output().context("openssl")?;
        ensure!(out.status.success(), "openssl {}: {}", first[0], String::from_utf8_lossy(&out.stderr));
        Ok(())
    }
}
