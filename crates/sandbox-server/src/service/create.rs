//! Making sessions, once for each request.

use std::sync::Arc;

use chrono::Utc;
use tracing::Instrument;

use super::error::{Error, Result};
use super::{NewSession, Service, idempotency, metadata, public_key};
use crate::backend::{Created, Fingerprint, Owner, Page, Query, Record, SessionId, Spec};

impl Service {
    /// Makes a session.
    ///
    /// Without a key, dropping the future leaves no session behind. With one, the session is made to its end and kept
    /// also when nobody waits for it any more: whoever lost the answer asks again with the same key, and gets it then.
    pub(crate) async fn create(
        self: &Arc<Self>,
        owner: &Owner,
        mut new: NewSession,
        key: Option<&str>,
    ) -> Result<Record> {
        metadata::check(&new.metadata)?;
        new.ssh_public_key = new
            .ssh_public_key
            .as_deref()
            .map(public_key::normalised)
            .transpose()?;
        let Some(key) = key else {
            let made = self.make(SessionId::random(), owner, new, None).await?;
            return Ok(made.into_record());
        };
        let (id, request) = (
            idempotency::session_id(owner, key),
            idempotency::fingerprint(&new)?,
        );
        let (service, owner) = (self.clone(), owner.clone());
        let once = async move { service.create_once(id, &owner, new, request).await };
        tokio::spawn(once.in_current_span())
            .await
            .unwrap_or_else(|error| Err(Error::internal().caused_by(error)))
    }

    /// Whoever comes while the session is being made waits for that. When that fails, the next one tries.
    async fn create_once(
        &self,
        id: SessionId,
        owner: &Owner,
        new: NewSession,
        request: Fingerprint,
    ) -> Result<Record> {
        let _guard = self.repeatable.lock(id).await;
        if let Some(record) = self.backend.get(id).await? {
            return self.repeated(record, request);
        }
        if let Some(used) = self.used_keys.request_of(owner, id, Utc::now()) {
            return Err(idempotency::refusal(id, used == request));
        }
        match self.make(id, owner, new, Some(request)).await? {
            Created::New(record) => {
                self.used_keys.remember(&record);
                Ok(record)
            }
            // Another server of the same place was faster.
            Created::Existing(record) => self.repeated(record, request),
        }
    }

    /// The answer to a repeated request.
    fn repeated(&self, record: Record, request: Fingerprint) -> Result<Record> {
        let same = record.request == Some(request);
        if same && !record.is_expired(Utc::now()) {
            Ok(self.activity.complete(record))
        } else {
            Err(idempotency::refusal(record.id, same))
        }
    }

    async fn make(
        &self,
        id: SessionId,
        owner: &Owner,
        new: NewSession,
        request: Option<Fingerprint>,
    ) -> Result<Created> {
        let spec = Spec {
            owner: owner.clone(),
            image: self.images.resolve(new.image.as_deref())?,
            ttl: new.ttl,
            metadata: new.metadata,
            ssh_public_key: new.ssh_public_key,
            request,
        };
        let _place = self
            .places
            .take(&*self.backend, self.bounds.sessions, owner, id)
            .await?;
        let created = self.backend.create(id, &spec).await?;
        self.connections.connect_ahead(&self.backend, id);
        Ok(created)
    }

    /// Learns the keys that made the sessions there are, so that they are known to be used when these have ended.
    pub(crate) async fn recall_keys(&self) -> Result<()> {
        let living = self.backend.list(&Query::default(), Page::ALL).await?;
        for record in &living.records {
            self.used_keys.remember(record);
        }
        Ok(())
    }
}
