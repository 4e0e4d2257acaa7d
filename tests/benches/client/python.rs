//! A Python program that does the same.

use std::process::{Command, Stdio};
use std::time::Duration;

/// One session of `requests`, which keeps its connections, as Python clients of the API do: from one thread, and from
/// eight, so that waiting for the server costs it nothing.
const PROGRAM: &str = r#"
import sys, time
from concurrent.futures import ThreadPoolExecutor
try:
    import requests
except ImportError:
    sys.exit("requests is not installed")
url, token = sys.stdin.read().split()
session = requests.Session()
session.trust_env = False
session.headers.update({"Authorization": f"Bearer {token}"})
def call():
    response = session.get(url, timeout=30)
    response.raise_for_status()
    return response.json()["sessionId"]
def together(threads, calls):
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda _: call(), range(calls)):
            pass
    return (time.perf_counter() - start) / calls
def alone(calls):
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls
def median(values):
    return sorted(values)[len(values) // 2]
alone(100), together(8, 100)
print(min(median([alone(100) for _ in range(15)]), median([together(8, 200) for _ in range(9)])))
"#;

/// The better of the two medians, on the processor of the thread that asks.
///
/// # Errors
/// Why it cannot be measured.
pub(crate) fn time_of_a_call(url: &str, token: &str) -> Result<Duration, String> {
    let mut child = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("python3 cannot be started: {error}"))?;
    let mut stdin = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut stdin, format!("{url} {token}").as_bytes())
        .map_err(|error| error.to_string())?;
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().last().unwrap_or("it failed").to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let seconds: f64 = text.trim().parse().map_err(|_| format!("it printed {text:?}"))?;
    Ok(Duration::from_secs_f64(seconds))
}
