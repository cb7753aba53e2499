//! The operator's page: a web server on this machine only. It shows the agent's view and passes wishes on.

mod overriding;

use crate::{
    agent::{Command, No, Wish},
    batch::BatchName,
    persons::Persons,
    view::{Preview, View},
};
use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, map_response},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use rust_embed::RustEmbed;
use serde::Deserialize;
use serde_json::json;
use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::{Stream, StreamExt, wrappers::WatchStream};

#[derive(RustEmbed)]
#[folder = "web"]
struct Assets;

/// What the page reaches.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) view: watch::Receiver<Option<View>>,
    pub(crate) preview: watch::Receiver<Preview>,
    pub(crate) plans: PathBuf,
    pub(crate) persons: Arc<Mutex<Persons>>,
}

pub(crate) fn router(console: Console) -> Router {
    let actions = Router::new()
        .route("/api/start", post(start))
        .route("/api/cancel", post(cancel))
        .route("/api/open", post(open))
        .route("/api/close", post(close))
        .route("/api/override", post(overriding::begin))
        .route("/api/override/end", post(overriding::end))
        .layer(axum::middleware::from_fn(own_page_only));
    Router::new()
        .route("/events", get(events))
        .route("/api/view", get(view))
        .route("/preview/{name}", get(preview))
        .merge(actions)
        .fallback(get(asset))
        .layer(map_response(secured))
        .with_state(console)
}

/// Another page in the operator's browser cannot set this header without being asked for permission first.
async fn own_page_only(request: Request, next: Next) -> Response {
    if request.headers().contains_key("x-platen") {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, Json(json!({ "error": "the header X-Platen: 1 is missing" }))).into_response()
}

async fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, header::HeaderValue::from_static("default-src 'self'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
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

async fn events(State(console): State<Console>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let views = WatchStream::new(console.view).filter_map(|view| {
        let json = serde_json::to_string(&view?).ok()?;
        Some(Ok(Event::default().event("view").data(json)))
    });
    Sse::new(views).keep_alive(KeepAlive::default())
}

async fn view(State(console): State<Console>) -> Response {
    match console.view.borrow().clone() {
        Some(view) => Json(view).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "the station is starting" }))).into_response(),
    }
}

async fn preview(State(console): State<Console>, Path(name): Path<String>) -> Response {
    let preview = console.preview.borrow().clone();
    if preview.name != name {
        return (StatusCode::NOT_FOUND, "only the last page's picture is kept").into_response();
    }
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "no-store")];
    (headers, preview.jpeg.to_vec()).into_response()
}

async fn start(State(console): State<Console>) -> Response {
    wish(&console, Wish::Start).await
}

async fn cancel(State(console): State<Console>) -> Response {
    wish(&console, Wish::Cancel).await
}

async fn close(State(console): State<Console>) -> Response {
    wish(&console, Wish::Close).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenRequest {
    batch: String,
}

async fn open(State(console): State<Console>, headers: HeaderMap, body: String) -> Response {
    let request: OpenRequest = match asked(&headers, &body, "{\"batch\": \"LARGE/SMALL\"}") {
        Ok(request) => request,
        Err(why) => return bad(why),
    };
    let batch: BatchName = match request.batch.parse() {
        Ok(batch) => batch,
        Err(why) => return bad(why),
    };
    let folder = console.plans.clone();
    // A folder may hold a year's plans, and a disk may be slow.
    let Ok((plans, no_plans)) = tokio::task::spawn_blocking(move || crate::agent::load_plans(&folder)).await else {
        return bad("the plans could not be read".into());
    };
    if let Some(plan) = plans.into_iter().find(|plan| plan.batch == batch) {
        return wish(&console, Wish::Open(plan)).await;
    }
    let file = console.plans.join(format!("{batch}.csv"));
    bad(match no_plans.into_iter().find(|no_plan| no_plan.file == file) {
        Some(no_plan) => format!("{} cannot be used: {}", file.display(), no_plan.why),
        None => format!("there is no plan {batch}.csv below {}", console.plans.display()),
    })
}

fn bad(why: String) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": why }))).into_response()
}

/// Reads a request's body.
fn asked<T: serde::de::DeserializeOwned>(headers: &HeaderMap, body: &str, wanted: &str) -> Result<T, String> {
    if headers.get(header::CONTENT_TYPE).is_none_or(|t| !t.as_bytes().starts_with(b"application/json")) {
        return Err("Content-Type must be application/json".into());
    }
    serde_json::from_str(body).map_err(|e| format!("{e}; wanted: {wanted}"))
}

async fn wish(console: &Console, wish: Wish) -> Response {
    let (answer, answered) = oneshot::channel();
    let asked = console.commands.send((wish, answer)).await;
    match (asked, answered.await) {
        (Ok(()), Ok(Ok(()))) => Json(json!({})).into_response(),
        (Ok(()), Ok(Err(No::Held(refused)))) => {
            (StatusCode::CONFLICT, Json(json!({ "refused": refused }))).into_response()
        }
        (Ok(()), Ok(Err(No::Complete(batch)))) => {
            let error = format!("batch {batch} is complete already");
            (StatusCode::CONFLICT, Json(json!({ "error": error }))).into_response()
        }
        (Ok(()), Ok(Err(No::Because(error)))) => {
            (StatusCode::CONFLICT, Json(json!({ "error": error }))).into_response()
        }
        (Err(_), _) | (_, Err(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "the station is stopping" }))).into_response()
        }
    }
}
