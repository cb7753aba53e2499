//! Two persons override a broken sensor, each by name and PIN.

use super::{Console, Wish, asked, bad, wish};
use crate::sensors::overrides::{Asked, Sensor};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    name: String,
    pin: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BeginRequest {
    sensor: Sensor,
    minutes: u32,
    reason: String,
    first: Who,
    second: Who,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndRequest {
    sensor: Sensor,
}

pub(super) async fn begin(State(console): State<Console>, headers: HeaderMap, body: String) -> Response {
    const WANTED: &str = r#"{"sensor": "lid|corner|board", "minutes": 1-60, "reason": "…",
 "first": {"name": "…", "pin": "…"}, "second": {"name": "…", "pin": "…"}}"#;
    let request: BeginRequest = match asked(&headers, &body, WANTED) {
        Ok(request) => request,
        Err(why) => return bad(why),
    };
    let BeginRequest { sensor, minutes, reason, first, second } = request;
    let by = [first.name.clone(), second.name.clone()];
    let persons = console.persons.clone();
    // A PIN's hash is slow on purpose.
    let proved = tokio::task::spawn_blocking(move || {
        let mut persons = persons.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        persons.prove(now, &first.name, &first.pin)?;
        persons.prove(now, &second.name, &second.pin)?;
        persons.all_proved();
        Ok::<(), String>(())
    });
    match proved.await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => return (StatusCode::FORBIDDEN, Json(json!({ "error": why }))).into_response(),
        Err(_) => return bad("the PINs could not be checked".into()),
    }
    let lasting = Duration::from_secs(60 * u64::from(minutes));
    wish(&console, Wish::Override(Asked { sensor, by, reason, lasting })).await
}

pub(super) async fn end(State(console): State<Console>, headers: HeaderMap, body: String) -> Response {
    match asked::<EndRequest>(&headers, &body, r#"{"sensor": "lid|corner|board"}"#) {
        Ok(request) => wish(&console, Wish::EndOverride(request.sensor)).await,
        Err(why) => bad(why),
    }
}
