//! paramiko, the SSH library that Python programs use.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::bytes::Direction;
use crate::openssh::{Sshd, succeed};
use crate::samples::{self, Samples};

const PROGRAM: &str = include_str!("paramiko_sftp.py");

/// # Errors
/// Why it cannot be measured.
pub(crate) fn median_of(
    rounds: usize,
    sshd: &Sshd,
    samples: &Samples,
    direction: Direction,
    name: &str,
) -> Result<Duration, String> {
    let (here, there) = (samples.path(name), sshd.directory.join(name));
    let (method, arrived) = match direction {
        Direction::Up => ("put", there.clone()),
        Direction::Down => ("get", samples.path("fetched")),
    };
    let copy = || {
        samples::remove(&arrived);
        match direction {
            Direction::Up => run(sshd, method, &here, &there),
            Direction::Down => run(sshd, method, &there, &arrived),
        }
    };
    let mut times = vec![copy()?];
    samples.compare(name, &arrived);
    for _ in 1..rounds {
        times.push(copy()?);
    }
    Ok(crate::median(times))
}

fn run(sshd: &Sshd, method: &str, from: &Path, to: &Path) -> Result<Duration, String> {
    let mut python = Command::new("python3");
    python
        .args(["-c", PROGRAM, &sshd.port.to_string(), &sshd.user])
        .arg(sshd.user_key())
        .arg(method)
        .args([from, to]);
    let said = succeed(&mut python)?;
    let seconds: f64 = said.trim().parse().map_err(|_| format!("it printed {said:?}"))?;
    Ok(Duration::from_secs_f64(seconds))
}
