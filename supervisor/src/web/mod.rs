//! The dashboards: static files, one stream of snapshots, and a room's history.

mod audit;

pub(crate) use audit::Audits;

use crate::{
    ingest::Asked,
    store::{StoreError, live::Live},
};
use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use jiff::Timestamp;
use rust_embed::RustEmbed;
use serde::Deserialize;
use serde_json::json;
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, StreamExt, wrappers::WatchStream};

#[derive(RustEmbed)]
#[folder = "web"]
struct Assets;

#[derive(Clone)]
pub(crate) struct Dashboards {
    pub(crate) snapshots: watch::Receiver<Arc<str>>,
    /// A reading connection for history; asked seldom, so one at a time is enough.
    pub(crate) history: Arc<Mutex<Live>>,
    pub(crate) audit: Arc<Mutex<Audits>>,
    /// To ask a station for events again.
    pub(crate) ask: mpsc::Sender<Asked>,
}

pub(crate) fn router(dashboards: Dashboards) -> Router {
    Router::new()
        .route("/events", get(events))
        .route("/api/snapshot", get(snapshot))
        .route("/api/rooms/{station}/history", get(history))
        .route("/api/audit", get(audit::audit))
        .route("/api/audit/ask", post(audit::ask))
        .fallback(get(asset))
        .layer(map_response(secured))
        .with_state(dashboards)
}

async fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    response
}

async fn asset(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    match Assets::get(path) {
        Some(file) => ([(header::CONTENT_TYPE, file.metadata.mimetype().to_owned())], file.data).into_response(),
        None => (StatusCode::NOT_FOUND, format!("there is no page {path}")).into_response(),
    }
}

async fn events(State(d): State<Dashboards>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let snapshots = WatchStream::new(d.snapshots)
        .filter(|json| !json.is_empty())
        .map(|json| Ok(Event::default().event("snapshot").data(&*json)));
    Sse::new(snapshots).keep_alive(KeepAlive::default())
}

async fn snapshot(State(d): State<Dashboards>) -> Response {
    let json = d.snapshots.borrow().to_string();
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    #[serde(default = "day")]
    hours: i64,
}

fn day() -> i64 {
    24
}

async fn history(
    State(d): State<Dashboards>,
    Path(station): Path<String>,
    Query(Span { hours }): Query<Span>,
) -> Response {
    if !(1..=24 * 7).contains(&hours) {
        let error = format!("hours = {hours}: 1 to {} are allowed", 24 * 7);
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    }
    let answer = tokio::task::spawn_blocking(move || {
        let live = d.history.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        live.history(&station, hours, Timestamp::now())
    });
    answered(answer.await)
}

/// What the database said, or what is wrong with it.
fn answered<T: serde::Serialize>(answer: Result<Result<T, StoreError>, tokio::task::JoinError>) -> Response {
    let failed = |error: String| (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": error }))).into_response();
    match answer {
        Ok(Ok(found)) => Json(found).into_response(),
        Ok(Err(error)) => failed(error.to_string()),
        Err(error) => failed(error.to_string()),
    }
}
