//! What translates: HTTP in, HTTP out, and nothing decided in between.

mod boundary;
mod caller;
mod drain;
mod error;
mod execution;
mod files;
mod form;
mod heartbeat;
mod idempotency_key;
mod json;
mod listener;
mod panics;
mod query;
mod session_path;
mod sessions;
mod tunnel;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use http::{Method, StatusCode, Uri};
use sandbox_api::open::HealthStatus;
use sandbox_api::types as wire;

use self::error::ApiError;
use crate::service::Service;

pub(crate) use self::caller::Callers;
pub(crate) use self::listener::Listener;

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) service: Arc<Service>,
    pub(crate) callers: Arc<Callers>,
}

/// The path below which the API is.
pub(crate) const BASE: &str = "/v1";

/// Every route of the API.
pub(crate) fn router(app: App) -> Router {
    let api = Router::new()
        .route("/sessions", post(sessions::create).get(sessions::list))
        .route(
            "/sessions/{sessionId}",
            get(sessions::get).delete(sessions::delete),
        )
        .route("/sessions/{sessionId}/pause", post(sessions::pause))
        .route("/sessions/{sessionId}/resume", post(sessions::resume))
        .route("/sessions/{sessionId}/code", post(execution::code))
        .route("/sessions/{sessionId}/commands", post(execution::command))
        .route(
            "/sessions/{sessionId}/files",
            post(files::upload).get(files::download),
        );
    let counted = Router::new()
        .nest(BASE, api)
        .fallback(|uri: Uri| async move { unknown_route(&uri) })
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), tunnel::intercept))
        .layer(middleware::from_fn(panics::catch))
        .layer(middleware::from_fn_with_state(app.clone(), caller::admit));
    Router::new()
        .route("/health", get(health))
        .route(&format!("{BASE}/health"), get(health))
        .method_not_allowed_fallback(wrong_method)
        .merge(counted)
        // Each handler that reads a body has its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(boundary::boundary))
        .with_state(app)
}

async fn health() -> Json<wire::Health> {
    Json(wire::Health {
        status: HealthStatus::Healthy,
    })
}

fn unknown_route(uri: &Uri) -> ApiError {
    let path: String = uri.path().chars().take(128).collect();
    ApiError::new(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        format!("there is nothing at {path:?}"),
    )
}

async fn wrong_method(method: Method) -> ApiError {
    let method: String = method.as_str().chars().take(32).collect();
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        format!("{method} is not allowed here"),
    )
}
