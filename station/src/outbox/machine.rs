//! The outbox machine: which events are sent when, and which may be forgotten, decided without clock, file or socket.
//!
//! Whatever is lost, doubled, late or out of order on the way: an event is forgotten only when the supervisor says that it has
//! stored everything up to it, and is sent again until then.

use platen_broker::Backoff;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Events on their way without an acknowledgement; more would only wait in the broker.
pub(crate) const WINDOW: u64 = 4_096;
/// Events sent in one go, so that what else is to be done gets its turn.
const STRIDE: u64 = 512;
/// Ranges asked for that are remembered; who asks for more asks again.
const RANGES: usize = 64;
/// Without an acknowledgement of something new for so long, everything is sent again; in vain, after twice as long, and so on
/// up to a minute: perhaps there is nobody.
const SILENCE: Duration = Duration::from_secs(3);
const LONG_SILENCE: Duration = Duration::from_secs(60);
/// A connection that has stood for so long was a good one.
const STEADY: Duration = Duration::from_secs(30);

/// ```text
///          time ▶ Connect                 Up
///  Down ───────────────────▶ Connecting ────────▶ Up
///    ▲                            │               │
///    └────────────────────────────┴────Lost───────┘
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Down {
        until: Instant,
    },
    Connecting,
    Up {
        since: Instant,
        /// The last event handed over on this connection.
        sent: u64,
        /// When the supervisor said something new, or there was nothing to say.
        heard: Instant,
        /// How long it may be silent.
        patience: Duration,
        /// Ranges asked for again although they were acknowledged.
        asked: VecDeque<(u64, u64)>,
        /// The connection took no more; time will show.
        full: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// Numbers up to this one are given and lie on disk.
    Given(u64),
    Up,
    /// The supervisor was silent, or new, and says something.
    Heard,
    Lost {
        /// Other for each station and each time.
        random: u32,
        /// The broker does not let this station say or hear something: it will not the next time either.
        refused: bool,
    },
    /// The connection took events of what was to be sent up to this one, and has no room for more.
    Sent(u64),
    /// It has no room for these of what was to be sent again.
    NotAgain {
        from: u64,
        to: u64,
    },
    /// The supervisor has stored everything up to here. `same`: under the numbers it has, it has what we have.
    Acknowledged {
        epoch: String,
        seq: u64,
        same: bool,
    },
    /// Everything up to here is out of the spool.
    Forgotten(u64),
    /// The supervisor misses events.
    Resend {
        epoch: String,
        from: u64,
        to: Option<u64>,
    },
    /// The supervisor will never take this one.
    Refused {
        epoch: String,
        seq: u64,
        reason: String,
    },
    /// A new epoch was begun; its numbers begin at 1.
    Begun {
        epoch: String,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    Connect,
    /// Hand over these events, in order; answered by [`Input::Sent`] if the connection does not take them all.
    Send {
        from: u64,
        to: u64,
    },
    /// The same for events that are not in the spool any more; answered by [`Input::NotAgain`].
    SendAgain {
        from: u64,
        to: u64,
    },
    /// These are stored: forget them; answered by [`Input::Forgotten`].
    Forget {
        through: u64,
    },
    /// Keep this one aside, and put a note in its place.
    Quarantine {
        seq: u64,
        reason: String,
    },
    /// This file's numbers were used by another copy of it: begin a new epoch with this event; answered by [`Input::Begun`].
    Begin {
        from: u64,
    },
}

#[derive(Debug)]
pub(crate) struct Machine {
    epoch: String,
    /// The last number given.
    last: u64,
    /// Everything up to here is stored at the supervisor.
    stored: u64,
    /// And up to here it is out of the spool.
    forgotten: u64,
    state: State,
    backoff: Backoff,
    /// What is acknowledged between two refusals does not shorten the wait for the next.
    refusals: Backoff,
    outputs: VecDeque<Output>,
}

impl Machine {
    /// `stored` and `last` are what the spool says.
    pub(crate) fn new(now: Instant, epoch: String, stored: u64, last: u64) -> Self {
        let (state, backoff, refusals) = (State::Down { until: now }, Backoff::default(), Backoff::default());
        Self { epoch, last, stored, forgotten: stored, state, backoff, refusals, outputs: VecDeque::new() }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// The first event that waits; one more than the last if none does.
    pub(crate) fn first(&self) -> u64 {
        self.stored + 1
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Everything up to here is stored at the supervisor.
    pub(crate) fn stored(&self) -> u64 {
        self.stored
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        match &self.state {
            State::Down { until } => Some((*until, "try the broker again")),
            State::Connecting => None,
            State::Up { heard, patience, .. } if self.stored < self.last => Some((*heard + *patience, "send again")),
            State::Up { .. } => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Down { until } if now >= *until => {
                self.state = State::Connecting;
                self.outputs.push_back(Output::Connect);
            }
            State::Up { sent, heard, patience, full, .. } if self.stored < self.last && now >= *heard + *patience => {
                (*sent, *heard, *full) = (self.stored, now, false);
                *patience = (*patience * 2).min(LONG_SILENCE);
                self.send();
            }
            State::Down { .. } | State::Connecting | State::Up { .. } => {}
        }
    }

    /// The connection may have room again.
    pub(crate) fn go_on(&mut self) {
        if let State::Up { full, .. } = &mut self.state {
            *full = false;
        }
        self.send();
    }

    pub(crate) fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Given(last) => {
                if let State::Up { heard, .. } = &mut self.state
                    && self.stored == self.last
                {
                    // There was nothing to hear until now.
                    *heard = now;
                }
                self.last = self.last.max(last);
            }
            Input::Up => {
                let (sent, asked) = (self.stored, VecDeque::new());
                self.state = State::Up { since: now, sent, heard: now, patience: SILENCE, asked, full: false };
                self.forget();
            }
            Input::Heard => {
                // What was sent again in vain goes out now, and not when patience ends.
                if let State::Up { sent, heard, patience, full, .. } = &mut self.state
                    && *patience > SILENCE
                {
                    (*sent, *heard, *patience, *full) = (self.stored, now, SILENCE, false);
                }
            }
            Input::Lost { random, refused } => {
                if matches!(self.state, State::Up { since, .. } if now >= since + STEADY) {
                    self.backoff.succeeded();
                    self.refusals.succeeded();
                }
                let pause = self.backoff.failed(random);
                let pause = if refused { pause.max(self.refusals.failed(random)) } else { pause };
                self.state = State::Down { until: now + pause };
                self.outputs.retain(|output| !matches!(output, Output::Send { .. } | Output::SendAgain { .. }));
                return;
            }
            Input::Sent(through) => {
                if let State::Up { sent, full, .. } = &mut self.state {
                    (*sent, *full) = ((*sent).min(through), true);
                }
            }
            Input::NotAgain { from, to } => {
                if let State::Up { asked, full, .. } = &mut self.state {
                    asked.push_front((from, to));
                    *full = true;
                }
            }
            Input::Forgotten(through) => self.forgotten = through,
            Input::Acknowledged { epoch, seq, same } if epoch == self.epoch => self.acknowledged(now, seq, same),
            Input::Resend { epoch, from, to } if epoch == self.epoch => self.resend(from, to),
            Input::Refused { epoch, seq, reason } if epoch == self.epoch && (1..=self.last).contains(&seq) => {
                self.outputs.push_back(Output::Quarantine { seq, reason });
                // The note in its place.
                self.resend(seq, Some(seq));
            }
            Input::Begun { epoch } => {
                (self.epoch, self.last, self.stored, self.forgotten) = (epoch, 0, 0, 0);
                if let State::Up { sent, asked, .. } = &mut self.state {
                    *sent = 0;
                    asked.clear();
                }
                self.outputs.clear();
            }
            // Of a file that was replaced.
            Input::Acknowledged { .. } | Input::Resend { .. } | Input::Refused { .. } => return,
        }
        self.send();
    }

    fn acknowledged(&mut self, now: Instant, seq: u64, same: bool) {
        if !same {
            // These numbers were given before: this file is an old copy. Up to the last number on which both sides agreed
            // they still do.
            if !self.outputs.iter().any(|output| matches!(output, Output::Begin { .. })) {
                self.outputs.push_back(Output::Begin { from: self.first() });
            }
            return;
        }
        if seq > self.stored {
            self.stored = seq;
            self.backoff.succeeded();
            // One that says nothing new does not count: what was lost after it would never be sent again.
            if let State::Up { sent, heard, patience, .. } = &mut self.state {
                (*sent, *heard, *patience) = ((*sent).max(seq), now, SILENCE);
            }
        }
        self.forget();
    }

    /// Asks for what is stored to be forgotten, until it is.
    pub(crate) fn forget(&mut self) {
        self.outputs.retain(|output| !matches!(output, Output::Forget { .. }));
        if self.forgotten < self.stored {
            self.outputs.push_back(Output::Forget { through: self.stored });
        }
    }

    fn resend(&mut self, from: u64, to: Option<u64>) {
        let (from, to) = (from.max(1), to.unwrap_or(self.last).min(self.last));
        if from > to {
            return;
        }
        if from <= self.stored
            && let State::Up { asked, .. } = &mut self.state
        {
            let (from, to) = (from, to.min(self.stored));
            // Asked again before it was answered: what is left of the same is under way.
            let known = asked.iter().any(|&(begin, end)| end == to && begin >= from);
            if !known && asked.len() < RANGES {
                asked.push_back((from, to));
            }
        }
        if to > self.stored {
            self.back_to(from.max(self.first()) - 1);
        }
    }

    fn back_to(&mut self, seq: u64) {
        if let State::Up { sent, full, .. } = &mut self.state {
            (*sent, *full) = ((*sent).min(seq), false);
        }
    }

    /// Asks for what may be sent now, once: what was asked for and not done yet is not asked for again.
    fn send(&mut self) {
        let comes_first = |output: &Output| matches!(output, Output::Begin { .. } | Output::Send { .. });
        if self.outputs.iter().any(comes_first) {
            return;
        }
        let State::Up { sent, asked, full: false, .. } = &mut self.state else { return };
        if let Some((from, to)) = asked.pop_front() {
            let end = to.min(from + STRIDE - 1);
            if end < to {
                asked.push_front((end + 1, to));
            }
            self.outputs.push_back(Output::SendAgain { from, to: end });
        }
        let from = (*sent).max(self.stored) + 1;
        let to = self.last.min(self.stored + WINDOW).min(from + STRIDE - 1);
        if from <= to {
            *sent = to;
            self.outputs.push_back(Output::Send { from, to });
        }
    }

    /// Whether there is more to send than was asked for by [`Output::Send`] so far.
    pub(crate) fn has_more(&self) -> bool {
        match &self.state {
            State::Up { sent, asked, full, .. } => {
                !full && (!asked.is_empty() || (*sent).max(self.stored) < self.last.min(self.stored + WINDOW))
            }
            State::Down { .. } | State::Connecting => false,
        }
    }
}
