//! The routes of the operations listener.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics::gauge;
use serde::Deserialize;
use serde_json::json;

use super::view::{counts_json, message_json, summary_json};
use crate::{
    store::{DeliveryState, MessageFilter, MessageState, Store, StoreError},
    telemetry::{Metrics, metric},
};

/// What the operations listener shows.
#[derive(Clone)]
pub struct Operations {
    /// The journal.
    pub store: Arc<dyn Store>,
    /// The numbers; `None` in tests that run several hubs in one process.
    pub metrics: Option<Metrics>,
}

/// `/livez`, `/readyz`, `/metrics`, `/api/v1/…`.
pub fn router(operations: Operations) -> Router {
    Router::new()
        .route("/livez", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .route("/api/v1/counts", get(counts))
        .route("/api/v1/messages", get(messages))
        .route("/api/v1/messages/{id}", get(message))
        .with_state(operations)
}

async fn ready(State(operations): State<Operations>) -> Response {
    let failed = operations.store.failed().borrow().clone();
    match failed {
        None => Json(json!({"status": "ok"})).into_response(),
        Some(problem) => {
            let body = json!({"status": "failed", "code": problem.code.id, "detail": problem.text});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

async fn metrics_text(State(operations): State<Operations>) -> Response {
    let Some(metrics) = &operations.metrics else { return StatusCode::NOT_FOUND.into_response() };
    match operations.store.counts().await {
        Ok(counts) => {
            gauge!(metric::UNACCOUNTED).set(number(counts.unaccounted));
            for row in &counts.deliveries {
                let labels = [
                    ("route", row.route.clone()),
                    ("destination", row.destination.clone()),
                    ("state", row.state.as_str().to_owned()),
                ];
                gauge!(metric::DELIVERIES, &labels).set(number(row.count));
            }
        }
        Err(error) => return problem(&error),
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()).into_response()
}

/// Gauges are doubles by Prometheus' definition; counts stay exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
fn number(count: u64) -> f64 {
    count as f64
}

async fn counts(State(operations): State<Operations>) -> Response {
    match operations.store.counts().await {
        Ok(counts) => Json(counts_json(&counts)).into_response(),
        Err(error) => problem(&error),
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
    state: Option<String>,
    cursor: Option<i64>,
    limit: Option<usize>,
}

async fn messages(State(operations): State<Operations>, Query(query): Query<ListQuery>) -> Response {
    let mut filter = MessageFilter {
        system: query.system,
        document_type: query.document_type,
        business_key: query.key,
        text: query.text,
        ..MessageFilter::default()
    };
    if let Some(state) = &query.state {
        filter.delivery_state = DeliveryState::parse(state).filter(|_| state != "parked");
        filter.state = MessageState::parse(state);
        if filter.state.is_none() && filter.delivery_state.is_none() {
            let body =
                json!({"title": "unknown state", "status": 400, "detail": format!("there is no state `{state}`")});
            return (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, PROBLEM)], Json(body)).into_response();
        }
    }
    match operations.store.messages(&filter, query.cursor, query.limit.unwrap_or(50).clamp(1, 200)).await {
        Ok(page) => {
            let items: Vec<_> = page.items.iter().map(summary_json).collect();
            Json(json!({"items": items, "next_cursor": page.next})).into_response()
        }
        Err(error) => problem(&error),
    }
}

#[derive(Deserialize)]
struct ShowQuery {
    #[serde(default)]
    content: bool,
}

async fn message(
    State(operations): State<Operations>,
    Path(id): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Response {
    match operations.store.message(&id).await {
        Ok(Some(view)) => Json(message_json(&view, query.content)).into_response(),
        Ok(None) => {
            let body = json!({"title": "not found", "status": 404, "detail": "there is no such message or delivery"});
            (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, PROBLEM)], Json(body)).into_response()
        }
        Err(error) => problem(&error),
    }
}

const PROBLEM: &str = "application/problem+json";

fn problem(error: &StoreError) -> Response {
    let problem = error.problem();
    let body = json!({"title": problem.code.title, "status": 503, "code": problem.code.id, "detail": problem.text});
    (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, PROBLEM)], Json(body)).into_response()
}
