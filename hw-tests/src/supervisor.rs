//! A supervisor as a process, and what its database says.

use crate::process::{Process, artifact, free_address, wait};
use rusqlite::{Connection, OpenFlags};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// The site of every story.
pub const SITE: &str = "rig";

/// A running supervisor with its own broker.
#[derive(Debug)]
pub struct Supervisor {
    /// `mqtt://…` for stations, MQTT 5.
    pub broker: String,
    /// The same for clients that speak 3.1.1.
    pub broker_v3: SocketAddr,
    /// `http://…` of the dashboards.
    pub url: String,
    folder: PathBuf,
    process: Process,
}

impl Supervisor {
    /// Starts one; the ports are taken if they are free.
    pub fn start(folder: &Path, web: u16, mqtt: u16) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let (web, mqtt, v3) = (free_address(web)?, free_address(mqtt)?, free_address(0)?);
        let config = format!(
            "[site]\nname = \"{SITE}\"\n[store]\nfile = \"{}\"\n[broker]\nlisten = \"{mqtt}\"\nlisten_v3 = \"{v3}\"\n[web]\nlisten = \"{web}\"\n",
            folder.join("supervisor.db").display()
        );
        fs::write(folder.join("supervisor.toml"), config)?;
        let process = Self::spawn(folder)?;
        let supervisor = Self {
            broker: format!("mqtt://{mqtt}"),
            broker_v3: v3,
            url: format!("http://{web}"),
            folder: folder.into(),
            process,
        };
        supervisor.ready()?;
        Ok(supervisor)
    }

    fn spawn(folder: &Path) -> anyhow::Result<Process> {
        let mut command = Command::new(artifact("platen-supervisor")?);
        command.args(["run", "--config"]).arg(folder.join("supervisor.toml"));
        Process::start(&mut command, &folder.join("supervisor.log"))
    }

    fn ready(&self) -> anyhow::Result<()> {
        wait("the supervisor", || Ok((self.snapshot()?["broker"]["connected"] == true).then_some(())))
    }

    /// Kills it with SIGKILL and starts it again, with the same database and ports.
    pub fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.process.kill();
        self.process = Self::spawn(&self.folder)?;
        self.ready()
    }

    /// What the dashboards show.
    pub fn snapshot(&self) -> anyhow::Result<serde_json::Value> {
        let body = ureq::get(format!("{}/api/snapshot", self.url)).call()?.body_mut().read_to_string()?;
        Ok(serde_json::from_str(&body)?)
    }

    /// Its database, for reading.
    pub fn database(&self) -> anyhow::Result<Connection> {
        Ok(Connection::open_with_flags(self.folder.join("supervisor.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?)
    }

    /// (volume, number, sha256) of the pages of a station's batch, in order.
    pub fn pages(&self, station: &str, batch: &str) -> anyhow::Result<Vec<(String, u32, String)>> {
        let db = self.database()?;
        let mut query = db.prepare(
            "SELECT volume, number, sha256 FROM page WHERE station = ?1 AND batch = ?2 ORDER BY volume, number",
        )?;
        let rows = query.query_map([station, batch], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Ends it properly.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.process.stop()
    }
}
