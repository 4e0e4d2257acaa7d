//! OpenSSH's `sftp` and its `sshd`.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::bytes::Direction;
use crate::samples::{self, Samples};
use crate::timed;

const SSHD: &str = "/usr/sbin/sshd";
/// Where it expects an empty directory, when root runs it.
const PRIVILEGE_SEPARATION: &str = "/run/sshd";
const SFTP_SERVERS: [&str; 3] = [
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
];
const START: Duration = Duration::from_secs(10);

/// A server of our own, with nothing but its keys, its port and its user set.
pub(crate) struct Sshd {
    process: Child,
    keys: TempDir,
    pub(crate) port: u16,
    pub(crate) user: String,
    /// Where the copies on its side go.
    pub(crate) directory: PathBuf,
}

impl Sshd {
    /// One that keeps files where the samples lie. Prints why if there is none.
    pub(crate) fn start(samples: &Samples) -> Option<Self> {
        Self::try_start(samples)
            .inspect_err(|reason| println!("OpenSSH    left out: {reason}"))
            .ok()
    }

    fn try_start(samples: &Samples) -> Result<Self, String> {
        let sftp_server = SFTP_SERVERS.into_iter().find(|path| Path::new(path).exists());
        let sftp_server = sftp_server.ok_or("its sftp-server is not installed")?;
        if !Path::new(SSHD).exists() {
            return Err(format!("there is no {SSHD}"));
        }
        let keys = tempfile::tempdir().expect("a directory");
        for name in ["host", "user"] {
            let mut generate = Command::new("ssh-keygen");
            generate
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(keys.path().join(name));
            succeed(&mut generate)?;
        }
        let user = succeed(Command::new("id").arg("-un"))?.trim().to_owned();
        if user == "root" {
            fs::create_dir_all(PRIVILEGE_SEPARATION).map_err(|error| error.to_string())?;
        }
        let port = free_port();
        let at = |name: &str| keys.path().join(name).display().to_string();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             Subsystem sftp {sftp_server}\n",
            at("host"),
            at("user.pub"),
        );
        fs::write(keys.path().join("config"), config).expect("it is written");
        let process = Command::new(SSHD)
            .args(["-D", "-e", "-f", &at("config")])
            .stdin(Stdio::null())
            .stderr(fs::File::create(keys.path().join("log")).expect("a file"))
            .spawn()
            .map_err(|error| error.to_string())?;
        let directory = samples.path("sshd");
        fs::create_dir(&directory).expect("a directory");
        let sshd = Self {
            process,
            keys,
            port,
            user,
            directory,
        };
        let asked = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if asked.elapsed() > START {
                return Err(fs::read_to_string(sshd.keys.path().join("log")).unwrap_or_default());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(sshd)
    }

    pub(crate) fn user_key(&self) -> PathBuf {
        self.keys.path().join("user")
    }

    /// How long `sftp` takes for one sample.
    pub(crate) fn copy(&self, samples: &Samples, direction: Direction, name: &str) -> Duration {
        let (here, there) = (samples.path(name), self.directory.join(name));
        let (put, arrived) = match direction {
            Direction::Up => ("put", there.clone()),
            Direction::Down => ("get", samples.path("fetched")),
        };
        samples::remove(&arrived);
        let (from, to) = match direction {
            Direction::Up => (&here, &self.directory),
            Direction::Down => (&there, &arrived),
        };
        let (from, to) = (from.display(), to.display());
        let recursively = if here.is_dir() { "-r" } else { "" };
        let batch = self.keys.path().join("batch");
        fs::write(&batch, format!("{put} {recursively} {from} {to}\n")).expect("it is written");
        let (time, copied) = timed(|| succeed(&mut self.sftp(&batch)));
        copied.expect("sftp copies");
        if samples.is_first(format!("OpenSSH {direction} {name}")) {
            samples.compare(name, &arrived);
        }
        time
    }

    fn sftp(&self, batch: &Path) -> Command {
        let mut sftp = Command::new("sftp");
        let known = format!("UserKnownHostsFile={}", self.keys.path().join("known").display());
        sftp.args([
            "-q",
            "-F",
            "/dev/null",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            &known,
        ])
        .arg("-i")
        .arg(self.user_key())
        .arg("-b")
        .arg(batch)
        .args(["-P", &self.port.to_string(), &format!("{}@127.0.0.1", self.user)]);
        sftp
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on now. For programs that cannot say which they took.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// What a command wrote.
pub(crate) fn succeed(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().last().unwrap_or("it failed").to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
