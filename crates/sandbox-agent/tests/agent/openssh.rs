//! The agent as OpenSSH's own clients find it.

use std::{
    ffi::OsString,
    fs::File,
    io::{Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    path::Path,
    process::{Command, Output, Stdio},
};

use libtest_mimic::Trial;

use crate::harness::{TestAgent, noise, not_installed, skipped, trial};

/// The first argument that makes the test program carry its standard streams to a Unix socket, as
/// `ProxyCommand`.
const PROXY_ARGUMENT: &str = "__proxy";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("openssh_runs_commands", commands),
        trial("openssh_carries_bulk_both_ways", bulk),
        trial("openssh_gets_a_terminal", terminal),
        trial("openssh_sftp_does_all_it_can", sftp),
        trial("openssh_scp_copies_both_ways", scp),
    ]
}

/// Becomes the proxy if asked.
pub(crate) fn proxy_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|argument| argument != PROXY_ARGUMENT) {
        return;
    }
    let from_agent = UnixStream::connect(arguments.next().unwrap()).unwrap();
    let to_agent = from_agent.try_clone().unwrap();
    std::thread::spawn(move || {
        carry(std::io::stdin(), &to_agent);
        let _ = to_agent.shutdown(std::net::Shutdown::Write);
    });
    // Not through `Stdout`, which waits for ends of lines.
    let to_client = File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
    carry(from_agent, &to_client);
    std::process::exit(0);
}

/// Passes on whatever comes at once. (`std::io::copy` leaves it to the kernel, which waits for more.)
fn carry(mut from: impl Read, mut to: impl Write) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// Runs a client, if there is one on this host.
async fn client(agent: &TestAgent, program: &str, arguments: &[&str], stdin: Vec<u8>) -> Option<Output> {
    let socket = agent.socket();
    let known_hosts = socket.with_file_name("known_hosts");
    std::fs::write(
        &known_hosts,
        format!("sandbox {}\n", agent.host_key.public_key().to_openssh().unwrap()),
    )
    .unwrap();
    let mut command = Command::new(program);
    for option in options(&socket, &known_hosts) {
        command.arg("-o").arg(option);
    }
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let running = tokio::task::spawn_blocking(move || {
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => panic!("{error}"),
        };
        let mut to_child = child.stdin.take().unwrap();
        let writing = std::thread::spawn(move || drop(to_child.write_all(&stdin)));
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        Some(output)
    });
    let Some(output) = running.await.unwrap() else {
        not_installed(program);
        return None;
    };
    let complaint = text(&output.stderr);
    if complaint.contains("No user exists for uid") || complaint.contains("unknown user") {
        skipped(&format!("{program} does not run for a user without a name"));
        return None;
    }
    Some(output)
}

fn options(socket: &Path, known_hosts: &Path) -> Vec<OsString> {
    let program = std::env::current_exe().unwrap();
    vec![
        format!(
            "ProxyCommand={} {PROXY_ARGUMENT} {}",
            program.display(),
            socket.display()
        )
        .into(),
        format!("UserKnownHostsFile={}", known_hosts.display()).into(),
        "GlobalKnownHostsFile=/dev/null".into(),
        "StrictHostKeyChecking=yes".into(),
        "BatchMode=yes".into(),
        "User=sandbox".into(),
    ]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Only with `-F none` the user's own configuration is out of the way.
const PLAIN: [&str; 2] = ["-F", "none"];

async fn commands() {
    let agent = TestAgent::start();
    let arguments = [&PLAIN[..], &["sandbox", "echo out; echo err >&2; exit 3"]].concat();
    let Some(output) = client(&agent, "ssh", &arguments, vec![]).await else {
        return;
    };
    assert_eq!(
        (text(&output.stdout).as_str(), output.status.code()),
        ("out\n", Some(3)),
        "{}",
        text(&output.stderr)
    );
    assert!(text(&output.stderr).contains("err"));
    let arguments = [&PLAIN[..], &["sandbox", "kill -TERM $$"]].concat();
    let output = client(&agent, "ssh", &arguments, vec![]).await.unwrap();
    assert_eq!(
        output.status.code(),
        Some(255),
        "OpenSSH's way to report a signal"
    );
}

async fn bulk() {
    let agent = TestAgent::start();
    let bytes = noise(32 << 20);
    let arguments = [&PLAIN[..], &["sandbox", "cat"]].concat();
    let Some(output) = client(&agent, "ssh", &arguments, bytes.clone()).await else {
        return;
    };
    assert!(
        output.stdout == bytes,
        "{} bytes: {}",
        output.stdout.len(),
        text(&output.stderr)
    );
}

async fn terminal() {
    let agent = TestAgent::start();
    let arguments = [&PLAIN[..], &["-tt", "sandbox"]].concat();
    let commands = b"test -t 0 && echo is''terminal\nexit 4\n".to_vec();
    let Some(output) = client(&agent, "ssh", &arguments, commands).await else {
        return;
    };
    assert!(
        text(&output.stdout).contains("isterminal"),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
}

async fn sftp() {
    let agent = TestAgent::start();
    let local = tempfile::tempdir().unwrap();
    let (up, down) = (local.path().join("up"), local.path().join("down"));
    let bytes = noise(3 << 20);
    std::fs::write(&up, &bytes).unwrap();
    let batch = format!(
        "put {up} first\nmkdir d\nrename first d/second\nput {up} first\nrename first d/second\n\
         ln -s second d/link\nln d/second d/hard\nchmod 600 d/hard\nls -la d\ndf\n\
         get d/link {down}\nrm d/hard\npwd\n",
        up = up.display(),
        down = down.display()
    );
    let arguments = [&PLAIN[..], &["-b", "-", "sandbox"]].concat();
    let Some(output) = client(&agent, "sftp", &arguments, batch.into_bytes()).await else {
        return;
    };
    assert!(
        output.status.success(),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    assert!(std::fs::read(down).unwrap() == bytes);
    let link = agent.workspace().join("d/link");
    assert_eq!(
        std::fs::read_link(link).unwrap().to_str(),
        Some("second"),
        "{}",
        text(&output.stdout)
    );
    let listing = text(&output.stdout);
    assert!(
        listing.contains("lrwxrwxrwx") && listing.contains("-rw-------"),
        "{listing}"
    );
}

async fn scp() {
    let agent = TestAgent::start();
    let local = tempfile::tempdir().unwrap();
    let (up, down) = (local.path().join("up"), local.path().join("down"));
    let bytes = noise(1 << 20);
    std::fs::write(&up, &bytes).unwrap();
    let arguments = [&PLAIN[..], &[up.to_str().unwrap(), "sandbox:copied"]].concat();
    let Some(output) = client(&agent, "scp", &arguments, vec![]).await else {
        return;
    };
    assert!(output.status.success(), "{}", text(&output.stderr));
    let arguments = [&PLAIN[..], &["sandbox:copied", down.to_str().unwrap()]].concat();
    let output = client(&agent, "scp", &arguments, vec![]).await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(std::fs::read(down).unwrap() == bytes);
}
