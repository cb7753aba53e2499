//! The edge node: which messages Sparkplug wants when, decided without clock or socket.

use super::{
    device::{Device, metric},
    payload::{Metric, Payload, Value, datatype},
};
use platen_broker::{Promise, Said};
use prost::Message;

const REBIRTH: &str = "Node Control/Rebirth";

/// ```text
///         born                       birth (again, when a host asks)
///  Dead ────────▶ Born { seq, devices } ─┐
///    ▲                      │     ▲──────┘
///    └────────lost──────────┘
/// ```
#[derive(Debug)]
enum State {
    Dead,
    Born {
        /// Of the next message, 0 to 255 and round again.
        seq: u8,
        /// Devices as they were told of.
        devices: Vec<Device>,
    },
}

#[derive(Debug)]
pub(super) struct Edge {
    group: String,
    node: String,
    /// Which life this is, 0 to 255 and round again: a death names the birth that it ends.
    life: u8,
    state: State,
}

impl Edge {
    /// `life` is any number; the next program should not begin with the same.
    pub(super) fn new(group: String, node: String, life: u8) -> Self {
        Self { group, node, life, state: State::Dead }
    }

    /// The connection is gone, or never was: the next one is another life. Answers what the broker says when that one ends.
    pub(super) fn will(&mut self) -> Said {
        self.life = self.life.wrapping_add(1);
        self.state = State::Dead;
        let death = Payload { timestamp: None, metrics: vec![self.life_metric(None)], seq: None };
        Said { promise: Promise::AtLeastOnce, ..self.said("NDEATH", None, &death) }
    }

    /// Where hosts give orders.
    pub(super) fn orders(&self) -> String {
        self.topic("NCMD", None)
    }

    /// The node and every device are born: at the connection's beginning, and whenever a host asks.
    pub(super) fn birth(&mut self, devices: Vec<Device>, now: u64) -> Vec<Said> {
        self.state = State::Born { seq: 0, devices: Vec::new() };
        let rebirth = metric(REBIRTH, datatype::BOOLEAN, Some(Value::Boolean(false)), now);
        let node = self.payload(vec![self.life_metric(Some(now)), rebirth], now);
        let mut said = vec![self.said("NBIRTH", None, &node)];
        said.extend(self.show(devices, now));
        said
    }

    /// The picture has changed: stations come, change and go.
    pub(super) fn show(&mut self, devices: Vec<Device>, now: u64) -> Vec<Said> {
        let State::Born { devices: told, .. } = &mut self.state else { return Vec::new() };
        let told = std::mem::replace(told, devices.clone());
        let mut said = Vec::new();
        for gone in told.iter().filter(|t| devices.iter().all(|d| d.name != t.name)) {
            let death = self.payload(Vec::new(), now);
            said.push(self.said("DDEATH", Some(&gone.name), &death));
        }
        for device in &devices {
            let (kind, metrics) = match told.iter().find(|t| t.name == device.name) {
                None => ("DBIRTH", device.birth(now)),
                Some(before) => ("DDATA", device.changes(before, now)),
            };
            if !metrics.is_empty() {
                let payload = self.payload(metrics, now);
                said.push(self.said(kind, Some(&device.name), &payload));
            }
        }
        said
    }

    /// Whether a host's order asks for births.
    pub(super) fn asks_for_birth(order: &[u8]) -> Result<bool, prost::DecodeError> {
        let order = Payload::decode(order)?;
        let asks = |m: &Metric| m.name.as_deref() == Some(REBIRTH) && m.value == Some(Value::Boolean(true));
        Ok(order.metrics.iter().any(asks))
    }

    fn life_metric(&self, now: Option<u64>) -> Metric {
        let life = Some(Value::Long(self.life.into()));
        Metric { timestamp: now, ..metric("bdSeq", datatype::INT64, life, 0) }
    }

    /// A payload with the next number.
    fn payload(&mut self, metrics: Vec<Metric>, now: u64) -> Payload {
        let seq = match &mut self.state {
            State::Born { seq, .. } => {
                let this = *seq;
                *seq = seq.wrapping_add(1);
                Some(this.into())
            }
            State::Dead => None,
        };
        Payload { timestamp: Some(now), metrics, seq }
    }

    fn topic(&self, kind: &str, device: Option<&str>) -> String {
        let Self { group, node, .. } = self;
        let device = device.map(|name| format!("/{name}")).unwrap_or_default();
        format!("spBv1.0/{group}/{kind}/{node}{device}")
    }

    fn said(&self, kind: &str, device: Option<&str>, payload: &Payload) -> Said {
        let topic = self.topic(kind, device);
        Said { topic, payload: payload.encode_to_vec(), retain: false, promise: Promise::AtMostOnce }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn edge() -> Edge {
        Edge::new("north".into(), "platen".into(), 255)
    }

    fn desks(desks: &[(&str, u64)]) -> Vec<Device> {
        let stations: Vec<_> = desks
            .iter()
            .map(|(name, pages)| json!({ "station": name, "online": true, "batch": { "pages": pages } }))
            .collect();
        Device::of_snapshot(&json!({ "stations": stations, "rooms": [] }))
    }

    fn read(said: &[Said]) -> Vec<(String, Option<u64>, usize)> {
        let one = |said: &Said| {
            let payload = Payload::decode(said.payload.as_slice()).unwrap();
            (said.topic.clone(), payload.seq, payload.metrics.len())
        };
        said.iter().map(one).collect()
    }

    #[test]
    fn stations_are_born_change_and_die_with_numbers_that_rise_by_one() {
        let mut edge = edge();
        assert!(edge.show(desks(&[("a", 1)]), 1).is_empty(), "nothing is said before the birth");
        let will = edge.will();
        assert_eq!((will.topic.as_str(), will.promise), ("spBv1.0/north/NDEATH/platen", Promise::AtLeastOnce));
        let death = Payload::decode(will.payload.as_slice()).unwrap();
        assert_eq!((death.seq, death.metrics.len()), (None, 1));
        let topic = |rest: &str| format!("spBv1.0/north/{rest}");
        let born = read(&edge.birth(desks(&[("a", 1)]), 2));
        assert_eq!(born, [(topic("NBIRTH/platen"), Some(0), 2), (topic("DBIRTH/platen/a"), Some(1), METRIC_COUNT)]);
        assert!(edge.show(desks(&[("a", 1)]), 3).is_empty(), "what did not change is not said");
        let next = read(&edge.show(desks(&[("a", 2), ("b", 0)]), 4));
        assert_eq!(next, [(topic("DDATA/platen/a"), Some(2), 1), (topic("DBIRTH/platen/b"), Some(3), METRIC_COUNT)]);
        assert_eq!(read(&edge.show(desks(&[("b", 0)]), 5)), [(topic("DDEATH/platen/a"), Some(4), 0)]);
        for n in 5..600u64 {
            let said = read(&edge.show(desks(&[("b", n)]), n));
            assert_eq!(said, [(topic("DDATA/platen/b"), Some(n % 256), 1)]);
        }
        let again = read(&edge.birth(desks(&[("b", 600)]), 700));
        assert_eq!(again.iter().map(|s| s.1).collect::<Vec<_>>(), [Some(0), Some(1)]);
    }

    const METRIC_COUNT: usize = 15;

    #[test]
    fn a_death_names_the_birth_that_it_ends() {
        let mut edge = edge();
        let life = |payload: &[u8]| Payload::decode(payload).unwrap().metrics[0].value.clone();
        let mut lives = Vec::new();
        for now in 0..3 {
            let will = edge.will();
            let birth = edge.birth(Vec::new(), now);
            assert_eq!(life(&will.payload), life(&birth[0].payload));
            lives.push(life(&will.payload));
        }
        assert_eq!(lives, [0, 1, 2].map(|n| Some(Value::Long(n))), "255 is followed by 0");
    }

    #[test]
    fn only_an_order_for_births_is_one() {
        let order = |name: &str, value| {
            let metrics = vec![metric(name, datatype::BOOLEAN, Some(Value::Boolean(value)), 0)];
            Payload { timestamp: None, metrics, seq: None }.encode_to_vec()
        };
        assert_eq!(Edge::asks_for_birth(&order(REBIRTH, true)), Ok(true));
        assert_eq!(Edge::asks_for_birth(&order(REBIRTH, false)), Ok(false));
        assert_eq!(Edge::asks_for_birth(&order("Node Control/Reboot", true)), Ok(false));
        assert!(Edge::asks_for_birth(b"{\"not\":\"protobuf\"}").is_err());
    }

    #[test]
    fn what_is_unknown_or_old_is_null() {
        let snapshot = json!({
            "stations": [{ "station": "a", "online": true, "batch": null, "faults": [] }, { "station": "b", "online": false }],
            "rooms": [{ "station": "a", "stale": true, "celsius": 19.5, "power": { "stale": false, "charge": 80 } }],
        });
        let devices = Device::of_snapshot(&snapshot);
        assert_eq!(devices.len(), 1, "a station that is not heard is not there");
        let birth = devices[0].birth(7);
        let of = |name: &str| birth.iter().find(|m| m.name.as_deref() == Some(name)).unwrap();
        assert_eq!((of("Room/Temperature").is_null, &of("Room/Temperature").value), (Some(true), &None));
        assert_eq!((of("Power/Charge").is_null, &of("Power/Charge").value), (None, &Some(Value::Double(80.0))));
        assert_eq!(of("Batch/Name").is_null, Some(true));
        assert_eq!(of("Faults").value, Some(Value::String(String::new())));
    }
}
