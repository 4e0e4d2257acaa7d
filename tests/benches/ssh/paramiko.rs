//! paramiko, the SSH library that Python programs use.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::bytes::Direction;
use crate::openssh::{Sshd, succeed};
use crate::samples::{self, Samples};

const PROGRAM: &str = include_str!("paramiko_sftp.py");

/// How long it takes to copy one sample.
///
/// # Errors
///
/// Why it cannot be measured.
pub(crate) fn copy(
    sshd: &Sshd,
    samples: &Samples,
    direction: Direction,
    name: &str,
) -> Result<Duration, String> {
    let (here, there) = (samples.path(name), sshd.directory.join(name));
    let (time, arrived) = match direction {
        Direction::Up => {
            samples::remove(&there);
            (run(sshd, "put", &here, &there)?, there)
        }
        Direction::Down => {
            let fetched = samples.path("fetched");
            samples::remove(&fetched);
            (run(sshd, "get", &there, &fetched)?, fetched)
        }
    };
    if samples.is_first(format!("paramiko {direction} {name}")) {
        samples.compare(name, &arrived);
    }
    Ok(time)
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
