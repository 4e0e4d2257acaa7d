//! How fast SSH through `CONNECT` is, beside OpenSSH, paramiko and socat, in one run.
//!
//! `cargo bench -p contract-tests --bench ssh` prints medians, ratios and the machine's load. With `-- --check` it
//! fails when a ratio is beyond its bound. Words choose parts: `large`, `small`, `connect`, `splice`. Peers that are
//! not installed are named and left out.
//!
//! OpenSSH's `sftp` and paramiko talk to an `sshd` of this benchmark's own on the loopback interface, all with their
//! defaults. Files lie in memory on every side: those of a session do anyway, the others in `/dev/shm`. Who copies
//! opens its connection within the measured time; a start of Python is not counted. Each copy is compared with its
//! original once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a tap would be measured, too")]

mod bytes;
mod openssh;
mod paramiko;
mod samples;
mod session;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::bytes::{Direction, FarEnd, Socat};
use crate::openssh::Sshd;
use crate::samples::Samples;
use crate::session::Hosted;

const LARGE: u64 = 256 << 20;
const LARGE_ROUNDS: usize = 7;
/// Python takes seconds.
const PARAMIKO_ROUNDS: usize = 3;
const SMALL: u64 = 4 << 10;
const SMALL_FILES: usize = 1000;
const SMALL_ROUNDS: usize = 9;
const CONNECT_ROUNDS: usize = 100;
const SPLICED: u64 = 1 << 30;
const SPLICE_ROUNDS: usize = 7;

const LEAST_TIMES_OPENSSH_LARGE: f64 = 1.5;
const LEAST_TIMES_PARAMIKO: f64 = 5.0;
const LEAST_TIMES_OPENSSH_SMALL: f64 = 4.0;
const MOST_TO_FIRST_OUTPUT: Duration = Duration::from_millis(15);
const LEAST_OF_SOCAT: f64 = 0.8;

fn main() -> ExitCode {
    bytes::run_if_asked();
    sandbox_agent::run_if_asked();
    let (options, parts): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with('-'));
    let check = options.iter().any(|option| option == "--check");
    let measured = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let mut bounds = Bounds::default();
    load();
    if measured("large") || measured("small") {
        let samples = Samples::in_memory();
        let hosted = Hosted::start();
        let sshd = Sshd::start(&samples);
        if measured("large") {
            large_file(&mut bounds, &samples, &hosted, sshd.as_ref());
        }
        if measured("small") {
            small_files(&mut bounds, &samples, &hosted, sshd.as_ref());
        }
        hosted.stop();
    }
    if measured("connect") {
        first_output(&mut bounds);
    }
    if measured("splice") {
        splice(&mut bounds);
    }
    load();
    for failure in &bounds.failures {
        println!("beyond its bound: {failure}");
    }
    ExitCode::from(u8::from(check && !bounds.failures.is_empty()))
}

fn load() {
    let load = std::fs::read_to_string("/proc/loadavg").expect("a load");
    println!("load {}", load.trim());
}

fn large_file(bounds: &mut Bounds, samples: &Samples, hosted: &Hosted, sshd: Option<&Sshd>) {
    let file = samples.file("large", LARGE);
    for direction in [Direction::Up, Direction::Down] {
        println!("SFTP {direction} of {} MiB", LARGE >> 20);
        let ours = || hosted.copy(samples, direction, &file);
        let Some(sshd) = sshd else {
            println!("    {}", rate("ours", median(rounds(LARGE_ROUNDS, ours)), LARGE));
            continue;
        };
        let (ours, theirs, times) = side_by_side(LARGE_ROUNDS, ours, || sshd.copy(samples, direction, &file));
        println!("    {}", rate("ours", ours, LARGE));
        println!(
            "    {}   ours is {times:.2} times as fast",
            rate("OpenSSH", theirs, LARGE)
        );
        bounds.at_least(
            LEAST_TIMES_OPENSSH_LARGE,
            times,
            &format!("OpenSSH's speed, {direction}"),
        );
        // Asked once before it takes turns: it may not be installed.
        if let Err(reason) = paramiko::copy(sshd, samples, direction, &file) {
            println!("    paramiko   left out: {reason}");
            continue;
        }
        let (_, theirs, times) = side_by_side(
            PARAMIKO_ROUNDS,
            || hosted.copy(samples, direction, &file),
            || paramiko::copy(sshd, samples, direction, &file).expect("it copied before"),
        );
        println!(
            "    {}   ours is {times:.2} times as fast",
            rate("paramiko", theirs, LARGE)
        );
        bounds.at_least(
            LEAST_TIMES_PARAMIKO,
            times,
            &format!("paramiko's speed, {direction}"),
        );
    }
}

fn small_files(bounds: &mut Bounds, samples: &Samples, hosted: &Hosted, sshd: Option<&Sshd>) {
    let folder = samples.folder("small", SMALL_FILES, SMALL);
    for direction in [Direction::Up, Direction::Down] {
        println!("SFTP {direction} of {SMALL_FILES} files of {} KiB", SMALL >> 10);
        let ours = || hosted.copy(samples, direction, &folder);
        let Some(sshd) = sshd else {
            println!(
                "    ours       {}",
                milliseconds(median(rounds(SMALL_ROUNDS, ours)))
            );
            continue;
        };
        let (ours, theirs, times) =
            side_by_side(SMALL_ROUNDS, ours, || sshd.copy(samples, direction, &folder));
        println!("    ours       {}", milliseconds(ours));
        println!(
            "    OpenSSH    {}   ours is {times:.2} times as fast",
            milliseconds(theirs)
        );
        bounds.at_least(
            LEAST_TIMES_OPENSSH_SMALL,
            times,
            &format!("OpenSSH's speed, {direction}, small files"),
        );
    }
}

/// From nothing to the end of a command, which is not before its first output: `true` has none.
fn first_output(bounds: &mut Bounds) {
    let hosted = Hosted::start();
    let time = median(rounds(CONNECT_ROUNDS, || hosted.connect_and_run_true()));
    println!("CONNECT to the end of true");
    println!("    ours       {}", milliseconds(time));
    if time >= MOST_TO_FIRST_OUTPUT {
        let most = milliseconds(MOST_TO_FIRST_OUTPUT);
        bounds.failures.push(format!(
            "{} from CONNECT to the end of true, less than {most}",
            milliseconds(time)
        ));
    }
    hosted.stop();
}

/// Bytes through a tunnel whose far end is no SSH server but takes and gives them as they come.
fn splice(bounds: &mut Bounds) {
    let far_end = FarEnd::copy_of_this_program();
    let hosted = Hosted::start_with(&far_end.path());
    let here = FarEnd::listen();
    let socat = match Socat::start(&here.path()) {
        Ok(socat) => Some(socat),
        Err(reason) => {
            println!("socat      left out: {reason}");
            None
        }
    };
    for direction in [Direction::Up, Direction::Down] {
        println!("Bytes through the proxy alone, {direction} {} MiB", SPLICED >> 20);
        let ours = || bytes::carry(hosted.tunnel(), direction, SPLICED);
        let Some(socat) = &socat else {
            println!(
                "    {}",
                rate("ours", median(rounds(SPLICE_ROUNDS, ours)), SPLICED)
            );
            continue;
        };
        let (ours, theirs, times) = side_by_side(SPLICE_ROUNDS, ours, || {
            bytes::carry(socat.connect(), direction, SPLICED)
        });
        println!("    {}", rate("ours", ours, SPLICED));
        println!(
            "    {}   ours is {times:.2} times as fast",
            rate("socat", theirs, SPLICED)
        );
        bounds.at_least(LEAST_OF_SOCAT, times, &format!("socat's speed, {direction}"));
    }
    hosted.stop();
}

#[derive(Default)]
struct Bounds {
    failures: Vec<String>,
}

impl Bounds {
    fn at_least(&mut self, least: f64, times: f64, what: &str) {
        if times < least {
            self.failures
                .push(format!("{times:.2} times {what}, at least {least}"));
        }
    }
}

/// The medians of both, and the median of how many times faster the first is in a round: they take turns, so that what
/// else the machine does hits both alike.
fn side_by_side(
    rounds: usize,
    mut ours: impl FnMut() -> Duration,
    mut theirs: impl FnMut() -> Duration,
) -> (Duration, Duration, f64) {
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    // The first round is for caches, and for comparing what arrived.
    for round in 0..=rounds {
        let times = (ours(), theirs());
        if round > 0 {
            our_times.push(times.0);
            their_times.push(times.1);
        }
    }
    let ratios = our_times.iter().zip(&their_times);
    let ratio = median(
        ratios
            .map(|(ours, theirs)| theirs.div_duration_f64(*ours))
            .collect(),
    );
    (median(our_times), median(their_times), ratio)
}

fn rounds(rounds: usize, mut run: impl FnMut() -> Duration) -> Vec<Duration> {
    run();
    (0..rounds).map(|_| run()).collect()
}

fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = run();
    (start.elapsed(), result)
}

fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable_by(|one, other| one.partial_cmp(other).expect("numbers"));
    values.get(values.len() / 2).copied().expect("at least one round")
}

fn milliseconds(time: Duration) -> String {
    format!("{:8.2} ms", time.as_secs_f64() * 1e3)
}

fn rate(name: &str, time: Duration, bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    format!(
        "{name:10} {}, {:6.0} MiB/s",
        milliseconds(time),
        mebibytes / time.as_secs_f64()
    )
}
