//! A station as a process with its operator's page, and an operator who uses it.

use crate::{
    board::EmulatedBoard,
    process::{Process, artifact, free_address, wait},
    scanner::{DEVICE, VirtualScanner},
    supervisor::SITE,
};
use anyhow::{Context, bail};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};
use virtual_scanner::desk::Desk;

/// What a station is made with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Name of the station.
    pub name: String,
    /// `flatbed`, `adf` or `duplex`.
    pub source: String,
    /// Dots per inch.
    pub dpi: u32,
    /// Serial line of the board.
    pub board: Option<PathBuf>,
    /// `NAME@HOST:PORT` of a UPS.
    pub ups: Option<String>,
    /// More lines of `[sensors]`.
    pub sensors: String,
    /// More sections.
    pub sections: String,
    /// Broker of the supervisor.
    pub broker: Option<String>,
    /// More lines of `[uplink]`.
    pub uplink: String,
    /// More lines of `[station]`.
    pub more: String,
    /// More variables of the process's environment.
    pub environment: Vec<(&'static str, String)>,
    /// Wanted port of the operator's page.
    pub console: u16,
    /// A scanner that stands still for so long is taken for dead.
    pub stall_seconds: u64,
}

impl Setup {
    /// A flatbed station.
    #[must_use]
    pub fn flatbed(name: &str) -> Self {
        Self {
            name: name.into(),
            source: "flatbed".into(),
            dpi: 200,
            board: None,
            ups: None,
            sensors: String::new(),
            sections: String::new(),
            broker: None,
            uplink: String::new(),
            more: String::new(),
            environment: Vec::new(),
            console: 0,
            stall_seconds: 10,
        }
    }
}

/// A running station.
#[derive(Debug)]
pub struct Station {
    /// `http://…` of the operator's page.
    pub url: String,
    /// Folder of the images.
    pub out: PathBuf,
    /// Name in reports.
    pub name: String,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    process: Process,
}

impl Station {
    /// Starts one in `folder`, with the scanner's environment.
    pub fn start(folder: &Path, scanner: &VirtualScanner, setup: &Setup) -> anyhow::Result<Self> {
        let folder = &std::path::absolute(folder)?;
        let (out, plans) = (folder.join("images"), folder.join("plans"));
        fs::create_dir_all(&out)?;
        fs::create_dir_all(&plans)?;
        let listen = free_address(setup.console)?;
        let line =
            |key: &str, value: &Option<String>| value.as_ref().map_or(String::new(), |v| format!("{key} = \"{v}\"\n"));
        let board = setup.board.as_ref().map(|b| b.display().to_string());
        let config = format!(
            "[station]\nsite = \"{SITE}\"\nname = \"{}\"\noperator = \"li-na\"\nout = \"{}\"\nstate = \"{}\"\nplans = \"{}\"\n{}\
             [scanner]\ndevice = \"{DEVICE}\"\nsource = \"{}\"\nmode = \"colour\"\ndpi = {}\narea = \"a4\"\nstall_seconds = {}\n\
             [sensors]\n{}{}{}[uplink]\n{}{}[console]\nlisten = \"{listen}\"\n{}",
            setup.name,
            out.display(),
            folder.join("state").display(),
            plans.display(),
            setup.more,
            setup.source,
            setup.dpi,
            setup.stall_seconds,
            line("board", &board),
            line("ups", &setup.ups),
            setup.sensors,
            line("broker", &setup.broker),
            setup.uplink,
            setup.sections,
        );
        fs::write(folder.join("station.toml"), config)?;
        let environment = setup.environment.clone();
        let process = Self::spawn(folder, scanner, &environment)?;
        let station = Self {
            url: format!("http://{listen}"),
            out,
            name: setup.name.clone(),
            folder: folder.clone(),
            environment,
            process,
        };
        wait("the station", || station.view().map(Some))?;
        Ok(station)
    }

    fn spawn(
        folder: &Path,
        scanner: &VirtualScanner,
        environment: &[(&'static str, String)],
    ) -> anyhow::Result<Process> {
        let mut command = scanner.command(artifact("platen-station")?);
        command.envs(environment.iter().cloned());
        command.args(["run", "--config"]).arg(folder.join("station.toml"));
        Process::start(&mut command, &folder.join("station.log"))
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after it was killed, without waiting for it.
    pub fn revive(&mut self, scanner: &VirtualScanner) -> anyhow::Result<()> {
        self.process = Self::spawn(&self.folder, scanner, &self.environment)?;
        Ok(())
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Folder of journal and outbox.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("station.toml")
    }

    /// Kills it with SIGKILL and starts it again.
    pub fn kill_and_restart(&mut self, scanner: &VirtualScanner) -> anyhow::Result<()> {
        self.process.kill();
        self.process = Self::spawn(&self.folder, scanner, &self.environment)?;
        wait("the station", || self.view().map(Some))?;
        Ok(())
    }

    /// Number of the scanner's worker process, if one runs.
    pub fn worker(&self) -> anyhow::Result<Option<rustix::process::Pid>> {
        let children = format!("/proc/{0}/task", self.process.id());
        for task in fs::read_dir(children)? {
            let list = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            if let Some(pid) = list.split_whitespace().find_map(|p| p.parse().ok()) {
                return Ok(rustix::process::Pid::from_raw(pid));
            }
        }
        Ok(None)
    }

    /// Writes a plan: archival code, title, pages.
    pub fn plan(&self, batch: &str, volumes: &[(&str, &str, u32)]) -> anyhow::Result<()> {
        let file = self.folder.join("plans").join(format!("{batch}.csv"));
        fs::create_dir_all(file.parent().context("a batch has a large batch")?)?;
        let rows: String = volumes.iter().map(|(code, title, pages)| format!("{code},{title},{pages}\n")).collect();
        Ok(fs::write(file, format!("archival_code,title,expected_pages\n{rows}"))?)
    }

    /// What the operator's page shows.
    pub fn view(&self) -> anyhow::Result<Value> {
        let body = ureq::get(format!("{}/api/view", self.url)).call()?.body_mut().read_to_string()?;
        Ok(serde_json::from_str(&body)?)
    }

    /// Waits until the page shows something.
    pub fn wait(&self, what: &str, mut seen: impl FnMut(&Value) -> bool) -> anyhow::Result<Value> {
        let found = wait(what, || Ok(Some(self.view()?).filter(|v| seen(v))));
        found.with_context(|| format!("the operator's page shows {}", self.view().unwrap_or_default()))
    }

    /// Asks for something; the answer is the status and the body.
    pub fn ask(&self, action: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut answer = agent
            .post(format!("{}/api/{action}", self.url))
            .header("X-Platen", "1")
            .header("Content-Type", "application/json")
            .send(body.to_string())?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_str(&answer.body_mut().read_to_string()?).unwrap_or_default()))
    }

    /// Opens a batch, or says why not.
    pub fn open(&self, batch: &str) -> anyhow::Result<()> {
        match self.ask("open", &serde_json::json!({ "batch": batch }))? {
            (200, _) => Ok(()),
            (status, answer) => bail!("open {batch}: {status} {answer}"),
        }
    }

    /// Pages kept of the open batch.
    pub fn kept(&self) -> anyhow::Result<u64> {
        Ok(self.view()?["batch"]["pages"].as_u64().unwrap_or(0))
    }

    /// (file, sha256) of the kept pages of a batch as the journal has them, in order.
    pub fn journal(&self, batch: &str) -> anyhow::Result<Vec<(String, String)>> {
        journal(&self.folder.join("state/journal.db"), batch)
    }
    /// The names of all faults as the journal has them, in order; each is there once for being raised and once for being
    /// cleared.
    pub fn faults(&self) -> anyhow::Result<Vec<String>> {
        let events = self.query("SELECT body FROM event ORDER BY id", [])?;
        let name = |event: &String| {
            let event: Value = serde_json::from_str(event).ok()?;
            Some(event["data"]["fault"].as_str().filter(|_| event["type"] != "platen.page.voided")?.to_owned())
        };
        Ok(events.iter().filter_map(name).collect())
    }

    /// What was recorded with each kept page of a batch, in order.
    pub fn records(&self, batch: &str) -> anyhow::Result<Vec<Value>> {
        let text = self.query(
            "SELECT record FROM page JOIN batch ON batch.id = page.batch WHERE name = ?1 ORDER BY volume, number",
            [batch],
        )?;
        text.iter().map(|record| Ok(serde_json::from_str(record)?)).collect()
    }

    fn query(&self, sql: &str, parameters: impl rusqlite::Params) -> anyhow::Result<Vec<String>> {
        let db = open_journal(&self.folder.join("state/journal.db"))?;
        let mut query = db.prepare(sql)?;
        let rows = query.query_map(parameters, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The flags of all kept pages as a journal has reported them, in order.
pub fn flags(file: &Path) -> anyhow::Result<Vec<Vec<String>>> {
    let db = open_journal(file)?;
    let mut query = db.prepare("SELECT body FROM event ORDER BY id")?;
    let bodies = query.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut flags = Vec::new();
    for body in bodies {
        let event: Value = serde_json::from_str(&body)?;
        if event["type"] == "platen.page.accepted" {
            flags.push(serde_json::from_value(event["data"]["flags"].clone())?);
        }
    }
    Ok(flags)
}

fn open_journal(file: &Path) -> anyhow::Result<rusqlite::Connection> {
    Ok(rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// (file, sha256) of the kept pages of a batch as a journal has them, in order.
pub fn journal(file: &Path, batch: &str) -> anyhow::Result<Vec<(String, String)>> {
    let db = open_journal(file)?;
    let mut query = db.prepare(
        "SELECT file, sha256 FROM page JOIN batch ON batch.id = page.batch WHERE name = ?1 ORDER BY volume, number",
    )?;
    let rows = query.query_map([batch], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many events a journal has.
///
/// # Errors
/// If the file cannot be read.
pub fn events_in(file: &Path) -> anyhow::Result<u32> {
    Ok(open_journal(file)?.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?)
}

/// The hands of an operator: lay a page, close the lid, press the button, take the page out.
#[derive(Debug)]
pub struct Operator<'a> {
    /// The station.
    pub station: &'a Station,
    /// The board on the desk.
    pub board: &'a EmulatedBoard,
    /// The scanner.
    pub desk: &'a Desk,
}

impl Operator<'_> {
    /// Lays image `n` (from 0) into the corner and closes the lid.
    pub fn lay(&self, n: u32) -> anyhow::Result<()> {
        self.board.lid(false);
        self.board.corner(false, false);
        self.station.wait("the lid to be seen open", |v| v["lid"] == "open" && v["corner"] == "away")?;
        self.desk.lay(n)?;
        self.board.corner(true, true);
        self.board.lid(true);
        self.station.wait("the lid to be seen closed", |v| v["holds"] == serde_json::json!([]))?;
        Ok(())
    }

    /// Presses the button and waits until the page is kept.
    pub fn press_and_wait(&self) -> anyhow::Result<()> {
        let before = self.station.kept()?;
        self.board.press();
        self.station.wait("the page to be kept", |v| v["batch"]["pages"].as_u64() > Some(before))?;
        Ok(())
    }

    /// Presses the button and waits until the light moves.
    pub fn press_and_see_the_light(&self) -> anyhow::Result<()> {
        self.board.press();
        self.station.wait("the scan to begin", |v| v["desk"] == "scanning" && v["progress"].as_f64() > Some(0.05))?;
        Ok(())
    }
}
