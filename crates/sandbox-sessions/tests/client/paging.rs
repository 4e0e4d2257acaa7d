//! Lists that change while they are read, page by page.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use futures_util::TryStreamExt;
use httpmock::HttpMockResponse;
use sandbox_api_contract::MockServer;
use sandbox_sessions::{ErrorKind, SessionId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{client_for, session};

/// A list of sessions, and what happens to it after each page that was asked for.
struct Api {
    sessions: Vec<Uuid>,
    requests: usize,
    change: Change,
}

/// Given the list and how many pages were asked for by now.
type Change = Box<dyn FnMut(&mut Vec<Uuid>, usize) + Send>;

impl Api {
    fn answer(&mut self, limit: usize, offset: usize) -> Value {
        let page: Vec<Value> = self
            .sessions
            .iter()
            .skip(offset)
            .take(limit)
            .map(|id| {
                let mut session = session();
                session["sessionId"] = json!(id);
                session
            })
            .collect();
        let total = self.sessions.len();
        self.requests += 1;
        (self.change)(&mut self.sessions, self.requests);
        json!({ "sessions": page, "total": total, "limit": limit, "offset": offset })
    }
}

struct Listed {
    server: MockServer,
    api: Arc<Mutex<Api>>,
    before: Vec<Uuid>,
}

impl Listed {
    async fn new(count: u128, change: impl FnMut(&mut Vec<Uuid>, usize) + Send + 'static) -> Self {
        let before: Vec<Uuid> = (1..=count).map(Uuid::from_u128).collect();
        let api = Arc::new(Mutex::new(Api {
            sessions: before.clone(),
            requests: 0,
            change: Box::new(change),
        }));
        let server = MockServer::start_async().await;
        let answering = api.clone();
        server
            .mock_async(|when, then| {
                when.method("GET").path("/v1/sessions");
                then.respond_with(move |request: &httpmock::HttpMockRequest| {
                    let number = |name: &str| {
                        let parameters = request.query_params();
                        let found = parameters.iter().find(|(key, _)| key == name);
                        found.map(|(_, value)| value.parse::<usize>().unwrap())
                    };
                    let (limit, offset) = (number("limit").unwrap_or(50), number("offset").unwrap_or(0));
                    let page = answering.lock().unwrap().answer(limit, offset);
                    HttpMockResponse::builder()
                        .status(200)
                        .header("content-type", "application/json")
                        .body(page.to_string())
                        .build()
                });
            })
            .await;
        Self { server, api, before }
    }

    async fn stream(&self, limit: u32) -> Vec<Uuid> {
        let client = client_for(self.server.url("/v1"));
        let stream = client.list_sessions().limit(limit).stream();
        let ids: Vec<SessionId> = stream.map_ok(|session| session.id()).try_collect().await.unwrap();
        ids.iter().map(|id| *id.as_uuid()).collect()
    }

    fn requests(&self) -> usize {
        self.api.lock().unwrap().requests
    }

    /// What the stream promises, whatever happened.
    fn check(&self, yielded: &[Uuid], told: &str) {
        let unique: HashSet<&Uuid> = yielded.iter().collect();
        assert_eq!(unique.len(), yielded.len(), "{told}: a session was yielded twice");
        for id in &self.api.lock().unwrap().sessions {
            assert!(
                !self.before.contains(id) || unique.contains(id),
                "{told}: {id} lived all the time and was missed"
            );
        }
    }
}

#[tokio::test]
async fn a_list_that_stays_is_yielded_once_and_in_order() {
    for (count, limit) in [
        (0, 10),
        (1, 10),
        (1, 1),
        (5, 1),
        (9, 10),
        (10, 10),
        (11, 10),
        (19, 10),
        (250, 100),
    ] {
        let api = Listed::new(count, |_, _| ()).await;
        assert_eq!(api.stream(limit).await, api.before, "{count} by {limit}");
        let least = (count as usize).div_ceil(limit.max(2) as usize - 1).max(1);
        assert!(
            api.requests() <= least,
            "{} requests for {count} by {limit}",
            api.requests()
        );
    }
}

#[tokio::test]
async fn sessions_that_end_between_pages_hide_no_other() {
    // As many as a page holds, and from the very beginning: reading on at the next offset would miss ten.
    let api = Listed::new(50, |sessions, request| {
        if request == 1 {
            sessions.drain(..10);
        }
    })
    .await;
    let yielded = api.stream(10).await;
    api.check(&yielded, "ten of fifty");
    assert_eq!(yielded, api.before);
}

#[tokio::test]
async fn everything_but_the_newest_may_end() {
    for kept in 0..3 {
        let api = Listed::new(40, move |sessions, request| {
            if request == 2 {
                let end = sessions.len() - kept;
                sessions.drain(..end);
            }
        })
        .await;
        let yielded = api.stream(10).await;
        api.check(&yielded, &format!("{kept} kept"));
    }
}

/// Numbers that look random and are the same each time.
fn noise(seed: u64) -> impl FnMut() -> usize + Send {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize
    }
}

#[tokio::test]
async fn whatever_comes_and_goes_what_stays_is_yielded_once() {
    for seed in 0..60 {
        let mut random = noise(seed);
        let limit = 1 + random() as u32 % 7;
        let mut next = 1000;
        let api = Listed::new(30, move |sessions, _| {
            for _ in 0..random() % 5 {
                if !sessions.is_empty() {
                    sessions.remove(random() % sessions.len());
                }
            }
            // Fewer come than go, so that the list has an end.
            if random().is_multiple_of(3) && next < 1010 {
                next += 1;
                sessions.push(Uuid::from_u128(next));
            }
        })
        .await;
        let yielded = api.stream(limit).await;
        api.check(&yielded, &format!("seed {seed}, pages of {limit}"));
    }
}

#[tokio::test]
async fn an_offset_leaves_out_the_oldest() {
    let api = Listed::new(25, |_, _| ()).await;
    let client = client_for(api.server.url("/v1"));
    let mut stream = client.list_sessions().limit(10).offset(12).stream();
    let mut yielded = Vec::new();
    while let Some(session) = stream.next().await {
        yielded.push(*session.unwrap().id().as_uuid());
    }
    assert_eq!(yielded, api.before[12..]);
}

#[tokio::test]
async fn a_stream_ends_with_its_first_error() {
    let server = MockServer::start_async().await;
    server
        .mock_async(|when, then| {
            when.any_request();
            then.status(400)
                .json_body(json!({ "error": "INVALID_PARAMETER", "message": "no" }));
        })
        .await;
    let mut stream = client_for(server.url("/v1")).list_sessions().stream();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation);
    assert!(stream.next().await.is_none());

    let mut stream = client_for(server.url("/v1")).list_sessions().limit(101).stream();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn pages_that_are_too_short_are_an_error_and_no_endless_loop() {
    let server = MockServer::start_async().await;
    server
        .mock_async(|when, then| {
            when.any_request();
            then.status(200)
                .json_body(json!({ "sessions": [session()], "total": 9, "limit": 10, "offset": 0 }));
        })
        .await;
    let stream = client_for(server.url("/v1")).list_sessions().limit(10).stream();
    let error = stream.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error:?}");
}
