//! A UPS: the real `upsd` of NUT with its `dummy-ups` driver, whose state a script writes.

use crate::process::{Process, free_address, wait};
use anyhow::Context;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Name of the UPS.
pub const NAME: &str = "rig";

/// A running NUT server with one UPS.
#[derive(Debug)]
pub struct Ups {
    /// `NAME@HOST:PORT`.
    pub address: String,
    device: PathBuf,
    _driver: Process,
    _server: Process,
}

impl Ups {
    /// Whether Debian's nut-server is there.
    #[must_use]
    pub fn available() -> bool {
        Path::new("/lib/nut/dummy-ups").exists() && Path::new("/lib/nut/upsd").exists()
    }

    /// Starts driver and server in `folder`.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        let folder = &std::path::absolute(folder)?;
        fs::create_dir_all(folder)?;
        // The driver gives up root's rights; the folder is the test's own.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777))?;
        let port = free_address(0)?.port();
        let device = folder.join("rig.dev");
        write_device(&device, "OL", 98.0)?;
        fs::write(folder.join("nut.conf"), "MODE=standalone\n")?;
        fs::write(
            folder.join("ups.conf"),
            format!("pollinterval = 1\n[{NAME}]\ndriver = dummy-ups\nport = {}\nmode = dummy-loop\n", device.display()),
        )?;
        fs::write(folder.join("upsd.conf"), format!("LISTEN 127.0.0.1 {port}\nMAXAGE 15\n"))?;
        fs::write(folder.join("upsd.users"), "")?;
        let run = |program: &str| {
            let mut command = Command::new(format!("/lib/nut/{program}"));
            command.env("NUT_CONFPATH", folder).env("NUT_STATEPATH", folder).env("NUT_ALTPIDPATH", folder);
            command
        };
        let log = folder.join("nut.log");
        let root = rustix::process::getuid().is_root();
        let user = ["-u", "root"];
        let driver =
            Process::start(run("dummy-ups").args(["-a", NAME, "-F"]).args(user.iter().filter(|_| root)), &log)?;
        let server = Process::start(run("upsd").arg("-F").args(user.iter().filter(|_| root)), &log)?;
        wait("upsd to listen", || Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok()))
            .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        Ok(Self { address: format!("{NAME}@127.0.0.1:{port}"), device, _driver: driver, _server: server })
    }

    /// Sets the status words (`OL`, `OB`, `OB LB`…) and the charge.
    pub fn set(&self, status: &str, charge: f64) -> anyhow::Result<()> {
        write_device(&self.device, status, charge)
    }
}

fn write_device(device: &Path, status: &str, charge: f64) -> anyhow::Result<()> {
    let text = format!(
        "ups.mfr: Platen rig\nups.model: dummy\nups.status: {status}\nbattery.charge: {charge}\nbattery.runtime: 1800\nTIMER 1\n"
    );
    let part = device.with_extension("part");
    fs::write(&part, text)?;
    fs::rename(part, device)?;
    Ok(())
}
