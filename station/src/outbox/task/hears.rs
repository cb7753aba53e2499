//! What the supervisor says, as the machine understands it.

use super::Task;
use crate::outbox::{machine::Input, spool::SpoolError};
use jiff::Timestamp;
use platen_broker::Transport;
use platen_protocol::uplink::{Ack, Channel, Command, MessageError, Topic, parse};

impl<T: Transport> Task<T> {
    /// What a message from the supervisor means to the machine.
    pub(super) fn understand(&mut self, topic: &[u8], payload: &[u8]) -> Result<Option<Input>, MessageError> {
        let countable = |seq: u64| i64::try_from(seq).is_ok();
        let topic = Topic::parse(&String::from_utf8_lossy(topic))?;
        Ok(match topic.channel {
            Channel::Ack => {
                let Ack { epoch, seq, time, broken, readings } = parse(payload)?;
                if let Some(stored) = readings.filter(|_| epoch == self.spool.epoch()) {
                    self.readings_are_stored(stored);
                }
                // What cannot be read now is not known to be the same; the next acknowledgement will tell.
                let same = self.is_ours(&epoch, seq, time).unwrap_or_else(|error| {
                    tracing::warn!(%error, "an acknowledgement cannot be compared");
                    None
                });
                same.filter(|_| countable(seq)).map(|same| Input::Acknowledged { epoch, seq, same: same && !broken })
            }
            Channel::Command => match parse(payload)? {
                Command::Resend { epoch, seq, to } => Some(Input::Resend { epoch, from: seq, to }),
                Command::Refused { epoch, seq, reason } => Some(Input::Refused { epoch, seq, reason }),
            },
            Channel::Event | Channel::Env | Channel::State => None,
        })
    }

    /// Whether the event of this number is the one that we have; `None` if nobody knows.
    fn is_ours(&self, epoch: &str, seq: u64, time: Option<Timestamp>) -> Result<Option<bool>, SpoolError> {
        if epoch != self.spool.epoch() {
            return Ok(None);
        }
        // A supervisor of before does not say when.
        let Some(time) = time.filter(|_| seq > self.machine.stored()) else {
            return Ok(Some(seq <= self.machine.last()));
        };
        let ours = self.spool.waiting(seq, seq)?;
        Ok(Some(ours.first().is_some_and(|event| event.at.parse().is_ok_and(|at: Timestamp| at == time))))
    }
}
