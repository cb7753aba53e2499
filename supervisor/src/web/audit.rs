//! The proof that no event is missing, and asking for one again.

use super::{Dashboards, answered};
use crate::store::{StoreError, audit::Auditor};
use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use platen_protocol::uplink::{Command, StationId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Whoever asked while it was counted gets what was found then.
const FRESH: Duration = Duration::from_secs(1);

/// Counts all events; the latest result, and when it was ready.
#[derive(Debug)]
pub(crate) struct Audits {
    auditor: Auditor,
    latest: Option<(Instant, Value)>,
}

impl Audits {
    pub(crate) fn new(auditor: Auditor) -> Self {
        Self { auditor, latest: None }
    }

    fn latest(&mut self, asked: Instant) -> Result<Value, StoreError> {
        if let Some((ready, audit)) = &self.latest
            && *ready + FRESH >= asked
        {
            return Ok(audit.clone());
        }
        let audit = json!(self.auditor.audit(Timestamp::now())?);
        self.latest = Some((Instant::now(), audit.clone()));
        Ok(audit)
    }
}

pub(super) async fn audit(State(d): State<Dashboards>) -> Response {
    let asked = Instant::now();
    let answer = tokio::task::spawn_blocking(move || {
        d.audit.lock().unwrap_or_else(std::sync::PoisonError::into_inner).latest(asked)
    });
    answered(answer.await)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    station: StationId,
    epoch: String,
    from: u64,
    to: u64,
}

pub(super) async fn ask(State(d): State<Dashboards>, headers: HeaderMap, body: Bytes) -> Response {
    let refuse = |status: StatusCode, error: String| (status, Json(json!({ "error": error }))).into_response();
    // A page of another origin cannot set this header.
    if !headers.contains_key("x-platen") {
        return refuse(StatusCode::FORBIDDEN, "the header X-Platen is missing".into());
    }
    let Range { station, epoch, from, to } = match serde_json::from_slice(&body) {
        Ok(range) => range,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.to_string()),
    };
    if from == 0 || from > to {
        return refuse(StatusCode::BAD_REQUEST, format!("from = {from}, to = {to}: 1 or more, and in order"));
    }
    let current = {
        let (audits, station) = (d.audit.clone(), station.to_string());
        tokio::task::spawn_blocking(move || {
            audits.lock().unwrap_or_else(std::sync::PoisonError::into_inner).auditor.epoch_of(&station)
        })
    };
    match current.await {
        Ok(Ok(Some(current))) if current == epoch => {}
        Ok(Ok(current)) => {
            let now =
                current.map_or("was not heard yet".into(), |current| format!("numbers its events in epoch {current}"));
            return refuse(
                StatusCode::CONFLICT,
                format!("epoch = {epoch:?}: the station {now}; of others it has none to send"),
            );
        }
        Ok(Err(error)) => return refuse(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(error) => return refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
    match d.ask.try_send((station, Command::Resend { epoch, seq: from, to: Some(to) })) {
        Ok(()) => (StatusCode::ACCEPTED, Json(json!({}))).into_response(),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "too much is asked for already; try again".into()),
    }
}
