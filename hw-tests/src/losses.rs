//! Many events on a bad way: broker, station and supervisors are killed again and again while a station reports, and not one
//! event may be lost, stored twice or out of order.

use crate::{
    chance::Chance,
    mosquitto::Mosquitto,
    pages,
    process::wait_for,
    scanner::VirtualScanner,
    station::{Setup, Station},
    supervisor::{self, Supervisor},
};
use anyhow::{Context, ensure};
use rusqlite::{Connection, OpenFlags, params};
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};
use virtual_scanner::desk::Settings;

/// Name of the station.
pub const STATION: &str = "desk-1";
/// After the last kill everything is stored within this.
const CALM: Duration = Duration::from_secs(120);
/// What Mosquitto is told: as in deploy/mosquitto/platen.conf.
pub const LIMITS: &str = "max_inflight_messages 1000\nmax_queued_messages 20000\n";

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Events written down.
    pub events: u64,
    /// How often broker, station and supervisors were killed.
    pub kills: [u32; 3],
    /// Events that never reached the database.
    pub lost: u64,
    /// Events that are there more than once.
    pub doubled: u64,
    /// From the last kill until everything was stored.
    pub calm: Duration,
}

/// A broker, a station and two supervisors that share it and one database.
#[derive(Debug)]
pub struct House {
    broker: Mosquitto,
    scanner: VirtualScanner,
    station: Station,
    supervisors: [Supervisor; 2],
}

impl House {
    /// Sets everything up in `folder`.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        pages::write_numbered(&folder.join("pages"), 1)?;
        let scanner = VirtualScanner::create(folder, Settings::new(&folder.join("pages"), 1))?;
        let broker = Mosquitto::start(&folder.join("mosquitto"), LIMITS)?;
        let setup = supervisor::Setup {
            broker: Some(format!("url = \"{}\"\ngroup = \"rig\"\n", broker.url())),
            database: Some(folder.join("shared.db")),
            ..supervisor::Setup::default()
        };
        let supervisors = [
            Supervisor::start_with(&folder.join("supervisor-1"), &setup)?,
            Supervisor::start_with(&folder.join("supervisor-2"), &setup)?,
        ];
        let setup = Setup { source: "adf".into(), broker: Some(broker.url()), ..Setup::flatbed(STATION) };
        let station = Station::start(folder, &scanner, &setup)?;
        Ok(Self { broker, scanner, station, supervisors })
    }

    fn kill(&mut self, which: u64) -> anyhow::Result<()> {
        match which {
            0 => self.broker.kill_and_restart(),
            1 => {
                self.station.kill();
                self.forgotten_is_stored()?;
                self.station.revive(&self.scanner)
            }
            n => {
                let supervisor = &mut self.supervisors[n as usize - 2];
                supervisor.kill();
                supervisor.revive()
            }
        }
    }

    /// What a dead station has forgotten must be stored, without a gap.
    fn forgotten_is_stored(&self) -> anyhow::Result<()> {
        let outbox = read(&self.station.state().join("outbox.db"))?;
        let (epoch, forgotten): (String, u64) = outbox.query_row(
            "SELECT epoch, coalesce((SELECT min(seq) - 1 FROM waiting), last_seq) FROM meta",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let stored: u64 = self.supervisors[0].database()?.query_row(
            "SELECT count(*) FROM event WHERE station = ?1 AND epoch = ?2 AND seq <= ?3",
            params![STATION, epoch, forgotten],
            |row| row.get(0),
        )?;
        ensure!(stored == forgotten, "the station has forgotten {forgotten} events and {stored} of them are stored");
        Ok(())
    }

    /// The time of every event in the journal, in its order.
    fn journal(&self) -> anyhow::Result<Vec<String>> {
        let db = read(&self.station.state().join("journal.db"))?;
        let mut query = db.prepare("SELECT at FROM event ORDER BY id")?;
        let rows = query.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The same of the database, and how many epochs there are.
    fn database(&self) -> anyhow::Result<(Vec<String>, u32)> {
        let db = self.supervisors[0].database()?;
        let mut query = db.prepare("SELECT time FROM event WHERE station = ?1 ORDER BY epoch, seq")?;
        let events = query.query_map([STATION], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let epochs = db.query_row("SELECT count(DISTINCT epoch) FROM event", [], |row| row.get(0))?;
        Ok((events, epochs))
    }

    fn stored(&self) -> anyhow::Result<u64> {
        let db = self.supervisors[0].database()?;
        Ok(db.query_row("SELECT count(*) FROM event WHERE station = ?1", [STATION], |row| row.get(0))?)
    }

    /// Writes `count` events down as the agent does, `group` in each transaction.
    pub fn write(&self, first: u64, count: u64, group: u64, pause: Duration) -> anyhow::Result<()> {
        write_events(&self.station.state().join("journal.db"), first, count, group, pause)
    }

    /// Waits until the database has so many events.
    pub fn wait_for(&self, events: u64) -> anyhow::Result<()> {
        wait_for(CALM, "all events to be stored", || Ok((self.stored()? >= events).then_some(())))
            .with_context(|| format!("{:?} of {events} are stored", self.stored()))
    }

    /// Stops the station, so that what is written waits.
    pub fn stop_station(&mut self) {
        self.station.kill();
    }

    /// Starts it again.
    pub fn start_station(&mut self) -> anyhow::Result<()> {
        self.station.revive(&self.scanner)
    }

    /// Events in the journal.
    pub fn written(&self) -> anyhow::Result<u64> {
        Ok(self.journal()?.len() as u64)
    }
}

fn read(file: &Path) -> anyhow::Result<Connection> {
    Ok(Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// Pages of a volume that is made up.
const VOLUME: u64 = 9_999;

/// Writes events into a journal as the agent does: of pages that were accepted, each with a time of its own.
pub fn write_events(journal: &Path, first: u64, count: u64, group: u64, pause: Duration) -> anyhow::Result<()> {
    let mut db = Connection::open(journal)?;
    db.busy_timeout(Duration::from_secs(20))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    let mut n = first;
    while n < first + count {
        let tx = db.transaction()?;
        for n in n..(n + group).min(first + count) {
            let (volume, number) = (n / VOLUME, n % VOLUME + 1);
            // A nanosecond each, that ends in no zero: no two have one time, and all write it alike.
            let at = format!("2026-11-21T09:30:00.{n:08}1Z");
            let body = format!(
                "{{\"type\":\"platen.page.accepted\",\"data\":{{\"batch\":\"1/1-1-1\",\"volume\":\"V-{volume:04}\",\"number\":{number},\
                 \"file\":\"1/1-1-1/V-{volume:04}/{number:04}.jpg\",\"bytes\":812345,\"sha256\":\"{n:064x}\",\"dpi\":300,\"mode\":\"colour\",\
                 \"source\":\"flatbed\",\"width\":2480,\"height\":3508,\"angle\":-1.25,\"applied\":-1.25,\"confidence\":0.97,\"flags\":[],\
                 \"interlock\":\"certified\",\"took_ms\":6120}}}}"
            );
            tx.prepare_cached("INSERT INTO event (at, body) VALUES (?1, ?2)")?.execute([at, body])?;
        }
        tx.commit()?;
        n += group;
        thread::sleep(pause);
    }
    Ok(())
}

/// Reports `events` while at least `kills` processes are killed.
pub fn run(folder: &Path, seed: u64, events: u64, kills: u32) -> anyhow::Result<Outcome> {
    let mut house = House::new(folder)?;
    let mut chance = Chance::new(seed);
    let journal = house.station.state().join("journal.db");
    let mut outcome = Outcome::default();
    // So slowly that the kills fall into the middle of it.
    let group = 50;
    let pause = Duration::from_millis(900) * kills / u32::try_from(events / group)?;
    thread::scope(|scope| -> anyhow::Result<()> {
        let writer = scope.spawn(move || write_events(&journal, 0, events, group, pause));
        while !writer.is_finished() || outcome.kills.iter().sum::<u32>() < kills {
            thread::sleep(Duration::from_millis(chance.between(200, 1_400)));
            let which = chance.below(4);
            house.kill(which)?;
            outcome.kills[which.min(2) as usize] += 1;
        }
        writer.join().map_err(|_| anyhow::anyhow!("the writer of the events ended in a panic"))?
    })?;
    let began = Instant::now();
    let written = house.journal()?;
    outcome.events = written.len() as u64;
    house.wait_for(outcome.events)?;
    outcome.calm = began.elapsed();
    let (stored, epochs) = house.database()?;
    let mut seen = std::collections::HashSet::new();
    outcome.doubled = stored.iter().filter(|time| !seen.insert(*time)).count() as u64;
    outcome.lost = written.iter().filter(|time| !seen.contains(time)).count() as u64;
    ensure!(epochs == 1, "{epochs} epochs: a new one was begun without need");
    let of_the_rig =
        |times: &[String]| times.iter().filter(|t| t.starts_with("2026-11-21T09:30:00.")).cloned().collect();
    let (written, stored): (Vec<_>, Vec<_>) = (of_the_rig(&written), of_the_rig(&stored));
    ensure!(written.len() as u64 == events, "{} of {events} events were written", written.len());
    ensure!(written == stored, "the events are not in the order in which they happened");
    house.forgotten_is_stored()?;
    Ok(outcome)
}
