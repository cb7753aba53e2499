//! From edges to samples: one for each millisecond, which shows the worst that a contact was in it.

use super::{Contact, Edge};
use platen_firmware_core::Raw;
use std::{collections::VecDeque, time::Duration};

/// An edge takes so long from the kernel to us, in milliseconds; a millisecond is looked at when it is older.
const BEHIND_MS: u64 = 3;
/// Pins and edges may tell different things for as long as an edge may be on its way.
const DISAGREE: Duration = Duration::from_millis(100);
/// Levels for the core's corner sensors, which are made for a board's analogue ones.
const PAPER: u16 = 800;
const NO_PAPER: u16 = 3_600;

#[derive(Debug)]
pub(super) struct Samples {
    began: Duration,
    /// The millisecond that is looked at next.
    next_ms: u64,
    /// As of the edges taken so far.
    made: [bool; 7],
    edges: VecDeque<Edge>,
    numbers: [Option<u32>; 7],
    disagree_since: Option<Duration>,
}

impl Samples {
    pub(super) fn new(began: Duration, made: [bool; 7]) -> Self {
        let (edges, numbers) = (VecDeque::new(), [None; 7]);
        Self { began, next_ms: 1, made, edges, numbers, disagree_since: None }
    }

    /// The sample of this instant.
    pub(super) fn now(&self) -> Raw {
        raw(self.made)
    }

    /// Milliseconds since the beginning.
    pub(super) fn millis(&self, at: Duration) -> u64 {
        at.saturating_sub(self.began).as_millis() as u64
    }

    /// Takes an edge. Edges that were lost, or come for a time that was looked at, end the conversation: what was said of
    /// that time was not true.
    pub(super) fn take(&mut self, edge: Edge) -> Result<(), String> {
        let contact = edge.contact;
        let last = self.numbers[contact as usize].replace(edge.number);
        if last.is_some_and(|last| last.wrapping_add(1) != edge.number) {
            return Err(format!("the kernel lost edges of {contact:?}"));
        }
        let at_ms = self.millis(edge.at);
        if at_ms < self.next_ms.saturating_sub(1) {
            let late = self.next_ms - at_ms;
            return Err(format!("an edge of {contact:?} came {late} ms late"));
        }
        let place = self.edges.partition_point(|other| other.at <= edge.at);
        self.edges.insert(place, edge);
        Ok(())
    }

    /// The next millisecond that is past, and the worst that each contact was in it.
    pub(super) fn next(&mut self, now: Duration) -> Option<(u64, Raw)> {
        let at_ms = self.next_ms;
        if self.millis(now).saturating_sub(BEHIND_MS) < at_ms {
            return None;
        }
        let mut worst = self.made;
        while let Some(edge) = self.edges.front().filter(|edge| self.millis(edge.at) <= at_ms).copied() {
            self.edges.pop_front();
            self.made[edge.contact as usize] = edge.made;
            // What guards is broken if it was broken at any time; what asks is made if it was made at any time.
            let guards = !matches!(edge.contact, Contact::LidRest | Contact::Button | Contact::Pedal);
            let place = &mut worst[edge.contact as usize];
            *place = if guards { *place && edge.made } else { *place || edge.made };
        }
        self.next_ms = at_ms + 1;
        Some((at_ms, raw(worst)))
    }

    /// Holds the edges against the pins themselves: an edge that was never told would leave both apart for ever.
    pub(super) fn check(&mut self, now: Duration, pins: [bool; 7]) -> Result<(), String> {
        if !self.edges.is_empty() || pins == self.made {
            self.disagree_since = None;
            return Ok(());
        }
        let since = *self.disagree_since.get_or_insert(now);
        if now.saturating_sub(since) < DISAGREE {
            return Ok(());
        }
        let which = Contact::ALL.iter().find(|&&contact| pins[contact as usize] != self.made[contact as usize]);
        Err(format!("the kernel told no edge of {which:?}, but its pin has changed"))
    }
}

fn raw(made: [bool; 7]) -> Raw {
    let is = |contact: Contact| made[contact as usize];
    let level = |contact| if is(contact) { PAPER } else { NO_PAPER };
    Raw {
        lid_made: is(Contact::LidMade),
        lid_rest: is(Contact::LidRest),
        top: level(Contact::Top),
        left: level(Contact::Left),
        button: is(Contact::Button),
        pedal: is(Contact::Pedal),
        case_shut: is(Contact::CaseShut),
    }
}
