//! Many things at once, by many users, in any order.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use sandbox_sessions::ssh::{Create, SessionSshClient};
use sandbox_sessions::{Error, Language, RetryPolicy, Session, SessionsClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::statistics::Statistics;

/// Larger than what moves in one piece anywhere on the way.
const FILE: usize = 300_000;

const PATH: &str = "/workspace/file";

/// How long a session lives when nobody ends it.
pub(super) const TTL: Duration = Duration::from_secs(3600);

/// A client that fails where others would try again: failures are counted here.
pub(super) fn client(url: &str, token: &str) -> Result<SessionsClient, Error> {
    let client = SessionsClient::builder().url(url).token(token);
    client
        .timeout(Duration::from_secs(120))
        .retries(RetryPolicy::none())
        .build()
}

/// Somebody who works with sessions.
#[derive(Clone)]
pub(super) struct User {
    pub(super) client: SessionsClient,
    pub(super) residents: Arc<[Session]>,
    pub(super) statistics: Arc<Statistics>,
    pub(super) can_pause: bool,
}

/// Works until a moment, so many with requests and so many with tunnels.
pub(super) async fn work(user: User, users: usize, tunnels: usize, random: &mut Rng, until: Instant) {
    let mut tasks = JoinSet::new();
    for nth in 0..users + tunnels {
        let (user, mut random) = (user.clone(), random.fork());
        tasks.spawn(async move {
            while Instant::now() < until {
                let resident = random.choice(user.residents.iter()).expect("there are sessions");
                if nth < users {
                    user.request(resident, &mut random).await;
                } else {
                    user.tunnel(resident).await;
                }
            }
        });
    }
    tasks.join_all().await;
}

impl User {
    /// Everything once, with one session.
    pub(super) async fn everything(&self, session: &Session) {
        self.run(session).await;
        self.code(session).await;
        self.upload(session).await;
        self.download(session).await;
        self.tunnel(session).await;
    }

    async fn request(&self, session: &Session, random: &mut Rng) {
        match random.u8(..100) {
            0..30 => self.run(session).await,
            30..45 => self.code(session).await,
            45..55 => self.upload(session).await,
            55..65 => self.download(session).await,
            65..80 => drop(self.time("get", self.client.get_session(&session.id())).await),
            80..85 => drop(self.time("list", self.client.list_sessions().limit(100)).await),
            _ => self.visit(random).await,
        }
    }

    async fn run(&self, session: &Session) {
        let result = self
            .time("run command", session.run_command("echo $((6 * 7))"))
            .await;
        self.expect("run command", result.map(|result| result.stdout() == "42\n"));
    }

    async fn code(&self, session: &Session) {
        let code = session
            .run_code("for i in 1 2 3; do echo $i; done")
            .language(Language::Bash);
        let result = self.time("run code", code).await;
        self.expect("run code", result.map(|result| result.stdout() == "1\n2\n3\n"));
    }

    async fn upload(&self, session: &Session) {
        let upload = session.upload_file(PATH, vec![b'x'; FILE]).overwrite(true);
        let info = self.time("upload", upload).await;
        self.expect("upload", info.map(|info| info.size() == FILE as u64));
    }

    async fn download(&self, session: &Session) {
        let download = async { session.download_file(PATH).await?.bytes(2 * FILE).await };
        let bytes = self.time("download", download).await;
        self.expect("download", bytes.map(|bytes| bytes.len() == FILE));
    }

    /// A session from its beginning to its end.
    async fn visit(&self, random: &mut Rng) {
        let Some(mut session) = self.time("create", self.client.create_session().ttl(TTL)).await else {
            return;
        };
        if self.can_pause && random.bool() {
            self.time("pause", session.pause()).await;
            self.time("resume", session.resume()).await;
        }
        self.run(&session).await;
        self.time("delete", session.delete()).await;
    }

    /// A connection through a tunnel, and all that is done with one.
    async fn tunnel(&self, session: &Session) {
        let Some(ssh) = self.time("tunnel", async { session.ssh().await }).await else {
            return;
        };
        for _ in 0..3 {
            let output = self.time("ssh command", ssh.run_command("echo $((6 * 7))")).await;
            self.expect("ssh command", output.map(|output| output.stdout() == "42\n"));
        }
        let written = self.time("sftp", write_and_read(&ssh)).await;
        self.expect("sftp", written);
    }

    async fn time<T>(
        &self,
        name: &'static str,
        request: impl IntoFuture<Output = Result<T, Error>>,
    ) -> Option<T> {
        self.statistics.time(name, request.into_future()).await
    }

    /// A wrong answer is a failure, too.
    fn expect(&self, name: &'static str, is_right: Option<bool>) {
        if is_right == Some(false) {
            self.statistics.fail(name, "a wrong answer".to_owned());
        }
    }
}

async fn write_and_read(ssh: &SessionSshClient) -> Result<bool, Error> {
    let sftp = ssh.sftp().await?;
    let path = format!("/workspace/{:x}", fastrand::u128(..));
    let content = vec![b'y'; FILE];
    let mut read = Vec::new();
    let moved = async {
        let mut file = sftp.create(&path, Create::New).await?;
        file.write_all(&content).await?;
        file.shutdown().await?;
        sftp.open(&path).await?.read_to_end(&mut read).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    };
    let is_right = moved.await.is_ok() && read == content;
    sftp.remove_file(&path).await?;
    Ok(is_right)
}
