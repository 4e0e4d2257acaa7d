//! Much at once: sessions that are made, used, paused and deleted until the server is no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contract_tests::ServerProcess;
use fastrand::Rng;
use sandbox_sessions::{CreateSession, Error, Language, RetryPolicy, SessionId, SessionsClient};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::ledger::{Account, Ledger};

/// Who do one thing after the other.
const USERS: usize = 6;

/// Longer than it takes to notice the end of a connection.
const DEADLINE: Duration = Duration::from_secs(60);

/// As many sessions as there are at most.
const SESSIONS: usize = 12;

/// The file of a session: the same number in each line, so that a part of it, or a mixture of two, can be told.
pub(crate) const FILE: &str = "/workspace/number";
pub(crate) const LINES: usize = 20_000;

/// How long a session may live: one that expires while this runs, or one that does not.
const TIMES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(600)];

/// A server under load.
pub(crate) struct Load {
    users: JoinSet<()>,
    is_killed: Arc<AtomicBool>,
}

impl Load {
    /// Each of the users has a seed of their own.
    pub(crate) fn start(url: &str, ledger: &Arc<Ledger>, random: &mut Rng, can_pause: bool) -> Self {
        let is_killed = Arc::new(AtomicBool::new(false));
        let mut users = JoinSet::new();
        for _ in 0..USERS {
            let user = User {
                client: client(url),
                http: reqwest::Client::builder().no_proxy().build().expect("a client"),
                ledger: ledger.clone(),
                can_pause,
                is_killed: is_killed.clone(),
            };
            users.spawn(user.work(random.fork()));
        }
        Self { users, is_killed }
    }

    /// To be called before the server is killed: until then nobody is left without an answer.
    pub(crate) fn expect_the_end(&self) {
        self.is_killed.store(true, Ordering::SeqCst);
    }

    /// Waits until everybody has noticed.
    pub(crate) async fn end(self) {
        let ended = tokio::time::timeout(DEADLINE, self.users.join_all()).await;
        ended.expect("everybody notices that the server is gone");
    }
}

/// A client that asks once, so that what it does not know, nobody knows.
pub(crate) fn client(url: &str) -> SessionsClient {
    let client = SessionsClient::builder().url(url).token(ServerProcess::TOKEN);
    client
        .retries(RetryPolicy::none())
        .build()
        .expect("the server's own address")
}

/// A creation whose session carries its number.
pub(crate) fn creation(client: &SessionsClient, number: usize, ttl: Duration) -> CreateSession {
    client
        .create_session()
        .ttl(ttl)
        .metadata(json!({ "number": number }))
}

pub(crate) fn content(number: u32) -> String {
    format!("{number:08}\n").repeat(LINES)
}

struct User {
    client: SessionsClient,
    http: reqwest::Client,
    ledger: Arc<Ledger>,
    can_pause: bool,
    is_killed: Arc<AtomicBool>,
}

/// What was asked was not answered: the server is gone.
struct Unanswered;

impl User {
    async fn work(self, mut random: Rng) {
        while self.step(&mut random).await.is_ok() {}
    }

    async fn step(&self, random: &mut Rng) -> Result<(), Unanswered> {
        let full = self.ledger.living() >= SESSIONS;
        if !full && random.u8(..100) < 35 {
            let ttl = TIMES[usize::from(random.u8(..4) > 0)];
            return if random.bool() {
                self.create(ttl, format!("key-{}", random.u128(..))).await
            } else {
                self.create_without_a_key(ttl).await
            };
        }
        let Some((id, account)) = self.ledger.pick(random) else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            return Ok(());
        };
        let done = self.use_session(id, &account, random, full).await;
        self.ledger.give_back(id);
        done
    }

    async fn use_session(
        &self,
        id: SessionId,
        account: &Account,
        random: &mut Rng,
        full: bool,
    ) -> Result<(), Unanswered> {
        let choice = random.u8(..100);
        if choice < if full { 45 } else { 15 } {
            self.delete(id).await
        } else if account.is_paused.is(&true) {
            self.resume(id).await
        } else {
            match choice {
                0..65 => self.upload(id, random.u32(..100_000_000)).await,
                65..75 if self.can_pause => self.pause(id).await,
                75..85 => self.run(id).await,
                85..92 => self.run_for_long(id, random).await,
                _ => self.tunnel(id, random).await,
            }
        }
    }

    async fn create(&self, ttl: Duration, key: String) -> Result<(), Unanswered> {
        let number = self.ledger.creation(Some(key.clone()), ttl);
        let made = creation(&self.client, number, ttl).idempotency_key(key).await;
        if let Some(session) = self.answered("create", made)? {
            self.ledger.made(number, session.id(), session.expires_at());
        }
        Ok(())
    }

    /// As programs do that know nothing of keys.
    async fn create_without_a_key(&self, ttl: Duration) -> Result<(), Unanswered> {
        let number = self.ledger.creation(None, ttl);
        let request = self.http.post(format!("{}/sessions", self.client.api_url()));
        let body = json!({ "ttl": ttl.as_secs(), "metadata": { "number": number } });
        let sent = request.bearer_auth(ServerProcess::TOKEN).json(&body).send();
        let answer: Result<Value, _> = async { sent.await?.error_for_status()?.json().await }.await;
        match answer {
            Ok(session) => {
                let text = |member: &str| session[member].as_str().expect("text");
                let id = text("sessionId").parse().expect("an id");
                let expires_at = text("expiresAt").parse().expect("a time");
                self.ledger.made(number, id, expires_at);
                Ok(())
            }
            Err(error) if error.is_status() => {
                self.ledger.surprise(format!("create: {error}"));
                Ok(())
            }
            Err(error) => self.unanswered("create", &error),
        }
    }

    async fn delete(&self, id: SessionId) -> Result<(), Unanswered> {
        self.ledger.change(id, |account| account.is_there.asked(false));
        if self
            .answered("delete", self.client.delete_session(&id).await)?
            .is_some()
        {
            self.ledger.change(id, |account| account.is_there.told(false));
        }
        Ok(())
    }

    async fn pause(&self, id: SessionId) -> Result<(), Unanswered> {
        self.ledger.change(id, |account| account.is_paused.asked(true));
        if self
            .answered("pause", self.client.pause_session(&id).await)?
            .is_some()
        {
            self.ledger.change(id, |account| account.is_paused.told(true));
        }
        Ok(())
    }

    async fn resume(&self, id: SessionId) -> Result<(), Unanswered> {
        self.ledger.change(id, |account| account.is_paused.asked(false));
        if self
            .answered("resume", self.client.resume_session(&id).await)?
            .is_some()
        {
            self.ledger.change(id, |account| account.is_paused.told(false));
        }
        Ok(())
    }

    async fn upload(&self, id: SessionId, number: u32) -> Result<(), Unanswered> {
        self.ledger
            .change(id, |account| account.content.asked(Some(number)));
        let upload = self
            .client
            .upload_file(&id, FILE, content(number))
            .overwrite(true);
        if self.answered("upload", upload.await)?.is_some() {
            self.ledger
                .change(id, |account| account.content.told(Some(number)));
        }
        Ok(())
    }

    async fn run(&self, id: SessionId) -> Result<(), Unanswered> {
        self.answered(
            "run",
            self.client
                .run_code(&id, "echo $((6 * 7))")
                .language(Language::Bash)
                .await,
        )?;
        Ok(())
    }

    /// Something that is still running when the server is killed, or for a while.
    async fn run_for_long(&self, id: SessionId, random: &mut Rng) -> Result<(), Unanswered> {
        let run = self.client.run_command(&id, "setsid sleep 600 & sleep 600");
        let patience = Duration::from_millis(random.u64(..300));
        match tokio::time::timeout(patience, run).await {
            Ok(ended) => self.answered("run for long", ended).map(drop),
            Err(_) => Ok(()),
        }
    }

    async fn tunnel(&self, id: SessionId, random: &mut Rng) -> Result<(), Unanswered> {
        let session = self.answered("get", self.client.get_session(&id).await)?;
        let Some(session) = session else { return Ok(()) };
        let used = async {
            let ssh = session.ssh().await?;
            ssh.run_command("echo through the tunnel").await?;
            ssh.run_command("sleep 600").await
        };
        match tokio::time::timeout(Duration::from_millis(random.u64(..400)), used).await {
            Ok(ended) => self.answered("tunnel", ended).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// The answer, if it is what was asked for. Any other is written down: nothing that is asked here is to be refused.
    fn answered<T>(&self, what: &str, answer: Result<T, Error>) -> Result<Option<T>, Unanswered> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.status_code().is_some() => {
                self.ledger.surprise(format!("{what}: {error}"));
                Ok(None)
            }
            Err(error) => self.unanswered(what, &error).map(|()| None),
        }
    }

    fn unanswered(&self, what: &str, error: &dyn std::error::Error) -> Result<(), Unanswered> {
        if !self.is_killed.load(Ordering::SeqCst) {
            self.ledger
                .surprise(format!("{what}, of a running server: {error:?}"));
        }
        Err(Unanswered)
    }
}
