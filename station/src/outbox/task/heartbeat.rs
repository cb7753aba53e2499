//! The station says that it is there, and how its outbox stands.

use super::Task;
use crate::{moment::Moment, outbox::spool::SpoolError};
use platen_broker::{Promise, Said, Transport};
use platen_protocol::uplink::{Channel, Outbox};

impl<T: Transport> Task<T> {
    pub(super) fn beat(&mut self) {
        if !self.machine.is_up() {
            return;
        }
        let outbox = match self.outbox() {
            Ok(outbox) => outbox,
            Err(error) => return self.fault(&error),
        };
        let payload = self.sender.state(&Moment::now(), outbox);
        self.say(Said {
            topic: self.sender.topic(Channel::State),
            payload,
            retain: true,
            promise: Promise::AtLeastOnce,
        });
    }

    fn outbox(&self) -> Result<Outbox, SpoolError> {
        let (first, last) = (self.machine.first(), self.machine.last());
        let now = Moment::now();
        let oldest = self.spool.waiting(first, first)?.pop();
        Ok(Outbox {
            epoch: self.spool.epoch().into(),
            first,
            last,
            oldest_ms: oldest.and_then(|event| event.waited(&now)),
            bytes: self.spool.bytes(),
            limit: self.config.limit,
            quarantined: self.spool.quarantined()?,
        })
    }
}
