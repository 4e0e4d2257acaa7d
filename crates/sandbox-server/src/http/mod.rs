//! What translates: HTTP in, HTTP out, and nothing decided in between.

mod boundary;
mod caller;
mod drain;
mod error;
mod execution;
mod files;
mod form;
mod half_open;
mod heartbeat;
mod idempotency_key;
mod json;
mod listener;
mod panics;
mod query;
mod session_path;
mod sessions;
mod tunnel;
mod turn_away;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{Method, StatusCode, Uri};
use sandbox_api::open::HealthStatus;
use sandbox_api::types as wire;
use tower::ServiceExt;

use self::error::ApiError;
use crate::service::Service;

pub(crate) use self::caller::Callers;
pub(crate) use self::listener::{Listener, ListenerConfig};

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) service: Arc<Service>,
    pub(crate) callers: Arc<Callers>,
}

/// The path below which the API is.
pub(crate) const BASE: &str = "/v1";

/// Where nothing is counted.
const HEALTH: [&str; 2] = ["/health", "/v1/health"];

/// What answers requests.
#[derive(Clone)]
pub(crate) struct Api {
    app: App,
    router: Router,
}

impl Api {
    pub(crate) fn new(app: App) -> Self {
        let router = router(app.clone());
        Self { app, router }
    }

    /// What is done for every request is done here, around all routes: a layer would be copied with each route that it
    /// is put around, for each request.
    async fn answer(self, request: Request) -> Response {
        let Self { app, router } = self;
        boundary::boundary(request, |request| async move {
            if HEALTH.contains(&request.uri().path()) {
                return routed(router, request).await;
            }
            caller::admit(&app.callers, request, |request| {
                panics::catch(async {
                    match *request.method() {
                        Method::CONNECT => tunnel::connect(&app, request).await,
                        _ => routed(router, request).await,
                    }
                })
            })
            .await
        })
        .await
    }
}

async fn routed(router: Router, request: Request) -> Response {
    let Ok(response) = router.oneshot(request).await;
    response
}

/// Every route of the API.
fn router(app: App) -> Router {
    let below = |path: &str| format!("{BASE}{path}");
    HEALTH
        .iter()
        .fold(Router::new(), |router, path| router.route(path, get(health)))
        .route(&below("/sessions"), post(sessions::create).get(sessions::list))
        .route(
            &below("/sessions/{sessionId}"),
            get(sessions::get).delete(sessions::delete),
        )
        .route(&below("/sessions/{sessionId}/pause"), post(sessions::pause))
        .route(&below("/sessions/{sessionId}/resume"), post(sessions::resume))
        .route(&below("/sessions/{sessionId}/code"), post(execution::code))
        .route(&below("/sessions/{sessionId}/commands"), post(execution::command))
        .route(
            &below("/sessions/{sessionId}/files"),
            // Each handler that reads a body has its own limit.
            post(files::upload.layer(DefaultBodyLimit::disable())).get(files::download),
        )
        .fallback(|uri: Uri| async move { unknown_route(&uri) })
        .method_not_allowed_fallback(wrong_method)
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
