//! The model: a station's disk, a way that loses, doubles and mixes up, and a supervisor's store.

use super::Move;
use crate::outbox::machine::{Input, Machine, Output};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// What stands under a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Event(u32),
    Note(u32),
}

impl Content {
    fn id(self) -> u32 {
        match self {
            Self::Event(id) | Self::Note(id) => id,
        }
    }
}

/// Epoch, number, content, and the event before it.
type Message = (u32, u64, Content, Option<u32>);
type Stored = BTreeMap<(u32, u64), (Content, Option<u32>)>;

/// What the supervisor says.
#[derive(Debug, Clone)]
enum Answer {
    /// With the event that is stored under the number.
    Ack {
        epoch: u32,
        seq: u64,
        id: Option<u32>,
        broken: bool,
    },
    Other(Input),
}

#[derive(Debug, Clone, Default)]
struct Disk {
    journal: Vec<u32>,
    epoch: u32,
    /// Journal entries before the epoch's first, and those copied.
    base: usize,
    copied: usize,
    waiting: BTreeMap<u64, Content>,
    /// Numbers whose event was kept aside.
    aside: BTreeSet<u64>,
}

impl Disk {
    /// The event before that of a number.
    fn previous(&self, seq: u64) -> Option<u32> {
        (seq > 1).then(|| self.journal[self.base + seq as usize - 2])
    }

    fn last(&self) -> u64 {
        (self.copied - self.base) as u64
    }
}

pub(super) struct World {
    now: Instant,
    machine: Machine,
    disk: Disk,
    works: bool,
    up: bool,
    out: Vec<Message>,
    back: Vec<Answer>,
    stored: Stored,
    /// Copies of both sides' files, made at some time.
    copy: (Disk, Stored),
    put_back: bool,
    events: u32,
    epochs: u32,
}

/// Every eleventh event is one that no receiver takes.
fn refused(id: u32) -> bool {
    id % 11 == 10
}

/// Messages the connection takes before it is full.
const ROOM: usize = 40;

impl World {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            now,
            machine: Machine::new(now, "0".into(), 0, 0),
            disk: Disk::default(),
            works: true,
            up: false,
            out: Vec::new(),
            back: Vec::new(),
            stored: BTreeMap::new(),
            copy: Default::default(),
            put_back: false,
            events: 0,
            epochs: 0,
        }
    }

    fn tell(&mut self, input: Input) {
        self.machine.handle(self.now, input);
        self.drive();
    }

    fn drive(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            if self.perform(&output).is_none() {
                // A disk that fails ends the connection, as the task does it.
                self.breaks();
            }
        }
    }

    /// Does what is asked for; `None` if the disk did not.
    fn perform(&mut self, output: &Output) -> Option<()> {
        let room = |out: &Vec<_>| ROOM.saturating_sub(out.len()) as u64;
        match *output {
            Output::Connect => {
                self.up = true;
                self.machine.handle(self.now, Input::Up);
            }
            Output::Send { from, to } => {
                self.works.then_some(())?;
                assert!(self.up && to <= self.disk.last());
                let end = (from - 1 + room(&self.out)).min(to);
                let waiting = self.disk.waiting.range(from..).take_while(|w| *w.0 <= end);
                let sent: Vec<_> =
                    waiting.map(|(&seq, &content)| (self.disk.epoch, seq, content, self.disk.previous(seq))).collect();
                self.out.extend(sent);
                if end < to {
                    self.machine.handle(self.now, Input::Sent(end));
                }
            }
            Output::SendAgain { from, to } => {
                self.works.then_some(())?;
                let end = (from - 1 + room(&self.out)).min(to);
                let epoch = self.disk.epoch;
                let event = |seq: u64| {
                    let id = self.disk.journal[self.disk.base + seq as usize - 1];
                    if self.disk.aside.contains(&seq) { Content::Note(id) } else { Content::Event(id) }
                };
                let again: Vec<_> = (from..=end).map(|seq| (epoch, seq, event(seq), self.disk.previous(seq))).collect();
                self.out.extend(again);
                if end < to {
                    self.machine.handle(self.now, Input::NotAgain { from: end + 1, to });
                }
            }
            Output::Forget { through } => {
                self.works.then_some(())?;
                let left = self.disk.waiting.split_off(&(through + 1));
                for (seq, content) in std::mem::replace(&mut self.disk.waiting, left) {
                    let stored = self.stored.get(&(self.disk.epoch, seq)).map(|stored| &stored.0);
                    assert!(self.put_back || stored == Some(&content), "{seq} is forgotten and not stored");
                }
                self.machine.handle(self.now, Input::Forgotten(through));
            }
            Output::Quarantine { seq, .. } => {
                self.works.then_some(())?;
                if let Some(content) = self.disk.waiting.get_mut(&seq)
                    && let Content::Event(id) = *content
                {
                    *content = Content::Note(id);
                    self.disk.aside.insert(seq);
                }
            }
            Output::Begin { from } => {
                self.works.then_some(())?;
                self.epochs += 1;
                let base = self.disk.base + from as usize - 1;
                let journal = self.disk.journal.clone();
                self.disk = Disk { journal, epoch: self.epochs, base, copied: base, ..Disk::default() };
                self.machine.handle(self.now, Input::Begun { epoch: self.epochs.to_string() });
                self.copy();
            }
        }
        Some(())
    }

    fn copy(&mut self) {
        if !self.works {
            return;
        }
        while self.disk.copied < self.disk.journal.len() {
            let id = self.disk.journal[self.disk.copied];
            self.disk.copied += 1;
            self.disk.waiting.insert(self.disk.last(), Content::Event(id));
        }
        self.machine.handle(self.now, Input::Given(self.disk.last()));
    }

    fn breaks(&mut self) {
        self.out.clear();
        self.back.clear();
        if std::mem::take(&mut self.up) {
            self.machine.handle(self.now, Input::Lost { random: 7, refused: false });
        }
    }

    fn restart(&mut self) {
        self.breaks();
        let stored = self.disk.waiting.keys().next().map_or(self.disk.last(), |first| first - 1);
        self.machine = Machine::new(self.now, self.disk.epoch.to_string(), stored, self.disk.last());
    }

    fn through(&self, epoch: u32) -> u64 {
        let id = |seq: u64| self.stored.get(&(epoch, seq)).map(|(content, _)| content.id());
        let chained = |seq: u64| self.stored.get(&(epoch, seq)).is_some_and(|(_, previous)| *previous == id(seq - 1));
        (1..).take_while(|&seq| chained(seq)).last().unwrap_or(0)
    }

    fn arrives(&mut self, (epoch, seq, content, previous): Message) {
        match (content, self.stored.get(&(epoch, seq))) {
            (Content::Event(id), None) if refused(id) => {
                let refused = Input::Refused { epoch: epoch.to_string(), seq, reason: "never".into() };
                return self.back.push(Answer::Other(refused));
            }
            // The first one stays, whatever the second says.
            (_, Some(_)) => {}
            (_, None) => _ = self.stored.insert((epoch, seq), (content, previous)),
        }
        self.acknowledge(epoch);
    }

    fn acknowledge(&mut self, epoch: u32) {
        let seq = self.through(epoch);
        let id = self.stored.get(&(epoch, seq)).map(|(content, _)| content.id());
        // What stands there is of another history, or it would belong to the prefix.
        let broken = self.stored.contains_key(&(epoch, seq + 1));
        self.back.push(Answer::Ack { epoch, seq, id, broken });
    }

    /// What the supervisor does at each heartbeat of the station.
    fn audit(&mut self) {
        let (epoch, through) = (self.disk.epoch, self.through(self.disk.epoch));
        if self.up && through + 1 < self.machine.first() {
            let (from, to) = (through + 1, Some(self.machine.first() - 1));
            self.back.push(Answer::Other(Input::Resend { epoch: epoch.to_string(), from, to }));
        } else if self.up {
            self.acknowledge(epoch);
        }
    }

    fn hear(&mut self, answer: Answer) {
        let input = match answer {
            Answer::Other(input) => input,
            Answer::Ack { epoch, seq, id, broken } => {
                // As the time of an event tells it.
                let ours = self.disk.journal.get((self.disk.base + seq as usize).wrapping_sub(1)).copied();
                let same = seq <= self.disk.last() && (seq == 0 || ours == id) && !broken;
                Input::Acknowledged { epoch: epoch.to_string(), seq, same }
            }
        };
        self.tell(input);
    }

    pub(super) fn step(&mut self, step: &Move) {
        fn pick<T: Clone>(list: &mut Vec<T>, which: usize, stays: bool) -> Option<T> {
            let at = which % list.len().max(1);
            if stays { list.get(at).cloned() } else { (!list.is_empty()).then(|| list.remove(at)) }
        }
        match *step {
            Move::Happens => {
                if self.works {
                    self.disk.journal.push(self.events);
                    self.events += 1;
                }
            }
            Move::Copied => self.copy(),
            Move::Arrives { which, twice } => {
                if let Some(message) = pick(&mut self.out, which, twice) {
                    self.arrives(message);
                }
                self.machine.go_on();
            }
            Move::Lost { which } => _ = pick(&mut self.out, which, false),
            Move::Answered { which, twice } => {
                if let Some(answer) = pick(&mut self.back, which, twice) {
                    self.hear(answer);
                }
            }
            Move::AnswerLost { which } => _ = pick(&mut self.back, which, false),
            Move::Breaks => self.breaks(),
            Move::Time { ms } => {
                self.now += Duration::from_millis(ms);
                if self.machine.poll_timeout().is_some_and(|(at, _)| at <= self.now) {
                    self.machine.handle_timeout(self.now);
                }
            }
            Move::StationDies => self.restart(),
            Move::SupervisorDies => {
                self.back.clear();
                self.copy = (self.disk.clone(), self.stored.clone());
            }
            Move::Disk { works } => self.works = works,
            Move::StationPutBack => {
                self.put_back = true;
                self.disk = self.copy.0.clone();
                self.restart();
            }
            Move::SupervisorPutBack => {
                self.put_back = true;
                self.stored = self.copy.1.clone();
            }
            Move::Audit => self.audit(),
        }
        self.drive();
    }

    /// Nothing fails any more.
    pub(super) fn calm(&mut self) {
        self.step(&Move::Disk { works: true });
        for _ in 0..400 {
            self.step(&Move::Copied);
            self.step(&Move::Audit);
            while !self.out.is_empty() || !self.back.is_empty() {
                self.step(&Move::Arrives { which: 0, twice: false });
                self.step(&Move::Answered { which: 0, twice: false });
            }
            self.step(&Move::Time { ms: 1_000 });
        }
    }

    /// Everything in the journal is stored, in order, and nothing waits.
    pub(super) fn check(&self) {
        assert_eq!(self.machine.first(), self.disk.last() + 1, "something waits for ever");
        assert!(self.disk.waiting.is_empty());
        for (seq, &id) in (1..).zip(&self.disk.journal[self.disk.base..]) {
            let stored = self.stored.get(&(self.disk.epoch, seq)).map(|stored| stored.0);
            let right = if refused(id) { Content::Note(id) } else { Content::Event(id) };
            assert_eq!(stored, Some(right), "number {seq}");
        }
        let told: BTreeSet<_> = self.stored.values().map(|(content, _)| content.id()).collect();
        let missing: Vec<_> = self.disk.journal.iter().filter(|id| !told.contains(id)).collect();
        assert!(missing.is_empty(), "never stored: {missing:?}");
        if !self.put_back {
            assert_eq!(self.stored.len(), self.disk.journal.len(), "stored once");
            assert_eq!(self.epochs, 0, "a new epoch without need");
        }
    }
}
