//! Random faults under random operations: whatever happens, the result is right or an error says that there is none.
//!
//! `FAULT_SEEDS=1000..1500` tries others, and `FAULT_SEED=17` one alone, as a failure names it.

use std::fs;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use contract_tests::fault::Fault;
use contract_tests::{FaultProxy, Owner, OwnersHouse, trials};
use fastrand::Rng;
use futures_util::{StreamExt, stream};
use libtest_mimic::Trial;
use sandbox_sessions::{Error, ErrorKind, Session, SessionsClient};
use tokio::io::AsyncReadExt;

use crate::scripted::{address, say};
use crate::verdict::Outcome;

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "campaign":
        no_fault_makes_a_wrong_result,
        a_client_that_takes_what_comes_makes_wrong_results,
        the_same_seed_makes_the_same_fault,
    ]
}

const SEEDS: Range<u64> = 0..120;
const AT_A_TIME: usize = 8;

/// How long a call waits for a network that stands still. Each seed may meet one such.
const PATIENCE: Duration = Duration::from_secs(4);

/// The most bytes after which a fault sets in; operations carry more, and less.
const REACH: u64 = 100_000;

/// More bytes than any file here has.
const MOST: usize = 1 << 20;

/// An operation with what it carries.
struct Job {
    operation: Operation,
    name: String,
    content: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Read,
    Create,
    Run,
    Upload,
    Download,
    RunOverSsh,
    UploadOverSsh,
    DownloadOverSsh,
}
use Operation::{Create, Download, DownloadOverSsh, Read, Run, RunOverSsh, Upload, UploadOverSsh};

const OPERATIONS: [Operation; 8] = [
    Read,
    Create,
    Run,
    Upload,
    Download,
    RunOverSsh,
    UploadOverSsh,
    DownloadOverSsh,
];

impl Job {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(!seed);
        let size = rng.usize(..2 * REACH as usize);
        Self {
            operation: *rng.choice(&OPERATIONS).unwrap(),
            name: format!("file-{seed}"),
            content: (0..size).map(|_| rng.u8(..)).collect(),
        }
    }

    /// What the operation works on.
    async fn prepare(&self, session: &Session) {
        if matches!(self.operation, Download | DownloadOverSsh) {
            let content = self.content.clone();
            session.upload_file(&*self.name, content).await.unwrap();
        }
    }

    /// Does it, by a client that meets the fault; says whether what came of it is right.
    async fn perform(&self, client: &SessionsClient, session: &Session) -> Result<bool, Error> {
        let id = session.id();
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("file");
        let length = format!("{}\n", self.content.len());
        let ssh = || {
            client
                .ssh(&id)
                .connect_timeout(PATIENCE)
                .keepalive(Duration::from_secs(1))
        };
        Ok(match self.operation {
            Read => client.get_session(&id).await?.id() == id,
            Create => {
                let made = client.create_session().await?;
                session.client().delete_session(&made.id()).await?;
                true
            }
            Run => {
                let line = format!("echo {0} | tee -a {0}; cat {0}", self.name);
                client.run_command(&id, line).await?.stdout() == format!("{0}\n{0}\n", self.name)
            }
            Upload => {
                let content = self.content.clone();
                let info = client.upload_file(&id, &*self.name, content).await?;
                info.size() == self.content.len() as u64
            }
            Download => client.download_file(&id, &*self.name).await?.bytes(MOST).await? == self.content,
            RunOverSsh => {
                let run = ssh().await?.run_command("wc -c");
                run.stdin(self.content.clone()).await?.stdout() == length
            }
            UploadOverSsh => {
                fs::write(&file, &self.content).unwrap();
                ssh().await?.upload(&file, &*self.name).await?.bytes == self.content.len() as u64
            }
            DownloadOverSsh => {
                ssh().await?.download(&*self.name, &file).await?;
                fs::read(&file).unwrap() == self.content
            }
        })
    }

    /// What must be so afterwards, as somebody sees it who has no fault in the way.
    async fn check(&self, session: &Session, is_done: bool) -> Result<(), String> {
        match self.operation {
            Upload | UploadOverSsh => {
                let there = match session.download_file(&*self.name).await {
                    Ok(download) => Some(download.bytes(MOST).await.map_err(|error| error.to_string())?),
                    Err(error) if error.error_code() == Some("FILE_NOT_FOUND") => None,
                    Err(error) => return Err(error.to_string()),
                };
                match there {
                    Some(there) if there == self.content => Ok(()),
                    None if !is_done => Ok(()),
                    Some(there) => Err(format!(
                        "{} bytes of {} are there",
                        there.len(),
                        self.content.len()
                    )),
                    None => Err("nothing is there".to_owned()),
                }
            }
            Run => {
                let line = format!("cat {} 2> /dev/null", self.name);
                let ran = session
                    .run_command(line)
                    .await
                    .map_err(|error| error.to_string())?;
                let times = ran.stdout().lines().count();
                if times == 1 || times == 0 && !is_done {
                    Ok(())
                } else {
                    Err(format!("it ran {times} times"))
                }
            }
            _ => Ok(()),
        }
    }
}

/// What a network can do to a call. Every other kind would be an answer that nobody gave.
const KINDS: [ErrorKind; 2] = [ErrorKind::Connection, ErrorKind::Timeout];

/// Says how many sessions it may have made without being told.
async fn seeded(house: &OwnersHouse, owner: &Owner, session: &Session, seed: u64) -> Result<usize, String> {
    let job = Job::new(seed);
    job.prepare(session).await;
    let proxy = FaultProxy::before(&house.address()).await;
    let fault = Fault::random(seed, REACH);
    proxy.plan([fault.clone()]);
    proxy.plan_tunnels([fault.clone()]);
    let client = owner.client_at(proxy.url()).timeout(PATIENCE).build().unwrap();
    let call = async { job.perform(&client, session).await.map(|right| right.to_string()) };
    let outcome = Outcome::of(call).await;
    let is_done = match &outcome {
        Outcome::Value(right) if right == "true" => Ok(true),
        Outcome::Error(error) if KINDS.contains(&error.kind()) => Ok(false),
        other => Err(format!("{other:?}")),
    };
    let checked = match is_done {
        Ok(is_done) => {
            let unknown = usize::from(!is_done && matches!(job.operation, Create));
            job.check(session, is_done).await.map(|()| unknown)
        }
        Err(wrong) => Err(wrong),
    };
    checked.map_err(|wrong| format!("FAULT_SEED={seed}: {:?} with {fault:?}: {wrong}", job.operation))
}

fn seeds() -> Range<u64> {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    if let Ok(seed) = std::env::var("FAULT_SEED") {
        let seed = number(&seed);
        return seed..seed + 1;
    }
    let Ok(seeds) = std::env::var("FAULT_SEEDS") else {
        return SEEDS;
    };
    let (first, end) = seeds.split_once("..").expect("a range such as 1000..1500");
    number(first)..number(end)
}

async fn no_fault_makes_a_wrong_result(house: Arc<OwnersHouse>) {
    let owner = Arc::new(house.owner());
    let session = owner.client.create_session().await.unwrap();
    let tried = stream::iter(seeds()).map(|seed| {
        let (house, owner, session) = (house.clone(), owner.clone(), session.clone());
        // A task of its own, so that a panic is a result like others.
        let task = tokio::spawn(async move { seeded(&house, &owner, &session, seed).await });
        async move {
            let result = task.await;
            let result = result.unwrap_or_else(|panic| Err(format!("FAULT_SEED={seed}: {panic}")));
            // At once, since the others may have no end.
            result.inspect_err(|wrong| println!("{wrong}"))
        }
    });
    let results: Vec<_> = tried.buffer_unordered(AT_A_TIME).collect().await;
    let wrong: Vec<&String> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let unknown: usize = results.into_iter().filter_map(Result::ok).sum();
    let left: Vec<_> = owner.sessions().await.iter().map(Session::id).collect();
    assert!(left.contains(&session.id()), "{left:?}");
    assert!(
        left.len() <= 1 + unknown,
        "{} sessions, and {unknown} nobody was told of",
        left.len()
    );
    owner.delete_all().await;
}

/// The campaign depends on what a client makes of its faults: one that takes what has come for all there is gets files
/// wrong.
async fn a_client_that_takes_what_comes_makes_wrong_results(house: Arc<OwnersHouse>) {
    let owner = house.owner();
    let session = owner.client.create_session().await.unwrap();
    let mut wrong = 0;
    for seed in 0..40 {
        let job = Job {
            operation: Download,
            ..Job::new(seed)
        };
        job.prepare(&session).await;
        let proxy = FaultProxy::before(&house.address()).await;
        proxy.plan([Fault::random(seed, REACH)]);
        let request = format!(
            "GET /v1/sessions/{}/files?filePath={} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\
             Authorization: Bearer {}\r\n\r\n",
            session.id(),
            job.name,
            owner.token()
        );
        let mut stream = say(&address(&proxy.url()), &request).await;
        let mut answer = Vec::new();
        let moment = Duration::from_secs(1);
        let _ = tokio::time::timeout(moment, stream.read_to_end(&mut answer)).await;
        wrong += usize::from(!answer.ends_with(&job.content));
    }
    assert!(wrong > 10, "{wrong}");
    session.delete().await.unwrap();
}

async fn the_same_seed_makes_the_same_fault(_: Arc<OwnersHouse>) {
    let fault = |seed| format!("{:?}", Fault::random(seed, REACH));
    assert!((0..100).all(|seed| fault(seed) == fault(seed)));
    let different: std::collections::HashSet<_> = (0..100).map(fault).collect();
    assert!(different.len() > 90, "{}", different.len());
}
