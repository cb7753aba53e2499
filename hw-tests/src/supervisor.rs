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
    database: PathBuf,
    process: Process,
}

/// What a supervisor is made with.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Wanted port of the dashboards.
    pub web: u16,
    /// Wanted port of the broker inside.
    pub mqtt: u16,
    /// Lines of `[broker]`, for another broker than the one inside.
    pub broker: Option<String>,
    /// More sections.
    pub sections: String,
    /// The database, if it is shared.
    pub database: Option<PathBuf>,
}

impl Supervisor {
    /// Starts one with its own broker; the ports are taken if they are free.
    pub fn start(folder: &Path, web: u16, mqtt: u16) -> anyhow::Result<Self> {
        Self::start_with(folder, &Setup { web, mqtt, ..Setup::default() })
    }

    /// Starts one.
    pub fn start_with(folder: &Path, setup: &Setup) -> anyhow::Result<Self> {
        let folder = &std::path::absolute(folder)?;
        fs::create_dir_all(folder)?;
        let (web, mqtt, v3) = (free_address(setup.web)?, free_address(setup.mqtt)?, free_address(0)?);
        let inside = format!("listen = \"{mqtt}\"\nlisten_v3 = \"{v3}\"\n");
        let database = setup.database.clone().unwrap_or_else(|| folder.join("supervisor.db"));
        let config = format!(
            "[site]\nname = \"{SITE}\"\n[store]\nfile = \"{}\"\n[broker]\n{}[web]\nlisten = \"{web}\"\n{}",
            database.display(),
            setup.broker.as_ref().unwrap_or(&inside),
            setup.sections,
        );
        fs::write(folder.join("supervisor.toml"), config)?;
        let process = Self::spawn(folder)?;
        let supervisor = Self {
            broker: format!("mqtt://{mqtt}"),
            broker_v3: v3,
            url: format!("http://{web}"),
            folder: folder.clone(),
            database,
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

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after it was killed, without waiting for it.
    pub fn revive(&mut self) -> anyhow::Result<()> {
        self.process = Self::spawn(&self.folder)?;
        Ok(())
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("supervisor.toml")
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
        Ok(Connection::open_with_flags(&self.database, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
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
