//! A station as a Sparkplug device: what of the live picture becomes a metric.

use super::payload::{Metric, Properties, Property, Value, datatype};
use serde_json::Value as Json;

/// A metric's name, type and unit, and where it stands in the picture of a station (`s`) and of its room (`r`).
type Told = (&'static str, u32, &'static str, fn(&Json, &Json) -> Json);

/// Every metric that a device has. What is unknown, or too old to be shown as a number, is null.
const METRICS: [Told; 15] = [
    ("Software", datatype::STRING, "", |s, _| s["software"].clone()),
    ("Batch/Name", datatype::STRING, "", |s, _| s["batch"]["batch"].clone()),
    ("Batch/Operator", datatype::STRING, "", |s, _| s["batch"]["operator"].clone()),
    ("Batch/Pages", datatype::UINT64, "", |s, _| s["batch"]["pages"].clone()),
    ("Batch/Pages Expected", datatype::UINT64, "", |s, _| s["batch"]["expected"].clone()),
    ("Batch/Pages Void", datatype::UINT64, "", |s, _| s["batch"]["voided"].clone()),
    ("Batch/Completed", datatype::BOOLEAN, "", |s, _| s["batch"]["completed"].clone()),
    ("Pages/Today", datatype::UINT64, "", |s, _| s["pages_today"].clone()),
    ("Events/Waiting", datatype::UINT64, "", |s, _| s["waiting"].clone()),
    ("Events/Late", datatype::BOOLEAN, "", |s, _| Json::from(!s["late_ms"].is_null() || s["catching_up"] == true)),
    ("Faults", datatype::STRING, "", |s, _| faults(s)),
    ("Room/Temperature", datatype::DOUBLE, "°C", |_, r| fresh(r, "celsius")),
    ("Room/Humidity", datatype::DOUBLE, "%", |_, r| fresh(r, "humidity")),
    ("Power/State", datatype::STRING, "", |_, r| fresh(&r["power"], "state")),
    ("Power/Charge", datatype::DOUBLE, "%", |_, r| fresh(&r["power"], "charge")),
];

/// A station, and the values of its metrics in their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Device {
    pub(super) name: String,
    values: Vec<Option<Value>>,
}

impl Device {
    /// The stations of a snapshot that are heard. One that is not has died.
    pub(super) fn of_snapshot(snapshot: &Json) -> Vec<Self> {
        let list = |key: &str| snapshot[key].as_array().cloned().unwrap_or_default();
        let rooms = list("rooms");
        let heard = list("stations").into_iter().filter(|station| station["online"] == true);
        heard
            .filter_map(|station| {
                let name = station["station"].as_str()?.to_owned();
                let room = rooms.iter().find(|room| room["station"] == station["station"]).unwrap_or(&Json::Null);
                let values = METRICS.iter().map(|(_, kind, _, of)| value(*kind, &of(&station, room))).collect();
                Some(Self { name, values })
            })
            .collect()
    }

    /// Every metric, with its unit.
    pub(super) fn birth(&self, now: u64) -> Vec<Metric> {
        let metrics = METRICS.iter().zip(&self.values).map(|(&(name, kind, unit, _), value)| {
            let properties = (!unit.is_empty()).then(|| Properties {
                keys: vec!["engUnit".into()],
                values: vec![Property { datatype: Some(datatype::STRING), text: Some(unit.into()) }],
            });
            Metric { properties, ..metric(name, kind, value.clone(), now) }
        });
        metrics.collect()
    }

    /// What is other than it was.
    pub(super) fn changes(&self, before: &Self, now: u64) -> Vec<Metric> {
        let both = METRICS.iter().zip(self.values.iter().zip(&before.values));
        let changed = both.filter(|(_, (value, before))| value != before);
        changed.map(|(&(name, kind, ..), (value, _))| metric(name, kind, value.clone(), now)).collect()
    }
}

/// A metric; without a value it is null.
pub(super) fn metric(name: &str, kind: u32, value: Option<Value>, now: u64) -> Metric {
    Metric {
        name: Some(name.into()),
        timestamp: Some(now),
        datatype: Some(kind),
        is_null: value.is_none().then_some(true),
        properties: None,
        value,
    }
}

fn value(kind: u32, json: &Json) -> Option<Value> {
    match kind {
        datatype::STRING => json.as_str().map(|text| Value::String(text.into())),
        datatype::BOOLEAN => json.as_bool().map(Value::Boolean),
        datatype::DOUBLE => json.as_f64().map(Value::Double),
        _ => json.as_u64().map(Value::Long),
    }
}

fn faults(station: &Json) -> Json {
    let names = station["faults"].as_array().into_iter().flatten().filter_map(|fault| fault["fault"].as_str());
    Json::from(names.collect::<Vec<_>>().join(" "))
}

fn fresh(of: &Json, key: &str) -> Json {
    if of["stale"] == true { Json::Null } else { of[key].clone() }
}
