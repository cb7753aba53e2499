//! Home Assistant's MQTT discovery: one retained message for each station, by which its room and its power appear there.

use platen_protocol::uplink::{Channel, SiteId, StationId, Topic};
use serde_json::{Value, json};

/// A reading is no news after so many seconds. Home Assistant counts from the last message of the topic, of whatever kind.
const EXPIRES_S: u32 = 60;
/// A station that says nothing for so long is not known to be there.
const SILENT_S: u32 = 20;

/// Topic and message for a station, below Home Assistant's discovery prefix.
pub(crate) fn device(prefix: &str, site: &SiteId, station: &StationId) -> (String, Value) {
    // Names have no underscore: no two stations share this.
    let id = format!("platen_{site}_{station}");
    let topic = |channel| Topic { site: site.clone(), station: station.clone(), channel }.to_string();
    let (env, state) = (topic(Channel::Env), topic(Channel::State));
    // An empty value is no value: numbers of another kind of reading, or of the past, change nothing.
    let of_env = |kind: &str, field: &str| {
        format!(
            "{{% if value_json.type == '{kind}' and not value_json.get('historical') and value_json.data.get('{field}') is number %}}\
             {{{{ value_json.data.{field} }}}}{{% endif %}}"
        )
    };
    let number = |name: &str, class: &str, unit: &str, template: String| {
        json!({
            "p": "sensor", "name": name, "unique_id": format!("{id}_{class}"), "device_class": class,
            "unit_of_measurement": unit, "state_class": "measurement", "state_topic": env, "value_template": template,
            "expire_after": EXPIRES_S,
        })
    };
    let components = json!({
        "temperature": number("Temperature", "temperature", "°C", of_env("platen.room.reading", "celsius")),
        "humidity": number("Humidity", "humidity", "%", of_env("platen.room.reading", "humidity")),
        "battery": number("UPS charge", "battery", "%", of_env("platen.power.reading", "charge")),
        "power": {
            "p": "sensor", "name": "Power", "unique_id": format!("{id}_power"), "state_topic": env,
            "icon": "mdi:power-plug-battery",
            "expire_after": EXPIRES_S,
            "value_template": "{% if value_json.type == 'platen.power.reading' and not value_json.get('historical') %}{{ value_json.data.state }}{% else %}{{ this.state }}{% endif %}",
        },
        "waiting": {
            "p": "sensor", "name": "Events not yet reported", "unique_id": format!("{id}_waiting"), "state_topic": state,
            "state_class": "measurement", "value_template": "{{ value_json.waiting }}", "entity_category": "diagnostic",
            "expire_after": SILENT_S,
        },
        "online": {
            "p": "binary_sensor", "name": "Station", "unique_id": format!("{id}_online"), "device_class": "connectivity",
            "state_topic": state, "value_template": "{{ 'ON' if value_json.online else 'OFF' }}",
            // Broker and station may lose their power together: then nobody says the will.
            "expire_after": SILENT_S,
        },
    });
    let message = json!({
        "dev": { "ids": [id], "name": format!("Scanning station {station}"), "mf": "Platen", "mdl": "Scanning station", "sa": site.as_str() },
        "o": { "name": "Platen supervisor", "sw": env!("CARGO_PKG_VERSION") },
        "cmps": components,
        "qos": 1,
    });
    (format!("{prefix}/device/{id}/config"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_is_one_device_whose_parts_listen_to_its_topics() {
        let (topic, message) = device("homeassistant", &"north".parse().unwrap(), &"desk-1".parse().unwrap());
        assert_eq!(topic, "homeassistant/device/platen_north_desk-1/config");
        let parts = message["cmps"].as_object().unwrap();
        assert_eq!(parts.len(), 6);
        for (name, part) in parts {
            assert!(part["unique_id"].as_str().unwrap().starts_with("platen_north_desk-1_"), "{name}");
            assert!(part["state_topic"].as_str().unwrap().starts_with("platen/v1/north/desk-1/"), "{name}");
        }
        let template = message["cmps"]["temperature"]["value_template"].as_str().unwrap();
        assert_eq!(
            template,
            "{% if value_json.type == 'platen.room.reading' and not value_json.get('historical') and value_json.data.get('celsius') is number %}{{ value_json.data.celsius }}{% endif %}"
        );
    }
}
