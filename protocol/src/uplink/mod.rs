//! Station ↔ supervisor over MQTT, version 1.
//!
//! | topic | sent by | what | kept by the broker |
//! | --- | --- | --- | --- |
//! | `platen/v1/<site>/<station>/event` | station | [`Envelope`] with an [`Event`]; stored exactly once by (station, epoch, seq) | no |
//! | `…/env` | station | [`Envelope`] with a [`Reading`]; may be thinned | no |
//! | `…/state` | station | [`State`]: birth, heartbeat, and as the will its death | yes |
//! | `…/ack` | supervisor | [`Ack`]: everything up to here is stored | no |
//! | `…/command` | supervisor | [`Command`] | no |
//!
//! A PUBACK of the broker promises nothing; only an [`Ack`] lets the station forget an event.

mod clock;
mod event;
mod id;

pub use clock::Monotonic;
pub use event::{
    BatchOpened, ColourMode, Event, Interlock, Overridden, PageAccepted, PageVoided, Reading, Severity, Source,
    UpsState, VolumePlan,
};
pub use id::{IdError, SiteId, StationId};

use alloc::string::String;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Version of the uplink, the `v1` of every topic.
pub const VERSION: u32 = 1;

/// No message is larger than this, in bytes; both sides check before they publish or parse.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// The kinds of topic below `platen/v1/<site>/<station>/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Numbered events, station → supervisor.
    Event,
    /// Room and power readings, station → supervisor.
    Env,
    /// Retained birth, heartbeat and will, station → supervisor.
    State,
    /// What the supervisor has stored, supervisor → station.
    Ack,
    /// Requests, supervisor → station.
    Command,
}

impl Channel {
    const ALL: [Self; 5] = [Self::Event, Self::Env, Self::State, Self::Ack, Self::Command];

    fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Env => "env",
            Self::State => "state",
            Self::Ack => "ack",
            Self::Command => "command",
        }
    }
}

/// A topic of one station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The site.
    pub site: SiteId,
    /// The station.
    pub station: StationId,
    /// What is said there.
    pub channel: Channel,
}

impl core::fmt::Display for Topic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "platen/v{VERSION}/{}/{}/{}", self.site, self.station, self.channel.name())
    }
}

impl Topic {
    /// The filter under which a supervisor hears `channel` of all stations of a site.
    #[must_use]
    pub fn filter(site: &SiteId, channel: Channel) -> String {
        alloc::format!("platen/v{VERSION}/{site}/+/{}", channel.name())
    }

    /// Reads a topic name.
    ///
    /// # Errors
    /// Says which part of the name is not as it should be.
    pub fn parse(name: &str) -> Result<Self, MessageError> {
        let bad = |what: &str| MessageError::Topic { topic: name.into(), what: what.into() };
        let mut parts = name.split('/');
        let (root, version, site, station, channel, end) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
        if root != Some("platen") {
            return Err(bad("it must begin with platen/"));
        }
        if version != Some("v1") {
            return Err(bad("the version must be v1"));
        }
        let site = site.unwrap_or_default().parse().map_err(|e: IdError| bad(&alloc::format!("site: {e}")))?;
        let station = station.unwrap_or_default().parse().map_err(|e: IdError| bad(&alloc::format!("station: {e}")))?;
        let channel = Channel::ALL.into_iter().find(|c| Some(c.name()) == channel);
        match (channel, end) {
            (Some(channel), None) => Ok(Self { site, station, channel }),
            _ => Err(bad("the last part must be one of event, env, state, ack, command")),
        }
    }
}

/// What every event and reading travels in: CloudEvents 1.0 attributes, and the number that makes it unique.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Envelope<D> {
    /// Always `1.0`.
    pub specversion: SpecVersion,
    /// `<epoch>:<seq>`, unique within `source`.
    pub id: String,
    /// `/<site>/<station>`.
    pub source: String,
    /// When it happened, by the station's clock.
    pub time: Timestamp,
    /// Made with the station's outbox; `seq` never restarts within it.
    pub epoch: String,
    /// From 1, rising by one, without a gap.
    pub seq: u64,
    /// `time` of the event numbered one less, by which a chain is known; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Timestamp>,
    /// When it happened, by a clock that nobody sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monotonic: Option<Monotonic>,
    /// When it was sent, by the same clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Monotonic>,
    /// It is no news: it had to wait for the way to be free.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub historical: bool,
    /// `type` and `data`.
    #[serde(flatten)]
    pub body: D,
}

impl<D> Envelope<D> {
    /// Puts `body` into its envelope.
    pub fn new(site: &SiteId, station: &StationId, epoch: &str, seq: u64, time: Timestamp, body: D) -> Self {
        Self {
            specversion: SpecVersion::V1,
            id: alloc::format!("{epoch}:{seq}"),
            source: alloc::format!("/{site}/{station}"),
            time,
            epoch: epoch.into(),
            seq,
            previous: None,
            monotonic: None,
            sent: None,
            historical: false,
            body,
        }
    }

    /// Says when it happened and when it was sent by a clock that nobody sets. Beyond [`NEWS`], or if nobody knows how long it
    /// waited, it is history.
    #[must_use]
    pub fn timed(mut self, happened: Option<Monotonic>, sent: Monotonic) -> Self {
        let waited = happened.as_ref().and_then(|happened| sent.since(happened));
        self.historical = waited.is_none_or(|ms| u128::from(ms) > NEWS.as_millis());
        self.monotonic = happened;
        self.sent = Some(sent);
        self
    }
}

/// What is sent later than so long after it happened is no news.
pub const NEWS: core::time::Duration = core::time::Duration::from_secs(10);

/// The one version of CloudEvents spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SpecVersion {
    /// 1.0
    #[serde(rename = "1.0")]
    V1,
}

/// Retained on the `state` topic: who is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct State {
    /// `false` is the will, published by the broker when the connection died.
    pub online: bool,
    /// Software version of the station.
    pub software: String,
    /// When the station's process started.
    pub since: Timestamp,
    /// When this was said; absent in a will, which is written before the death.
    pub time: Option<Timestamp>,
    /// Events that wait for an acknowledgement.
    pub waiting: u64,
    /// The outbox; absent in a will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<Outbox>,
    /// When this was said, by a clock that nobody sets; absent in a will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monotonic: Option<Monotonic>,
}

/// How a station's outbox stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Outbox {
    /// The epoch that events are numbered in now.
    pub epoch: String,
    /// Number of the first event that waits; one more than `last` if none does.
    pub first: u64,
    /// The last number given.
    pub last: u64,
    /// How long the first one has waited, in milliseconds; absent if none waits or nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_ms: Option<u64>,
    /// Bytes that wait, and how many may.
    pub bytes: u64,
    /// The station pauses before there are more.
    pub limit: u64,
    /// Events that a receiver refused, kept aside with the reason.
    pub quarantined: u64,
}

/// Everything of `epoch` up to and including `seq` is stored and will not be asked for again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// The epoch spoken of.
    pub epoch: String,
    /// End of the contiguous prefix, in which each event names its predecessor rightly.
    pub seq: u64,
    /// When its last event happened, as that said. If the station's event of this number happened at another time, two events
    /// had one number: the station's files were put back from a copy. It then begins a new epoch with the first event that
    /// was not acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The next number is taken by an event that names another predecessor: for the same reason, with the same consequence.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub broken: bool,
    /// Number of the last reading of [`kept_readings`] that is stored; told in the answer to a heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readings: Option<u64>,
}

/// The run in which readings are numbered that had to wait at a station, in place of an envelope's epoch.
#[must_use]
pub fn kept_readings(epoch: &str) -> alloc::string::String {
    alloc::format!("{epoch}-readings")
}

/// Supervisor → station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Send events again, also those that were acknowledged.
    Resend {
        /// The epoch meant.
        epoch: String,
        /// First event wanted.
        seq: u64,
        /// The last one; without it, all that follow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u64>,
    },
    /// An event was not taken and never will be as it is. The station keeps it aside and sends a note under its number.
    Refused {
        /// Its epoch.
        epoch: String,
        /// Its number.
        seq: u64,
        /// Why, in English.
        reason: String,
    },
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageError {
    /// The topic is not one of ours.
    Topic {
        /// As received.
        topic: String,
        /// What is wrong with it.
        what: String,
    },
    /// Larger than [`MAX_MESSAGE`].
    Oversize {
        /// Bytes received.
        len: usize,
    },
    /// Not JSON, or not of the expected shape.
    Shape {
        /// What the parser found, with line and column.
        what: String,
    },
}

impl core::fmt::Display for MessageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Topic { topic, what } => write!(f, "topic {topic:?}: {what}"),
            Self::Oversize { len } => write!(f, "message of {len} bytes; at most {MAX_MESSAGE} are allowed"),
            Self::Shape { what } => write!(f, "message is not of version {VERSION}: {what}"),
        }
    }
}

impl core::error::Error for MessageError {}

/// Reads a message, refusing oversize ones before they are parsed.
///
/// # Errors
/// Says whether it was too large or what is wrong with its shape.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    if bytes.len() > MAX_MESSAGE {
        return Err(MessageError::Oversize { len: bytes.len() });
    }
    serde_json::from_slice(bytes).map_err(|e| MessageError::Shape { what: alloc::format!("{e}") })
}

/// Writes a message.
///
/// # Errors
/// [`MessageError::Oversize`] if no receiver would take it.
pub fn write<T: Serialize>(message: &T) -> Result<alloc::vec::Vec<u8>, MessageError> {
    let bytes = serde_json::to_vec(message).map_err(|e| MessageError::Shape { what: alloc::format!("{e}") })?;
    if bytes.len() > MAX_MESSAGE {
        return Err(MessageError::Oversize { len: bytes.len() });
    }
    Ok(bytes)
}
