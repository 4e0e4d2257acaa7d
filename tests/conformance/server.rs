//! The server that is asked.

use std::env;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract_tests::House;
use reqwest::{Method, RequestBuilder};
use sandbox_api_contract::{Tap, Violation};
use sandbox_server::Tokens;
use sandbox_sessions::{Session, SessionId, SessionsClient};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::answer::Answer;
use crate::report::Report;

const URL: &str = "SANDBOX_API_URL";
const TOKEN: &str = "SANDBOX_API_TOKEN";

/// A server, and what has been found out about it.
pub(crate) struct Server {
    place: Place,
    /// How people know it.
    address: String,
    token: String,
    http: reqwest::Client,
    /// The sessions of the present trial.
    made: Mutex<Vec<SessionId>>,
    report: Mutex<Report>,
}

enum Place {
    /// In this process.
    Here(Box<House>),
    Anywhere {
        tap: Tap,
        runtime: Runtime,
    },
}

/// Why there is nothing to be asked.
pub(crate) enum NoServer {
    OfThisHost(sandbox_server::Error),
    /// What is wrong with the one that was named.
    Named(String),
}

impl Server {
    /// The one that the environment names, or one of this workspace.
    pub(crate) fn chosen() -> Result<Self, NoServer> {
        let Ok(url) = env::var(URL) else {
            let token = "a-token-for-conformance-0123456789abcdef";
            let tokens = Tokens::from_lines(token).expect("a token");
            let house = House::start(tokens, |config| config).map_err(NoServer::OfThisHost)?;
            let address = "the server of this workspace".to_owned();
            return Ok(Self::new(Place::Here(Box::new(house)), address, token.to_owned()));
        };
        let token =
            env::var(TOKEN).map_err(|_| NoServer::Named(format!("{URL} is set, and {TOKEN} is not")))?;
        let tap = Tap::far_from(&url).map_err(|error| NoServer::Named(format!("{URL}: {error}")))?;
        let runtime = Runtime::new().expect("a runtime");
        Ok(Self::new(Place::Anywhere { tap, runtime }, url, token))
    }

    fn new(place: Place, address: String, token: String) -> Self {
        // Longer than anything takes that a trial asks for.
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(120));
        Self {
            place,
            address,
            token,
            http: http.build().expect("a client"),
            made: Mutex::default(),
            report: Mutex::default(),
        }
    }

    pub(crate) fn is_of_this_workspace(&self) -> bool {
        matches!(self.place, Place::Here(_))
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        match &self.place {
            Place::Here(house) => house.runtime(),
            Place::Anywhere { runtime, .. } => runtime,
        }
    }

    fn tap(&self) -> &Tap {
        match &self.place {
            Place::Here(house) => house.tap(),
            Place::Anywhere { tap, .. } => tap,
        }
    }

    /// What was said that the document does not allow, since the last time.
    pub(crate) fn verdict(&self) -> Vec<Violation> {
        self.tap().verdict()
    }

    pub(crate) fn noted(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found out, for people.
    pub(crate) fn report(&self) -> String {
        format!(
            "\nConformance of {} to the Sandbox API\n\n{}\nResponses that were seen (a dot: not documented)\n\n{}\n",
            self.address,
            self.noted(),
            self.tap().coverage()
        )
    }

    pub(crate) fn stop(self) {
        if let Place::Here(house) = self.place {
            house.stop();
        }
    }

    pub(crate) fn sdk(&self) -> SessionsClient {
        SessionsClient::new(self.tap().url(), self.token.as_str()).expect("an address and a token")
    }

    /// A request of nobody; the path starts below the base path.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.tap().url()))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let answer = Answer::to(self.request(Method::POST, path).json(body)).await;
        if path == "/sessions" {
            self.remember(&answer);
        }
        answer
    }

    /// Has a session that was created deleted after the trial.
    pub(crate) fn remember(&self, created: &Answer) {
        let created = created.json();
        let id: Option<SessionId> = created["sessionId"].as_str().and_then(|id| id.parse().ok());
        self.made.lock().unwrap().extend(id);
    }

    pub(crate) async fn session(&self) -> Session {
        let session = self.sdk().create_session().await.expect("a session");
        self.made.lock().unwrap().push(session.id());
        session
    }

    /// Deletes what the trial has left.
    pub(crate) async fn clean_up(&self) {
        let made = std::mem::take(&mut *self.made.lock().unwrap());
        for id in made {
            // Most trials have not deleted theirs, and some have.
            let _ = self.sdk().delete_session(&id).await;
        }
    }
}
