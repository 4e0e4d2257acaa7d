//! Requests that may be repeated.
//!
//! A key and its owner name the session that the first request with it makes. What is asked of whom has answered it is
//! therefore no more than whether that session is there, which the backend knows, also after a restart. Of sessions
//! that have ended it knows nothing; that their keys were used is remembered here, as long as this server runs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::NewSession;
use super::error::{Error, ErrorKind, Result};
use crate::backend::{Fingerprint, Owner, Record, SessionId};

/// How long a key stays used after its session was made. No session lives as long.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// How many used keys are remembered of each owner: about a megabyte. Of more than these the oldest are forgotten; a
/// request that is repeated is repeated within minutes.
const KEYS_PER_OWNER: usize = 10_000;

/// The name of the session that a key of this owner makes.
pub(super) fn session_id(owner: &Owner, key: &str) -> SessionId {
    SessionId::from_digest(digest("session", &[owner.to_string().as_bytes(), key.as_bytes()]))
}

/// Equal for requests that ask for the same session: white space, the order of names and the defaults of the API, filled
/// in or left out, do not matter. The default image is the server's and not the API's, so it is another request to
/// name it.
///
/// Fingerprints are written down: a change of this makes the keys of sessions that are alive look used for another
/// request.
pub(super) fn fingerprint(new: &NewSession) -> Result<Fingerprint> {
    #[derive(Serialize)]
    struct Canonical<'a> {
        ttl: Duration,
        image: Option<&'a str>,
        metadata: &'a Map<String, Value>,
        ssh_public_key: Option<&'a str>,
    }
    let canonical = Canonical {
        ttl: new.ttl,
        image: new.image.as_deref(),
        metadata: &new.metadata,
        ssh_public_key: new.ssh_public_key.as_deref(),
    };
    let text = serde_json::to_value(canonical).and_then(|mut value| {
        value.sort_all_objects();
        serde_json::to_vec(&value)
    });
    let text = text.map_err(|error| Error::internal().caused_by(error))?;
    Ok(Fingerprint::from_digest(digest("request", &[&text])))
}

/// Why a key makes no session: the one it made has ended, or was asked for otherwise.
pub(super) fn refusal(id: SessionId, same_request: bool) -> Error {
    if same_request {
        let message = format!("session {id}, which this key created, has ended");
        Error::new(ErrorKind::SessionEnded, message)
    } else {
        let message = "the idempotency key was used with another body";
        Error::new(ErrorKind::IdempotencyKeyReused, message)
    }
}

/// Of parts that each count with their lengths: two lists of parts never read as one.
fn digest(purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    short
}

/// The keys that have made sessions, as the names of these.
#[derive(Debug, Default)]
pub(super) struct UsedKeys(Mutex<HashMap<Owner, OwnersKeys>>);

#[derive(Debug, Default)]
struct OwnersKeys {
    uses: HashMap<SessionId, Use>,
    /// The oldest first.
    order: VecDeque<SessionId>,
}

#[derive(Debug, Clone, Copy)]
struct Use {
    request: Fingerprint,
    until: DateTime<Utc>,
}

impl UsedKeys {
    /// Remembers the key that made this session, if one did.
    pub(super) fn remember(&self, record: &Record) {
        let Some(request) = record.request else { return };
        let until = record.created_at + REMEMBERED;
        self.owners()
            .entry(record.owner.clone())
            .or_default()
            .insert(record.id, Use { request, until });
    }

    /// The request for which a key made the session of this name; `None` for a key that is not used, or no more.
    pub(super) fn request_of(&self, owner: &Owner, id: SessionId, now: DateTime<Utc>) -> Option<Fingerprint> {
        let owners = self.owners();
        let found = owners.get(owner)?.uses.get(&id)?;
        (now < found.until).then_some(found.request)
    }

    /// Forgets what was remembered long enough.
    pub(super) fn forget_old(&self, now: DateTime<Utc>) {
        self.owners().retain(|_, keys| {
            keys.forget_old(now);
            !keys.uses.is_empty()
        });
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<Owner, OwnersKeys>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnersKeys {
    fn insert(&mut self, id: SessionId, used: Use) {
        if self.uses.insert(id, used).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > KEYS_PER_OWNER {
            self.forget_oldest();
        }
    }

    fn forget_old(&mut self, now: DateTime<Utc>) {
        let is_old = |keys: &Self| {
            let oldest = keys.order.front().and_then(|id| keys.uses.get(id));
            oldest.is_some_and(|oldest| oldest.until <= now)
        };
        while is_old(self) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.uses.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::backend::{Image, Revision, State};

    fn new(body: &str) -> NewSession {
        let body: Value = serde_json::from_str(body).unwrap();
        NewSession {
            ttl: Duration::from_secs(body["ttl"].as_u64().unwrap_or(3600)),
            image: body["image"].as_str().map(str::to_owned),
            metadata: body["metadata"].as_object().cloned().unwrap_or_default(),
            ssh_public_key: None,
        }
    }

    fn record(owner: &Owner, key: &str, created_at: DateTime<Utc>) -> Record {
        Record {
            id: session_id(owner, key),
            owner: owner.clone(),
            image: Image {
                name: "host".to_owned(),
                reference: "host".to_owned(),
            },
            metadata: Map::new(),
            ssh_public_key: None,
            ssh_host_key: String::new(),
            request: Some(fingerprint(&new("{}")).unwrap()),
            created_at,
            expires_at: created_at + TimeDelta::hours(1),
            last_activity_at: None,
            state: State::Running,
            revision: Revision::FIRST,
        }
    }

    #[test]
    fn a_key_and_its_owner_name_one_session() {
        let (alice, bob) = (Owner::new("alice"), Owner::new("bob"));
        assert_eq!(session_id(&alice, "k"), session_id(&alice, "k"));
        assert_ne!(session_id(&alice, "k"), session_id(&bob, "k"));
        assert_ne!(session_id(&alice, "k"), session_id(&alice, "K"));
        assert_ne!(
            session_id(&Owner::new("ab"), "c"),
            session_id(&Owner::new("a"), "bc")
        );
    }

    #[test]
    fn the_way_a_request_is_written_does_not_matter() {
        let one = r#"{"metadata": {"a": 1, "b": {"d": [1, 2], "c": null}}, "ttl": 3600}"#;
        let other = r#"{"metadata":{"b":{"c":null,"d":[1,2]},"a":1}}"#;
        assert_eq!(fingerprint(&new(one)).unwrap(), fingerprint(&new(other)).unwrap());
    }

    #[test]
    fn what_a_request_asks_for_does() {
        let bodies = [
            json!({}),
            json!({"ttl": 60}),
            json!({"image": "host"}),
            json!({"metadata": {"a": [1, 2]}}),
            json!({"metadata": {"a": [2, 1]}}),
            json!({"metadata": {"a": "1"}}),
        ];
        let mut seen: Vec<Fingerprint> = Vec::new();
        for body in bodies {
            let fingerprint = fingerprint(&new(&body.to_string())).unwrap();
            assert!(!seen.contains(&fingerprint), "{body}");
            seen.push(fingerprint);
        }
    }

    #[test]
    fn a_key_is_free_again_after_a_day() {
        let (keys, alice, now) = (UsedKeys::default(), Owner::new("alice"), Utc::now());
        let made = record(&alice, "k", now);
        keys.remember(&made);
        let last = now + REMEMBERED - TimeDelta::milliseconds(1);
        assert_eq!(keys.request_of(&alice, made.id, last), made.request);
        assert_eq!(keys.request_of(&alice, made.id, now + REMEMBERED), None);
        keys.forget_old(last);
        assert_eq!(keys.owners().len(), 1);
        keys.forget_old(now + REMEMBERED);
        assert!(keys.owners().is_empty());
    }

    #[test]
    fn no_owner_makes_the_server_remember_without_end() {
        let (keys, alice, now) = (UsedKeys::default(), Owner::new("alice"), Utc::now());
        let bobs = record(&Owner::new("bob"), "0", now);
        keys.remember(&bobs);
        for n in 0..=KEYS_PER_OWNER {
            keys.remember(&record(&alice, &n.to_string(), now));
        }
        let known = |n: usize| keys.request_of(&alice, session_id(&alice, &n.to_string()), now);
        assert!(known(0).is_none() && known(1).is_some() && known(KEYS_PER_OWNER).is_some());
        assert_eq!(keys.owners()[&alice].order.len(), KEYS_PER_OWNER);
        assert!(keys.request_of(&bobs.owner, bobs.id, now).is_some());
    }
}
