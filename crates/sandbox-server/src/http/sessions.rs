//! `/sessions`: their life.

use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use sandbox_api::bounded::BoundedU32;
use sandbox_api::open::SessionStatus;
use sandbox_api::types as wire;

use super::App;
use super::caller::Caller;
use super::error::ApiError;
use super::idempotency_key::IdempotencyKey;
use super::json::OptionalJson;
use super::query::Query;
use super::session_path::SessionPath;
use crate::backend::{self, Page, Record};
use crate::service::NewSession;

const DEFAULT_LIMIT: u32 = 50;

pub(super) async fn create(
    Caller(owner): Caller,
    State(app): State<App>,
    key: IdempotencyKey,
    OptionalJson(request): OptionalJson<wire::CreateSessionRequest>,
) -> Result<(IdempotencyKey, Json<wire::Session>), ApiError> {
    let new = NewSession {
        ttl: Duration::from_secs(request.ttl.get().into()),
        image: request.image.map(Into::into),
        metadata: request.metadata.unwrap_or_default(),
        ssh_public_key: request.ssh_public_key.map(Into::into),
    };
    let record = app.service.create(&owner, new, key.as_str()).await?;
    Ok((key, Json(session(record))))
}

pub(super) async fn list(
    Caller(owner): Caller,
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<wire::SessionList>, ApiError> {
    let mut query = Query::parse(query.as_deref(), &["limit", "offset"])?;
    let limit = query
        .optional::<BoundedU32<1, 100>>("limit")?
        .map_or(DEFAULT_LIMIT, BoundedU32::get);
    let offset = query
        .optional::<BoundedU32<0, { u32::MAX }>>("offset")?
        .map_or(0, BoundedU32::get);
    let listing = app
        .service
        .list(
            &owner,
            Page {
                offset: offset.into(),
                limit,
            },
        )
        .await?;
    let sessions = listing.records.into_iter().map(session).collect();
    Ok(Json(wire::SessionList {
        sessions,
        total: listing.total,
        limit,
        offset,
    }))
}

pub(super) async fn get(
    Caller(owner): Caller,
    State(app): State<App>,
    SessionPath(id): SessionPath,
) -> Result<Json<wire::Session>, ApiError> {
    Ok(Json(session(app.service.get(&owner, id).await?)))
}

pub(super) async fn delete(
    Caller(owner): Caller,
    State(app): State<App>,
    SessionPath(id): SessionPath,
) -> Result<Json<wire::Message>, ApiError> {
    app.service.delete(&owner, id).await?;
    Ok(Json(wire::Message {
        message: "session deleted".to_owned(),
    }))
}

pub(super) async fn pause(
    Caller(owner): Caller,
    State(app): State<App>,
    SessionPath(id): SessionPath,
) -> Result<Json<wire::Session>, ApiError> {
    Ok(Json(session(app.service.pause(&owner, id).await?)))
}

pub(super) async fn resume(
    Caller(owner): Caller,
    State(app): State<App>,
    SessionPath(id): SessionPath,
) -> Result<Json<wire::Session>, ApiError> {
    Ok(Json(session(app.service.resume(&owner, id).await?)))
}

fn session(record: Record) -> wire::Session {
    wire::Session {
        session_id: record.id.as_uuid(),
        status: match record.state {
            backend::State::Running => SessionStatus::Running,
            backend::State::Paused => SessionStatus::Paused,
        },
        created_at: record.created_at,
        expires_at: record.expires_at,
        last_activity_at: record.last_activity_at,
        metadata: Some(record.metadata),
        image: Some(record.image.name),
        ssh_host_key: Some(record.ssh_host_key),
        extra: serde_json::Map::new(),
    }
}
