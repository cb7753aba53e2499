//! The outbox's task: does what the machine asks for, with the spool, the journal and the broker.

mod hears;
mod heartbeat;
mod readings;

use self::readings::UnderWay;
use super::{
    letter::{self, Sender},
    machine::{Input, Machine, Output},
    spool::{Spool, SpoolError, Waiting},
};
use crate::{batch::store::Journal, moment::Moment};
use jiff::Timestamp;
use platen_broker::{Heard, Link, Promise, Said, Transport, random};
use platen_protocol::uplink::{Channel, Reading, SiteId, StationId};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    task::yield_now,
    time::{interval, sleep_until},
};

/// The station says that it is there this often.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// A supervisor answers each heartbeat; two in a row that nobody answers are a supervisor that does not listen.
const DEAF: Duration = Duration::from_secs(12);
/// What has no moment of its own is looked at this often.
const TURN: Duration = Duration::from_secs(1);
/// Turns between looks at what a renewed certificate would change, and between writes of readings that wait.
const TURNS: u32 = 10;
/// Messages that may wait to be sent, beside those that are under way.
pub(crate) const QUEUE: usize = 2 * super::machine::WINDOW as usize;
/// Words heard in one go.
const WORDS: usize = 256;

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) site: SiteId,
    pub(crate) station: StationId,
    pub(crate) journal: PathBuf,
    pub(crate) software: &'static str,
    /// Bytes that may wait. Before there are more, the desk pauses.
    pub(crate) limit: u64,
    /// Names an epoch as no other is named.
    pub(crate) fresh_epoch: fn() -> String,
}

/// What the agent tells.
#[derive(Debug)]
pub(crate) enum Wake {
    /// The journal has new events.
    Events,
    /// A reading to pass on.
    Reading(Moment, Reading),
}

/// What the screen shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Network {
    pub(crate) connected: bool,
    pub(crate) waiting: u64,
    /// So much waits that the desk pauses.
    pub(crate) full: bool,
    /// Why there is no connection, or what is wrong with the outbox.
    pub(crate) trouble: Option<String>,
}

/// Runs until the agent has dropped its end and everything is delivered, on a thread that may wait for the disk.
pub(crate) async fn run<T: Transport>(
    config: Config,
    transport: T,
    spool: Spool,
    wakes: mpsc::Receiver<Wake>,
    network: watch::Sender<Network>,
) -> Result<(), SpoolError> {
    // A second, reading connection: the agent owns the one that writes.
    let journal = Journal::open(&config.journal)?;
    let machine = Machine::new(Instant::now(), spool.epoch().into(), spool.stored()?, spool.last());
    let Config { site, station, software, .. } = config.clone();
    let sender = Sender { site, station, software, since: Timestamp::now() };
    let task = Task {
        config,
        transport,
        spool,
        journal,
        machine,
        sender,
        link: None,
        network,
        trouble: None,
        full: false,
        pending: Vec::new(),
        readings: 0,
        has_kept: true,
    };
    task.run(wakes).await;
    Ok(())
}

/// A connection, and what was said on it.
struct Session {
    link: Link,
    /// Largest packet that the broker takes.
    most: usize,
    said: u64,
    taken: u64,
    /// When the supervisor last said something.
    answered: Option<Instant>,
    /// Readings that waited and are under way.
    readings: Option<UnderWay>,
}

struct Task<T> {
    config: Config,
    transport: T,
    spool: Spool,
    journal: Journal,
    machine: Machine,
    sender: Sender,
    link: Option<Session>,
    network: watch::Sender<Network>,
    trouble: Option<String>,
    full: bool,
    /// Readings that found no way, not yet written down.
    pending: Vec<(Moment, Reading)>,
    /// Readings told on the spot since the start.
    readings: u64,
    /// Readings wait in the spool, as far as is known.
    has_kept: bool,
}

impl<T: Transport> Task<T> {
    async fn run(mut self, mut wakes: mpsc::Receiver<Wake>) {
        let (mut beat, mut turn, mut turns) = (interval(HEARTBEAT), interval(TURN), 0);
        let mut draining = false;
        let mut words = Vec::new();
        loop {
            let due = self.machine.poll_timeout().map(|(at, _)| at);
            tokio::select! {
                _ = hear(self.link.as_mut(), &mut words) => {
                    for word in words.drain(..) {
                        self.heard(word);
                    }
                    self.machine.go_on();
                }
                wake = wakes.recv(), if !draining => match wake {
                    Some(Wake::Reading(moment, reading)) => self.tell_reading(moment, reading),
                    Some(Wake::Events) => self.copy(),
                    None => {
                        draining = true;
                        self.copy();
                    }
                },
                _ = beat.tick() => self.beat(),
                _ = turn.tick() => {
                    self.copy();
                    turns += 1;
                    if turns % TURNS == 0 {
                        self.machine.forget();
                        self.keep_pending();
                        self.readings_are_overdue();
                        self.renew();
                    }
                    self.machine.go_on();
                }
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                    self.machine.handle_timeout(Instant::now());
                }
                () = yield_now(), if self.machine.has_more() => self.machine.go_on(),
            }
            while let Some(output) = self.machine.poll_output() {
                if let Err(error) = self.perform(output) {
                    self.fault(&error);
                }
            }
            self.show();
            if draining && self.machine.first() > self.machine.last() && self.trouble.is_none() {
                self.keep_pending();
                return;
            }
        }
    }

    fn perform(&mut self, output: Output) -> Result<(), SpoolError> {
        match output {
            Output::Connect => {
                let topic = self.sender.topic(Channel::State);
                let will = Said { topic, payload: self.sender.will(), retain: true, promise: Promise::AtLeastOnce };
                let link = self.transport.connect(Some(will));
                self.link = Some(Session { link, most: 0, said: 0, taken: 0, answered: None, readings: None });
            }
            Output::Send { from, to } => {
                let took = self.send(&self.spool.waiting(from, to)?);
                if took < to {
                    self.machine.handle(Instant::now(), Input::Sent(took.max(from - 1)));
                }
            }
            Output::SendAgain { from, to } => {
                let events = self.spool.again(&self.journal, from, to)?;
                let took = self.send(&events).max(from - 1);
                // What the journal does not have cannot be sent, now or later.
                if events.last().is_some_and(|last| took < last.seq) {
                    self.machine.handle(Instant::now(), Input::NotAgain { from: took + 1, to });
                }
            }
            Output::Forget { through } => {
                // What stays is forgotten at another turn: no reason to give up the connection.
                if let Err(error) = self.spool.forget(through) {
                    tracing::warn!(%error, "what was acknowledged could not be forgotten yet");
                    return Ok(());
                }
                self.machine.handle(Instant::now(), Input::Forgotten(through));
            }
            Output::Quarantine { seq, reason } => {
                tracing::error!(seq, reason, "an event that nobody takes; it is kept aside in the outbox");
                self.spool.quarantine(&self.journal, seq, &reason, &Timestamp::now().to_string())?;
            }
            Output::Begin { from } => {
                let epoch = (self.config.fresh_epoch)();
                tracing::warn!(from, epoch, "the outbox's numbers were used before: a new epoch begins");
                self.spool.begin(&self.journal, from, &epoch)?;
                self.machine.handle(Instant::now(), Input::Begun { epoch });
                self.copy();
            }
        }
        Ok(())
    }

    /// Hands events over until the connection takes no more. Answers the last one that it took, 0 if none.
    fn send(&mut self, events: &[Waiting]) -> u64 {
        let (now, topic) = (Moment::now(), self.sender.topic(Channel::Event));
        let mut took = 0;
        for event in events {
            let Some(session) = &mut self.link else { break };
            match self.sender.event(self.spool.epoch(), event, &now, session.most) {
                Ok(payload) => {
                    if session
                        .link
                        .to
                        .say(Said { topic: topic.clone(), payload, retain: false, promise: Promise::AtLeastOnce })
                        .is_err()
                    {
                        break;
                    }
                    session.said += 1;
                }
                Err(reason) if letter::is_note(&event.body) => {
                    self.lose(&format!("not even a note can be sent: {reason}"));
                    break;
                }
                Err(reason) => {
                    let epoch = self.spool.epoch().into();
                    self.machine.handle(Instant::now(), Input::Refused { epoch, seq: event.seq, reason });
                    break;
                }
            }
            took = event.seq;
        }
        took
    }

    fn copy(&mut self) {
        loop {
            match self.spool.copy_from(&self.journal) {
                Ok(more) => {
                    self.trouble = self.trouble.take().filter(|_| self.link.is_none());
                    self.machine.handle(Instant::now(), Input::Given(self.spool.last()));
                    if !more {
                        return;
                    }
                }
                Err(error) => return self.fault(&error),
            }
        }
    }

    /// A disk that fails passes; every change to the spool is whole or not there, and events wait in the journal.
    fn fault(&mut self, error: &SpoolError) {
        self.lose(&error.to_string());
    }

    fn lose(&mut self, why: &str) {
        self.hang_up(why, false);
    }

    fn hang_up(&mut self, why: &str, refused: bool) {
        if self.trouble.as_deref() != Some(why) {
            tracing::warn!(why, "no way to the supervisor; trying again");
        }
        self.trouble = Some(why.into());
        if self.link.take().is_some() {
            self.machine.handle(Instant::now(), Input::Lost { random: random(), refused });
        }
    }

    fn heard(&mut self, word: Heard) {
        let Some(session) = &mut self.link else { return };
        match word {
            Heard::Up { most } => {
                session.most = most;
                for channel in [Channel::Ack, Channel::Command] {
                    // The connection is new and has room.
                    let _ = session.link.to.listen(&self.sender.topic(channel));
                }
                self.trouble = None;
                self.machine.handle(Instant::now(), Input::Up);
                self.beat();
            }
            Heard::Taken => {
                session.taken += 1;
                self.ask_for_readings();
            }
            Heard::Refused(why) => {
                self.hang_up(&format!("the broker does not take what this station says: {why}"), true);
            }
            Heard::Listening => {}
            Heard::Deaf(why) => self.hang_up(&format!("the broker does not let this station listen: {why}"), true),
            Heard::Down(why) => self.lose(&why),
            Heard::Message { topic, payload, .. } => match self.understand(&topic, &payload) {
                Ok(input) => {
                    self.listens();
                    if let Some(input) = input {
                        self.machine.handle(Instant::now(), input);
                    }
                }
                Err(error) => tracing::warn!(%error, "a message that was not understood"),
            },
        }
    }

    /// Whether it was taken.
    fn say(&mut self, said: Said) -> bool {
        let Some(session) = &mut self.link else { return false };
        let taken = session.link.to.say(said).is_ok();
        session.said += u64::from(taken);
        taken
    }

    /// Connects again if what identifies this station was renewed.
    fn renew(&mut self) {
        if self.link.is_some() && self.transport.renewed() {
            tracing::info!("certificate or password were renewed");
            self.lose("certificate or password were renewed; connecting again");
        }
    }

    fn show(&mut self) {
        // The desk pauses at four fifths, so that what is under way finds room, and goes on below two thirds.
        let (bytes, limit) = (self.spool.bytes(), self.config.limit);
        self.full = if self.full { bytes > limit / 3 * 2 } else { bytes > limit / 5 * 4 };
        let waiting = (self.machine.last() + 1).saturating_sub(self.machine.first());
        let now = Network { connected: self.machine.is_up(), waiting, full: self.full, trouble: self.trouble.clone() };
        self.network.send_if_modified(|old| {
            *old != now && {
                *old = now;
                true
            }
        });
    }
}

/// Waits for the next words. Without a connection there are none.
async fn hear(session: Option<&mut Session>, words: &mut Vec<Heard>) -> usize {
    match session {
        Some(session) => {
            let heard = session.link.from.recv_many(words, WORDS).await;
            if heard == 0 {
                words.push(Heard::Down("the connection has ended".into()));
            }
            heard
        }
        None => std::future::pending().await,
    }
}
