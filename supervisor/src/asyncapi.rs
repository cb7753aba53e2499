//! The description of the uplink in AsyncAPI 3.0, made from the types themselves: `platen-supervisor asyncapi`.

use platen_protocol::uplink::{Ack, Command, Envelope, Event, MAX_MESSAGE, Reading, State, VERSION};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

/// Who says it and whether the broker keeps the last one.
struct Channel {
    name: &'static str,
    message: &'static str,
    from_station: bool,
    retained: bool,
    summary: &'static str,
    schema: fn(&mut SchemaGenerator) -> Value,
}

const CHANNELS: [Channel; 5] = [
    Channel {
        name: "event",
        message: "Event",
        from_station: true,
        retained: false,
        summary: "What happened, numbered from 1 within an epoch without a gap; sent again until acknowledged",
        schema: of::<Envelope<Event>>,
    },
    Channel {
        name: "env",
        message: "Reading",
        from_station: true,
        retained: false,
        summary: "Readings of the room and of the power; kept while no supervisor is heard, and then thinned when they take too much room",
        schema: of::<Envelope<Reading>>,
    },
    Channel {
        name: "state",
        message: "State",
        from_station: true,
        retained: true,
        summary: "Birth, heartbeat, and as the will the station's death",
        schema: of::<State>,
    },
    Channel {
        name: "ack",
        message: "Ack",
        from_station: false,
        retained: false,
        summary: "Everything up to here is stored",
        schema: of::<Ack>,
    },
    Channel {
        name: "command",
        message: "Command",
        from_station: false,
        retained: false,
        summary: "What the supervisor asks of a station",
        schema: of::<Command>,
    },
];

/// The whole document.
pub(crate) fn document() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let messages: serde_json::Map<String, Value> = CHANNELS
        .iter()
        .map(|c| {
            let mut payload = (c.schema)(&mut generator);
            payload["title"] = json!(c.message);
            let message = json!({
                "name": c.message, "summary": c.summary, "contentType": "application/json", "payload": payload,
            });
            (c.message.to_owned(), message)
        })
        .collect();
    let channels: serde_json::Map<String, Value> = CHANNELS
        .iter()
        .map(|c| {
            let channel = json!({
                "address": format!("platen/v{VERSION}/{{site}}/{{station}}/{}", c.name),
                "description": c.summary,
                "messages": { c.message: { "$ref": format!("#/components/messages/{}", c.message) } },
                "parameters": {
                    "site": { "$ref": "#/components/parameters/site" },
                    "station": { "$ref": "#/components/parameters/station" },
                },
            });
            (c.name.to_owned(), channel)
        })
        .collect();
    let operations: serde_json::Map<String, Value> = CHANNELS
        .iter()
        .map(|c| {
            let action = if c.from_station { "receive" } else { "send" };
            let operation = json!({
                "action": action,
                "channel": { "$ref": format!("#/channels/{}", c.name) },
                "summary": c.summary,
                "messages": [{ "$ref": format!("#/channels/{}/messages/{}", c.name, c.message) }],
                "bindings": { "mqtt": { "qos": 1, "retain": c.retained, "bindingVersion": "0.2.0" } },
            });
            (format!("{action}-{}", c.name), operation)
        })
        .collect();
    let name = |what: &str| json!({ "description": format!("{what}: 1 to 32 of a-z, 0-9 and -") });
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Platen uplink",
            "version": format!("{VERSION}.0.0"),
            "description": format!(
                "What scanning stations and their supervisor say to each other over MQTT 5, seen from the supervisor. \
                 Messages are of {MAX_MESSAGE} bytes at most. A PUBACK promises nothing: a station keeps an event until \
                 `ack` covers it."
            ),
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": generator.take_definitions(true),
            "parameters": {
                "site": name("One building or digitisation centre"),
                "station": name("One scanning workstation"),
            },
        },
    })
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_in_docs_is_that_of_the_types() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/asyncapi.json");
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        let now = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        assert!(written == now, "write it anew: platen-supervisor asyncapi > docs/asyncapi.json");
    }
}
