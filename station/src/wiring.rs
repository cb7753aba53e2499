//! Every thread, task and channel of the station, on one page. Only here are the parts put together.
//!
//! ```text
//!  console ─┐ commands                        ┌─▶ scanner task ─▶ worker process (libsane)
//!  terminal ┴──────────▶ agent thread ────────┤
//!  sensors thread ─────▶   (machine,          ├─▶ sensors thread (board or pins: lamp, latch)
//!  NUT task ───────────▶    interlock,        └─▶ blocking pool (files) ─▶ a thread for each page (pipeline)
//!  disk watch ─────────▶    journal)
//!                               ├─ wake ─▶ outbox thread (spool, MQTT) ─▶ broker
//!                               └─ view, preview ─▶ console, terminal
//! ```

use crate::{
    SOFTWARE,
    agent::{self, Agent, Command, Inlets, Note, Outlets},
    batch::{Plan, machine::Guard, store::Journal},
    disk,
    durable::create_folders,
    keep::Context,
    outbox::{
        spool::Spool,
        task::{self as outbox, Network},
    },
    profile::Profile,
    scanner::{ScanSettings, task},
    sensors::{self, link, nut},
    view::{Preview, View},
};
use anyhow::Context as _;
use platen_broker::{Broker, Mqtt};
use platen_process::Part;
use platen_protocol::uplink::{MAX_MESSAGE, SiteId, Source, StationId};
use std::{
    fs::{self, File},
    future::pending,
    path::PathBuf,
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

/// What a station is made of.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) site: SiteId,
    pub(crate) station: StationId,
    pub(crate) operator: String,
    pub(crate) out: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) plans: Option<PathBuf>,
    pub(crate) device: String,
    pub(crate) settings: ScanSettings,
    pub(crate) stall: Duration,
    pub(crate) profile: Profile,
    /// Somebody may look at the pages while they are made.
    pub(crate) previews: bool,
    pub(crate) board: Option<sensors::Source>,
    /// Who may answer for an overridden sensor.
    pub(crate) persons: Vec<String>,
    pub(crate) ups: Option<nut::Ups>,
    pub(crate) broker: Option<Broker>,
    /// Bytes of events that may wait for the supervisor.
    pub(crate) outbox_limit: u64,
    /// Bytes that must be free on the disk before a page is begun.
    pub(crate) reserve: u64,
}

/// A running station.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) view: watch::Receiver<Option<View>>,
    pub(crate) preview: watch::Receiver<Preview>,
    pub(crate) notes: mpsc::UnboundedReceiver<Note>,
    network: watch::Receiver<Network>,
    /// Ends when `commands` is dropped.
    agent: Part,
    /// Ends after the agent, when everything is delivered.
    delivery: Option<Part>,
    /// Held for as long as the station runs: two programs must not number pages in one journal.
    _lock: File,
}

/// Starts everything.
pub(crate) fn start(parts: Parts) -> anyhow::Result<Running> {
    let lock = lock(&parts.state)?;
    let journal_file = parts.state.join("journal.db");
    let journal = Journal::open(&journal_file)?;

    let (command_in, commands) = mpsc::channel(16);
    let (scanner_commands, scanner_inbox) = mpsc::channel(16);
    let (scanner_events, scanner) = mpsc::channel(64);
    let (board_events, board) = mpsc::channel(256);
    let (power_events, power) = mpsc::channel(4);
    let (wound_down_in, wound_down) = watch::channel(false);
    let (view_in, view) = watch::channel(None);
    let (preview_in, preview) = watch::channel(Preview::default());
    let (note_in, notes) = mpsc::unbounded_channel();
    let (network_in, network) = watch::channel(Network::default());

    let scanner_config =
        task::Config { device: parts.device.clone(), settings: parts.settings.clone(), stall: parts.stall };
    tokio::spawn(task::run(scanner_config, scanner_inbox, scanner_events));

    let link = parts.board.clone().map(|source| link::spawn(source.sensors(), board_events));
    if let Some(ups) = parts.ups.clone() {
        tokio::spawn(nut::run(ups, power_events, wound_down));
    }

    let outbox = match &parts.broker {
        None => None,
        Some(broker) => {
            let spool = Spool::open(&parts.state.join("outbox.db"), &journal, &fresh_epoch())?;
            let config = outbox::Config {
                site: parts.site.clone(),
                station: parts.station.clone(),
                journal: journal_file,
                software: SOFTWARE,
                limit: parts.outbox_limit,
                fresh_epoch,
            };
            // Names have no underscore: no two stations share this.
            let name = format!("platen_{}_{}", parts.site, parts.station);
            let transport = Mqtt::new(broker.clone(), name, MAX_MESSAGE as u32 + 1024, outbox::QUEUE);
            let (wake, wakes) = mpsc::channel(256);
            let outbox = Part::start("outbox", async move {
                if let Err(error) = outbox::run(config, transport, spool, wakes, network_in).await {
                    tracing::error!(%error, "the outbox has stopped; events wait in the journal");
                }
            });
            Some((wake, outbox.context("starting the outbox's thread")?))
        }
    };
    let (outbox, delivery) = outbox.unzip();

    let (kick_in, kicks) = mpsc::channel(1);
    let (disk_in, disk) = watch::channel(disk::Disk::Good);
    tokio::spawn(disk::watch(vec![parts.out.clone(), parts.state.clone()], parts.reserve, kicks, disk_in));

    let guard = match (parts.settings.source, &parts.board) {
        (Source::Adf | Source::Duplex, _) => Guard::Scanner,
        (Source::Flatbed, Some(_)) => Guard::Board,
        (Source::Flatbed, None) => Guard::None,
    };
    let config = agent::Config {
        context: Context {
            out: parts.out,
            plan: Plan { batch: "0/0".parse().map_err(anyhow::Error::msg)?, volumes: Vec::new() },
            operator: parts.operator,
            station: parts.station.to_string(),
            device: parts.device,
            settings: parts.settings,
            profile: parts.profile,
            previews: parts.previews,
        },
        guard,
        watches_itself: matches!(parts.board, Some(sensors::Source::Pi(_))),
        persons: parts.persons,
        lost_found: parts.state.join("lost+found"),
        resumes: parts.plans.is_some(),
        plans: parts.plans,
        reserve: parts.reserve,
    };
    let outlets = Outlets {
        scanner: scanner_commands,
        board: link,
        outbox,
        view: view_in,
        preview: preview_in,
        notes: Some(note_in),
        disk: kick_in,
        wound_down: wound_down_in,
    };
    let (agent, finished) = Agent::new(config, journal, outlets, first_attempt());
    let inlets = Inlets { commands, scanner, board, power, network: network.clone(), disk };
    let agent = Part::start("agent", agent.run(inlets, finished)).context("starting the agent's thread")?;
    Ok(Running { commands: command_in, view, preview, notes, network, agent, delivery, _lock: lock })
}

impl Running {
    /// Hands on what a terminal would say. Ends only when a part has ended that should run as long as the station does, and
    /// says which one.
    pub(crate) async fn run(&mut self, hear: impl Fn(Note)) -> &'static str {
        let Self { agent, delivery, notes, .. } = self;
        let mut delivery = pin!(async {
            match delivery {
                Some(part) => part.ended().await,
                None => pending().await,
            }
        });
        loop {
            tokio::select! {
                // An outbox ends when the agent has ended.
                biased;
                Some(note) = notes.recv() => hear(note),
                () = agent.ended() => return "the desk's agent",
                () = &mut delivery => return "the outbox",
            }
        }
    }

    /// Stops, and gives the supervisor some time to take what is still on its way; what it does not take waits for the
    /// next run. Answers how many events that are.
    pub(crate) async fn stop(mut self, patience: Duration) -> u64 {
        drop(self.commands);
        let all = async {
            self.agent.ended().await;
            if let Some(delivery) = &mut self.delivery {
                delivery.ended().await;
            }
        };
        let _ = timeout(patience, all).await;
        self.network.borrow().waiting
    }
}

/// Attempts are numbered from a new start at each run, so that the board's latch never knows a number of this run from
/// an earlier one: seconds since 1970, sixteen passes a second apart, modulo 2³².
fn first_attempt() -> u32 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    (seconds as u32).wrapping_shl(4)
}

/// Unlike any other: made with the outbox's file, and when its numbers mean nothing any more.
fn fresh_epoch() -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{:x}-{:x}", nanos, std::process::id())
}

fn lock(state: &std::path::Path) -> anyhow::Result<File> {
    create_folders(state).with_context(|| format!("state folder {}", state.display()))?;
    let path = state.join("lock");
    let file = File::create(&path).with_context(|| format!("state folder {}", state.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            anyhow::bail!("another platen-station is running with {}", state.display())
        }
        Err(fs::TryLockError::Error(e)) => Err(e).with_context(|| format!("lock {}", path.display())),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A station of which only these parts run, and that hears no command.
    pub(crate) fn running(
        agent: impl Future<Output = ()> + Send + 'static,
        delivery: Option<Part>,
        notes: mpsc::UnboundedReceiver<Note>,
    ) -> Running {
        Running {
            commands: mpsc::channel(1).0,
            view: watch::channel(None).1,
            preview: watch::channel(Preview::default()).1,
            notes,
            network: watch::channel(Network::default()).1,
            agent: Part::start("agent", agent).unwrap(),
            delivery,
            _lock: tempfile::tempfile().unwrap(),
        }
    }

    #[tokio::test]
    async fn a_part_that_ends_or_panics_is_named_and_notes_are_heard_until_then() {
        let (lost, notes) = mpsc::unbounded_channel::<Note>();
        // A panic drops its end of the channel before the part is seen to have ended.
        let agent = async move {
            let _lost = lost;
            tokio::task::yield_now().await;
            panic!("on purpose");
        };
        let outbox = Part::start("outbox", pending()).unwrap();
        assert_eq!(running(agent, Some(outbox), notes).run(|_| {}).await, "the desk's agent");

        let (_note, notes) = mpsc::unbounded_channel();
        let outbox = Part::start("outbox", async {}).unwrap();
        assert_eq!(running(pending(), Some(outbox), notes).run(|_| {}).await, "the outbox");

        let (note, notes) = mpsc::unbounded_channel();
        note.send(Note::Complete { sheet: PathBuf::new() }).unwrap();
        let heard = std::cell::Cell::new(0);
        let mut whole = running(pending(), None, notes);
        let all = whole.run(|_| heard.set(heard.get() + 1));
        assert!(timeout(Duration::from_millis(20), all).await.is_err(), "nothing has ended");
        assert_eq!(heard.get(), 1);
    }
}
