//! How a station and a supervisor reach an MQTT broker.
//!
//! A broker is a lossy pipe: whoever speaks through it keeps what was said until the other end answers. So there is no session
//! to come back to here. A [`Link`] is one connection; when it is down it stays down, and a new one is made from nothing,
//! because a client that goes on with an old state drops what the broker has forgotten.

mod address;
mod backoff;
mod mqtt;
mod tls;

pub use address::{Address, BadAddress, Broker};
pub use backoff::{Backoff, random};
pub use mqtt::Mqtt;
pub use tls::Stamp;

use bytes::Bytes;
use std::{fmt::Debug, time::Instant};
use tokio::sync::mpsc;

/// Makes connections.
pub trait Transport: Debug + Send {
    /// Begins a connection; its first word is [`Heard::Up`] or [`Heard::Down`].
    fn connect(&mut self, will: Option<Said>) -> Link;

    /// Whether what identifies this client (certificate, key, password) was replaced since the latest connection began.
    fn renewed(&self) -> bool;
}

/// One connection. Dropping it ends it.
#[derive(Debug)]
pub struct Link {
    /// To speak.
    pub to: Box<dyn Speak>,
    /// What is heard.
    pub from: mpsc::Receiver<Heard>,
}

/// The speaking end of a connection.
pub trait Speak: Debug + Send + Sync {
    /// Hands over a message.
    ///
    /// # Errors
    /// [`Busy`] if so much is under way that it was not taken.
    fn say(&self, said: Said) -> Result<(), Busy>;

    /// Asks for everything on topics that match.
    ///
    /// # Errors
    /// As for [`Speak::say`].
    fn listen(&self, filter: &str) -> Result<(), Busy>;
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// The broker keeps the last one for those who come later.
    pub retain: bool,
    /// What the broker promises of it.
    pub promise: Promise,
}

/// How sure a message is to reach the broker while the connection lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Sent once, and not answered (QoS 0).
    AtMostOnce,
    /// Answered by [`Heard::Taken`] (QoS 1).
    AtLeastOnce,
}

/// The connection has no room now; later it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// What is heard on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It stands.
    Up {
        /// The largest packet that the broker takes, in bytes.
        most: usize,
    },
    /// A message.
    Message {
        /// Where.
        topic: Bytes,
        /// What.
        payload: Bytes,
        /// The broker had kept it from before.
        retained: bool,
        /// When it came in; whoever listens may be late.
        at: Instant,
    },
    /// The broker has one message of ours; that promises nothing.
    Taken,
    /// The broker did not take a message of ours: it says why.
    Refused(String),
    /// The broker lets us listen to what we asked for.
    Listening,
    /// The broker does not let us listen: it says why.
    Deaf(String),
    /// It is over. Nothing follows.
    Down(String),
}
