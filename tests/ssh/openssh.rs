//! OpenSSH's own programs, through a port of this machine that leads to a session.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use contract_tests::trials;
use libtest_mimic::Trial;
use sandbox_sessions::Session;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::house::House;
use crate::noise::Noise;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "openssh":
        much_goes_both_ways_at_once,
        a_program_need_not_read_its_input,
        one_session_unread_leaves_the_others_alone,
        links_and_special_files_lead_nowhere_else,
    ]
}

/// A port that leads to a session, and how OpenSSH's programs are told of it.
struct Port {
    number: u16,
    connections: Arc<AtomicUsize>,
    directory: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl Port {
    async fn to(session: &Session) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let number = listener.local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        let known = format!("[127.0.0.1]:{number} {}\n", session.ssh_host_key().unwrap());
        std::fs::write(directory.path().join("known_hosts"), known).unwrap();
        let (session, connections) = (session.clone(), Arc::new(AtomicUsize::new(0)));
        let count = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                count.fetch_add(1, Relaxed);
                let mut tunnel = session.ssh().open_tunnel().await.unwrap();
                // That one of them is lost is no business of the test's.
                tokio::spawn(async move { drop(copy_bidirectional(&mut stream, &mut tunnel).await) });
            }
        });
        Self {
            number,
            connections,
            directory,
            task,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `None` where the program is not there, or does not run for this user.
    fn command<A: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Option<Command> {
        let version = Command::new("ssh").arg("-V").stderr(Stdio::piped()).output();
        let runs = version.is_ok_and(|said| said.status.success());
        if !runs {
            println!("skipped: OpenSSH's programs do not run here");
            return None;
        }
        let mut command = Command::new(program);
        command.args(["-F", "none"]);
        for option in [
            format!("Port={}", self.number),
            format!("UserKnownHostsFile={}", self.path("known_hosts").display()),
            format!("ControlPath={}", self.path("master").display()),
            "GlobalKnownHostsFile=/dev/null".into(),
            "StrictHostKeyChecking=yes".into(),
            "BatchMode=yes".into(),
            "User=sandbox".into(),
        ] {
            command.args(["-o", &option]);
        }
        command.args(arguments);
        Some(command)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A child that is killed when the test ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn piped(mut command: Command) -> Killed {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    Killed(child.expect("it starts"))
}

const HOST: &str = "127.0.0.1";

async fn much_goes_both_ways_at_once(house: Arc<House>) {
    const SIZE: u64 = 256 << 20;
    let session = house.session().await;
    assert!(session.run_command("true").await.unwrap().success());
    let agent = house.agent(&session);
    let port = Port::to(&session).await;
    if let Some(ssh) = port.command("ssh", [HOST, "cat"]) {
        let carried = spawn_blocking(move || {
            let (mut ssh, noise) = (piped(ssh), Noise::new());
            let (mut stdin, pieces) = (ssh.0.stdin.take().unwrap(), noise.pieces(SIZE));
            let writing = std::thread::spawn(move || {
                for piece in pieces {
                    stdin.write_all(&piece).unwrap();
                }
            });
            let (mut expected, mut stdout) = (noise.expect(SIZE), ssh.0.stdout.take().unwrap());
            let mut piece = vec![0; 1 << 16];
            while let read @ 1.. = stdout.read(&mut piece).unwrap() {
                expected.take(&piece[..read]);
            }
            expected.end();
            writing.join().unwrap();
            assert!(ssh.0.wait().unwrap().success());
        });
        carried.await.unwrap();
        agent.assert_bounded(&[1]);
    }
    session.delete().await.unwrap();
}

async fn a_program_need_not_read_its_input(house: Arc<House>) {
    let session = house.session().await;
    assert!(session.run_command("true").await.unwrap().success());
    let agent = house.agent(&session);
    let port = Port::to(&session).await;
    if let Some(ssh) = port.command("ssh", [HOST, "sleep 2; echo awake"]) {
        let ended = spawn_blocking(move || {
            let mut ssh = piped(ssh);
            let mut stdin = ssh.0.stdin.take().unwrap();
            let writing = std::thread::spawn(move || {
                (0..100)
                    .take_while(|_| stdin.write_all(&vec![7; 1 << 20]).is_ok())
                    .count()
            });
            let mut said = String::new();
            ssh.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
            assert_eq!((&*said, ssh.0.wait().unwrap().code()), ("awake\n", Some(0)));
            assert!(writing.join().unwrap() < 100, "100 MiB were taken, by nobody");
        });
        ended.await.unwrap();
        agent.assert_bounded(&[1]);
    }
    session.delete().await.unwrap();
}

/// Of one connection: OpenSSH's master has several sessions on it.
async fn one_session_unread_leaves_the_others_alone(house: Arc<House>) {
    let session = house.session().await;
    assert!(session.run_command("true").await.unwrap().success());
    let agent = house.agent(&session);
    let port = Port::to(&session).await;
    if let Some(master) = port.command("ssh", ["-M", HOST, "echo ready; cat"]) {
        let unread = port.command("ssh", [HOST, "cat /dev/zero"]).unwrap();
        let others: Vec<Command> = (0..20)
            .map(|n| {
                port.command("ssh", [HOST.to_owned(), format!("echo {n}")])
                    .unwrap()
            })
            .collect();
        let much = port.command("ssh", [HOST, "head -c 32M /dev/zero"]).unwrap();
        let carried = spawn_blocking(move || {
            let mut master = piped(master);
            let mut ready = [0; 6];
            master.0.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
            let _unread = piped(unread);
            // All of the buffers between are full then.
            std::thread::sleep(Duration::from_millis(500));
            for (n, mut other) in others.into_iter().enumerate() {
                let said = other.output().unwrap();
                assert_eq!(String::from_utf8_lossy(&said.stdout), format!("{n}\n"));
            }
            let mut much = piped(much);
            let mut read = std::io::sink();
            let bytes = std::io::copy(much.0.stdout.as_mut().unwrap(), &mut read).unwrap();
            assert_eq!(bytes, 32 << 20);
        });
        carried.await.unwrap();
        assert_eq!(
            port.connections.load(Relaxed),
            1,
            "not all of it was on one connection"
        );
        agent.assert_bounded(&[4]);
    }
    session.delete().await.unwrap();
}

/// Neither for `sftp` nor for either protocol of `scp`: what they get and put is the session's.
async fn links_and_special_files_lead_nowhere_else(house: Arc<House>) {
    const SECRET: &str = "a secret of this machine";
    let (session, ssh) = house.ssh().await;
    let port = Port::to(&session).await;
    let (secret, up, down) = (port.path("secret"), port.path("up"), port.path("down"));
    std::fs::write(&secret, SECRET).unwrap();
    std::fs::write(&up, "from here").unwrap();
    let path = secret.display();
    let links = format!(
        "ln -s {path} absolute; ln -s ../../../../../../..{path} relative; ln -s /proc/self/root{path} root; \
         ln -s /proc/1/root{path} first; mkfifo fifo; ln -s loop loop"
    );
    assert!(ssh.run_command(links).await.unwrap().is_success());
    for name in ["absolute", "relative", "root", "first", "loop"] {
        let (there, here) = (format!("{HOST}:{name}"), down.to_str().unwrap().to_owned());
        let from_here = up.to_str().unwrap().to_owned();
        for [from, to] in [[there.clone(), here], [from_here, there]] {
            for protocol in [&[][..], &["-O"]] {
                let arguments = protocol.iter().map(|flag| (*flag).to_owned());
                let Some(mut scp) = port.command("scp", arguments.chain([from.clone(), to.clone()])) else {
                    return session.delete().await.map(drop).unwrap();
                };
                let _ = spawn_blocking(move || scp.output()).await.unwrap().unwrap();
                let got = std::fs::read_to_string(&down).unwrap_or_default();
                assert!(!got.contains(SECRET), "{from}");
                assert_eq!(std::fs::read_to_string(&secret).unwrap(), SECRET, "{to}");
            }
        }
    }
    // What no one writes to is not waited for.
    let batch = port.path("batch");
    std::fs::write(
        &batch,
        format!(
            "-get fifo {down}\n-put {up} fifo\nls\n",
            down = down.display(),
            up = up.display()
        ),
    )
    .unwrap();
    let mut sftp = port
        .command("sftp", ["-b", batch.to_str().unwrap(), HOST])
        .unwrap();
    let said = spawn_blocking(move || sftp.output()).await.unwrap().unwrap();
    assert!(
        String::from_utf8_lossy(&said.stdout).contains("absolute"),
        "{said:?}"
    );
    session.delete().await.unwrap();
}
