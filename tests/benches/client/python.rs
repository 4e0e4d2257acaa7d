//! A Python program that does the same.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// One session of `requests`, which keeps its connections, as Python clients of the API do. It makes calls whenever it
/// is told to, and says how long one took: from one thread, or from eight, so that waiting for the server costs it
/// nothing.
const PROGRAM: &str = r#"
import sys, time
from concurrent.futures import ThreadPoolExecutor
try:
    import requests
except ImportError:
    sys.exit("requests is not installed")
url, token = input().split()
session = requests.Session()
session.trust_env = False
session.headers.update({"Authorization": f"Bearer {token}"})
def call(_):
    response = session.get(url, timeout=30)
    response.raise_for_status()
    return response.json()["sessionId"]
with ThreadPoolExecutor(8) as pool:
    ways = {"alone": map, "together": pool.map}
    for line in sys.stdin:
        way, calls = line.split()
        start = time.perf_counter()
        for _ in ways[way](call, range(int(calls))):
            pass
        print((time.perf_counter() - start) / int(calls), flush=True)
"#;

/// How the calls are made.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    OneThread,
    EightThreads,
}

/// The program, which runs on the processor of the thread that starts it.
pub(crate) struct Python {
    process: Child,
    /// Closed to end it.
    orders: Option<ChildStdin>,
    times: BufReader<ChildStdout>,
}

impl Python {
    /// Starts the program and opens its connections.
    ///
    /// # Errors
    /// Why it cannot be measured.
    pub(crate) fn start(url: &str, token: &str) -> Result<Self, String> {
        let mut process = Command::new("python3")
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| format!("python3 cannot be started: {error}"))?;
        let mut python = Self {
            orders: process.stdin.take(),
            times: BufReader::new(process.stdout.take().expect("a pipe")),
            process,
        };
        python.order(&format!("{url} {token}"))?;
        for way in [Way::OneThread, Way::EightThreads] {
            python.time_of_a_call(way, 100)?;
        }
        Ok(python)
    }

    /// How long one of so many calls takes.
    ///
    /// # Errors
    /// Why the program has ended.
    pub(crate) fn time_of_a_call(&mut self, way: Way, calls: u32) -> Result<Duration, String> {
        let way = match way {
            Way::OneThread => "alone",
            Way::EightThreads => "together",
        };
        self.order(&format!("{way} {calls}"))?;
        let mut said = String::new();
        self.times
            .read_line(&mut said)
            .map_err(|error| error.to_string())?;
        match said.trim().parse() {
            Ok(seconds) => Ok(Duration::from_secs_f64(seconds)),
            Err(_) => Err("it has ended; what it said is above".to_owned()),
        }
    }

    fn order(&mut self, line: &str) -> Result<(), String> {
        let mut orders = self.orders.as_ref().expect("it is closed by the drop");
        writeln!(orders, "{line}").map_err(|error| format!("it takes no orders: {error}"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}
