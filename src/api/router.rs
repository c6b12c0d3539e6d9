//! The routes of the operations listener.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics::gauge;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::{
    code,
    destination::{counts_and_pauses_json, destinations_json},
    view::{act_json, message_json, storage_json, summary_json},
};
use crate::{
    base::{Clock, Code},
    catalog::Catalog,
    pipeline::Pressure,
    store::{DeliveryCount, DeliveryState, MessageFilter, NOT_FOUND, PauseKind, Standing, Store, StoreError},
    telemetry::{Metrics, metric},
};

/// What the operations listener shows.
#[derive(Clone)]
pub struct Operations {
    /// The journal.
    pub store: Arc<dyn Store>,
    /// The numbers; `None` in tests that run several hubs in one process.
    pub metrics: Option<Metrics>,
    /// What intake listens to.
    pub pressure: Pressure,
    /// The content in force.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// `/livez`, `/readyz`, `/metrics`, `/api/v1/…`.
pub fn router(operations: Operations) -> Router {
    Router::new()
        .route("/livez", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .route("/api/v1/storage", get(storage))
        .route("/api/v1/counts", get(counts))
        .route("/api/v1/acts", get(acts))
        .route("/api/v1/destinations", get(destinations))
        .route("/api/v1/messages", get(messages))
        .route("/api/v1/messages/{id}", get(message))
        .fallback(unknown_path)
        .with_state(operations)
}

async fn ready(State(operations): State<Operations>) -> Response {
    let failed = operations.store.failed().borrow().clone();
    match failed {
        None => {
            let mut body = storage_json(&operations.pressure);
            if operations.pressure.closed().is_none() {
                body["status"] = json!("ok");
                return Json(body).into_response();
            }
            body["status"] = json!("closed");
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
        Some(problem) => {
            let body = json!({"status": "failed", "code": problem.code.id, "detail": problem.text});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

async fn storage(State(operations): State<Operations>) -> Response {
    Json(storage_json(&operations.pressure)).into_response()
}

async fn metrics_text(State(operations): State<Operations>, uri: Uri) -> Response {
    let Some(metrics) = &operations.metrics else { return StatusCode::NOT_FOUND.into_response() };
    gauge!(metric::INTAKE_OPEN).set(if operations.pressure.closed().is_none() { 1.0 } else { 0.0 });
    let store = &operations.store;
    let read = async { Ok((store.counts().await?, store.pauses().await?)) };
    match read.await {
        Ok((counts, pauses)) => {
            let catalog = operations.catalog.borrow().clone();
            for system in catalog.systems().filter(|system| system.sink.is_some()) {
                for kind in PauseKind::ALL {
                    let paused = pauses.iter().any(|pause| (&pause.destination, pause.kind) == (&system.id, *kind));
                    let labels = [("destination", system.id.clone()), ("kind", kind.as_str().to_owned())];
                    gauge!(metric::PAUSED, &labels).set(if paused { 1.0 } else { 0.0 });
                }
            }
            gauge!(metric::UNACCOUNTED).set(number(counts.unaccounted));
            // Every state, also one that fell to none: a gauge keeps what it was told last.
            let rows = &counts.deliveries;
            let places: BTreeSet<_> = rows.iter().map(|row| (&row.route, &row.destination)).collect();
            for (route, destination) in places {
                for state in DeliveryState::ALL {
                    let here = |row: &&DeliveryCount| {
                        (&row.route, &row.destination, row.state) == (route, destination, *state)
                    };
                    let count = rows.iter().find(here).map_or(0, |row| row.count);
                    let labels = [
                        ("route", route.clone()),
                        ("destination", destination.clone()),
                        ("state", state.as_str().to_owned()),
                    ];
                    gauge!(metric::DELIVERIES, &labels).set(number(count));
                }
            }
        }
        Err(error) => return problem(&error, &uri),
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()).into_response()
}

/// Gauges are doubles by Prometheus' definition; counts stay exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
fn number(count: u64) -> f64 {
    count as f64
}

async fn counts(State(operations): State<Operations>, uri: Uri) -> Response {
    let store = &operations.store;
    let read = async { Ok((store.counts().await?, store.pauses().await?)) };
    match read.await {
        Ok((counts, pauses)) => Json(counts_and_pauses_json(&counts, &pauses)).into_response(),
        Err(error) => problem(&error, &uri),
    }
}

async fn destinations(State(operations): State<Operations>, uri: Uri) -> Response {
    let store = &operations.store;
    let read = async { Ok((store.counts().await?, store.pauses().await?)) };
    match read.await {
        Ok((counts, pauses)) => {
            let catalog = operations.catalog.borrow().clone();
            let listed = destinations_json(&catalog, &counts, &pauses, operations.clock.now());
            Json(json!({"destinations": listed})).into_response()
        }
        Err(error) => problem(&error, &uri),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActsQuery {
    before: Option<i64>,
    limit: Option<usize>,
}

async fn acts(
    State(operations): State<Operations>,
    uri: Uri,
    query: Result<Query<ActsQuery>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return refuse(400, code::BAD_QUERY, &rejection.body_text(), &uri),
    };
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    match operations.store.acts(query.before, limit).await {
        Ok(acts) => {
            let next = acts.last().filter(|_| acts.len() == limit).map(|last| last.seq);
            Json(json!({"items": acts.iter().map(act_json).collect::<Vec<_>>(), "next_before": next})).into_response()
        }
        Err(error) => problem(&error, &uri),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    system: Option<String>,
    #[serde(rename = "type")]
    document_type: Option<String>,
    key: Option<String>,
    text: Option<String>,
    #[serde(alias = "held")]
    cause: Option<String>,
    route: Option<String>,
    destination: Option<String>,
    state: Option<String>,
    cursor: Option<i64>,
    limit: Option<usize>,
}

async fn messages(
    State(operations): State<Operations>,
    uri: Uri,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return refuse(400, code::BAD_QUERY, &rejection.body_text(), &uri),
    };
    let standing = match query.state.as_deref().map(|state| (state, Standing::parse(state))) {
        None => None,
        Some((_, Some(standing))) => Some(standing),
        Some((state, None)) => {
            return refuse(400, code::BAD_QUERY, &format!("there is no state `{state}`"), &uri);
        }
    };
    let filter = MessageFilter {
        system: query.system,
        document_type: query.document_type,
        business_key: query.key,
        text: query.text,
        held: query.cause,
        route: query.route,
        destination: query.destination,
        standing,
        ..MessageFilter::default()
    };
    match operations.store.messages(&filter, query.cursor, query.limit.unwrap_or(50).clamp(1, 200)).await {
        Ok(page) => {
            let items: Vec<_> = page.items.iter().map(summary_json).collect();
            Json(json!({"items": items, "next_cursor": page.next})).into_response()
        }
        Err(error) => problem(&error, &uri),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    #[serde(default)]
    content: bool,
}

async fn message(
    State(operations): State<Operations>,
    Path(id): Path<String>,
    uri: Uri,
    query: Result<Query<ShowQuery>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return refuse(400, code::BAD_QUERY, &rejection.body_text(), &uri),
    };
    match operations.store.message(&id).await {
        Ok(Some(view)) => {
            let catalog = operations.catalog.borrow().clone();
            Json(message_json(&view, query.content, Some(&catalog))).into_response()
        }
        Ok(None) => refuse(404, NOT_FOUND, "there is no message or delivery of this id", &uri),
        Err(error) => problem(&error, &uri),
    }
}

async fn unknown_path(uri: Uri) -> Response {
    refuse(404, code::UNKNOWN_PATH, "health, metrics and messages are shown here, but nothing at this path", &uri)
}

fn problem(error: &StoreError, uri: &Uri) -> Response {
    let problem = error.problem();
    refuse(503, problem.code, &problem.text, uri)
}

/// A problem document (RFC 9457).
fn refuse(status: u16, code: Code, detail: &str, uri: &Uri) -> Response {
    let body = json!({
        "type": format!("urn:crossdock:error:{}", code.id),
        "title": code.title,
        "status": status,
        "detail": detail,
        "instance": uri.path(),
        "code": code.id,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
