//! A real Mosquitto as a process.

use crate::process::{Process, free_address, wait};
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

/// A running broker. It keeps nothing on disk.
#[derive(Debug)]
pub struct Mosquitto {
    /// Where it listens.
    pub address: SocketAddr,
    folder: PathBuf,
    process: Process,
}

impl Mosquitto {
    /// Starts one that lets anybody in. `more` are lines for its configuration.
    pub fn start(folder: &Path, more: &str) -> anyhow::Result<Self> {
        Self::start_with(folder, &format!("allow_anonymous true\n{more}"))
    }

    /// Starts one whose configuration says who may come in.
    pub fn start_with(folder: &Path, config: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = std::path::absolute(folder)?;
        let address = free_address(0)?;
        // A listener of its own name: without one, and with certificates, version 2.0.11 listens to the whole network.
        let text = format!(
            "user root\npersistence false\nlog_dest file {}\nlistener {} 127.0.0.1\n{config}",
            folder.join("mosquitto.log").display(),
            address.port()
        );
        fs::write(folder.join("mosquitto.conf"), text)?;
        let process = Self::spawn(&folder)?;
        let broker = Self { address, folder, process };
        broker.ready()?;
        Ok(broker)
    }

    fn spawn(folder: &Path) -> anyhow::Result<Process> {
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(folder.join("mosquitto.conf"));
        Process::start(&mut command, &folder.join("mosquitto.out"))
    }

    fn ready(&self) -> anyhow::Result<()> {
        wait("mosquitto", || Ok(TcpStream::connect(self.address).is_ok().then_some(())))
    }

    /// `mqtt://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it with SIGKILL and starts it again on its port.
    pub fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.process.kill();
        self.process = Self::spawn(&self.folder)?;
        self.ready()
    }

    /// What it has written into its log.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.folder.join("mosquitto.log"))?)
    }
}
