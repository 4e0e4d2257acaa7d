//! Where a token must not be: anywhere in a session.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_tests::{session_directory, trials};
use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpStream, UnixListener, UnixStream};

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "token":
        the_token_is_not_in_the_session,
        the_token_is_not_in_the_memory_of_the_session,
        the_token_is_not_among_what_the_agent_is_sent,
    ]
}

/// Neither in the environment, the arguments and the memory of any process that the session sees, nor in a file.
async fn the_token_is_not_in_the_session(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let (head, tail) = house.token().split_at(10);
    let code = format!(
        r#"
import glob
token = ({head:?} + {tail:?}).encode()
read = 0
for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):
    try: data = open(path, 'rb').read()
    except OSError: continue
    read += 1
    assert token not in data, path
for maps in glob.glob('/proc/[0-9]*/maps'):
    try: lines = open(maps).read().splitlines()
    except OSError: continue
    # This program knows both halves itself.
    if maps == '/proc/self/maps' or maps == f'/proc/{{__import__("os").getpid()}}/maps': continue
    for line in lines:
        start, end = (int(part, 16) for part in line.split()[0].split('-'))
        if 'r' not in line.split()[1]: continue
        try:
            memory = open(maps.replace('maps', 'mem'), 'rb'); memory.seek(start); data = memory.read(min(end - start, 1 << 26))
        except (OSError, ValueError, OverflowError): continue
        read += 1
        assert token not in data, maps
print('searched', read > 0)
"#
    );
    let output = ssh.run_command("python3 -").stdin(code).await.unwrap();
    assert_eq!(output.stdout(), "searched True\n", "{}", output.stderr());
    session.delete().await.unwrap();
}

/// What could give it away: as it is, and as it is in a header of the kind Basic.
fn traces(token: &str) -> Vec<Vec<u8>> {
    let basic = STANDARD.encode(format!("sandbox:{token}"));
    // Its end depends on what stands before the token, in one of three ways.
    vec![
        token.as_bytes().to_vec(),
        basic.trim_end_matches('=').as_bytes()[12..].to_vec(),
    ]
}

fn assert_without(token: &str, bytes: &[u8], place: &str) {
    for trace in traces(token) {
        assert!(!contains(bytes, &trace), "the token is in {place}");
    }
}

fn contains(bytes: &[u8], trace: &[u8]) -> bool {
    let Some((first, rest)) = trace.split_first() else {
        return true;
    };
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| byte == first) {
        from += at + 1;
        if bytes[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

/// `CONNECT` in each form of target and header that carries a token.
fn requests(id: &str, token: &str) -> Vec<String> {
    let basic = STANDARD.encode(format!("sandbox:{token}"));
    let headers = [
        format!("Authorization: Bearer {token}"),
        format!("Proxy-Authorization: Bearer {token}"),
        format!("Proxy-Authorization: Basic {basic}"),
    ];
    let targets = [
        format!("/v1/sessions/{id}"),
        format!("/sessions/{id}"),
        format!("/v1/sessions/{id}/tunnel"),
        format!("/sessions/{id}/tunnel"),
        format!("http://sandbox/v1/sessions/{id}"),
        format!("{id}:22"),
    ];
    let forms = targets
        .iter()
        .flat_map(|target| headers.iter().map(move |header| (target, header)));
    forms
        .map(|(target, header)| format!("CONNECT {target} HTTP/1.1\r\nHost: sandbox\r\n{header}\r\n\r\n"))
        .collect()
}

/// A tunnel in which the agent has said its name. The request and the client's first words come in one piece.
async fn tunnel(house: &House, request: &str) -> TcpStream {
    let url: reqwest::Url = house.client().api_url().to_string().parse().unwrap();
    let mut stream = TcpStream::connect(*url.socket_addrs(|| None).unwrap().first().unwrap())
        .await
        .unwrap();
    stream
        .write_all(format!("{request}SSH-2.0-by-hand\r\n").as_bytes())
        .await
        .unwrap();
    let mut heard = Vec::new();
    while !contains(&heard, b"SSH-2.0-sandbox_") {
        assert_ne!(
            stream.read_buf(&mut heard).await.unwrap(),
            0,
            "{}",
            String::from_utf8_lossy(&heard)
        );
    }
    stream
}

/// Of the agent and of all that it has started, as this machine sees it, while tunnels of every form are open and
/// every way into the session has been used.
async fn the_token_is_not_in_the_memory_of_the_session(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let _running = ssh.exec("cat").await.unwrap();
    use_every_way(&session, &ssh).await;
    let mut tunnels = Vec::new();
    for request in requests(&session.id().to_string(), house.token()) {
        tunnels.push(tunnel(&house, &request).await);
    }
    let agent = house.agent(&session).process.0;
    let family = family(agent);
    assert!(family.len() > 1, "{family:?}");
    let mut hidden = 0;
    for pid in family {
        for name in ["environ", "cmdline"] {
            if let Ok(bytes) = fs::read(format!("/proc/{pid}/{name}")) {
                assert_without(house.token(), &bytes, name);
            }
        }
        let search = Search::of(pid, house.token());
        assert_eq!(search.found, None);
        hidden += usize::from(search.bytes == 0);
    }
    if rustix::process::geteuid().is_root() {
        assert_eq!(hidden, 0, "not all of it was looked through");
    } else {
        println!("skipped: only root may look into the memory of an agent");
    }
    // It would have been found where it is.
    let mut knowing = Command::new("sleep")
        .arg("100")
        .env("TOKEN", house.token())
        .spawn()
        .unwrap();
    let search = Search::of(knowing.id(), house.token());
    knowing.kill().unwrap();
    knowing.wait().unwrap();
    assert!(search.found.is_some());
    session.delete().await.unwrap();
}

/// A process and all below it.
fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let below = children
        .split_whitespace()
        .flat_map(|child| family(child.parse().unwrap()));
    std::iter::once(pid).chain(below).collect()
}

/// What was looked through of a process's memory, and where the token was found.
struct Search {
    bytes: u64,
    found: Option<String>,
}

impl Search {
    fn of(pid: u32, token: &str) -> Self {
        let mut search = Self {
            bytes: 0,
            found: None,
        };
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let Ok(memory) = File::open(format!("/proc/{pid}/mem")) else {
            return search;
        };
        // What cannot be written is the program's.
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
            let mut bytes = vec![0; (end - start) as usize];
            if memory.read_exact_at(&mut bytes, start).is_ok() {
                search.bytes += end - start;
                if traces(token).iter().any(|trace| contains(&bytes, trace)) {
                    search.found = Some(line.to_owned());
                }
            }
        }
        search
    }
}

/// The bytes that come through the agent's socket, from the server and from whoever has a tunnel.
async fn the_token_is_not_among_what_the_agent_is_sent(house: Arc<House>) {
    let session = house.session().await;
    let record = Recorder::before(session_directory(house.state(), session.id()));
    let ssh = session.ssh().await.unwrap();
    use_every_way(&session, &ssh).await;
    for request in requests(&session.id().to_string(), house.token()) {
        drop(tunnel(&house, &request).await);
    }
    let sent = record.0.lock().unwrap().clone();
    assert!(contains(&sent, b"SSH-2.0-by-hand\r\n"), "nothing was recorded");
    assert_without(house.token(), &sent, "what the agent was sent");
    assert!(!contains(&sent, b"HTTP/1.1") && !contains(&sent, b"uthorization"));
    session.delete().await.unwrap();
}

async fn use_every_way(session: &sandbox_sessions::Session, ssh: &sandbox_sessions::SessionSshClient) {
    assert!(session.run_command("true").await.unwrap().success());
    session.run_code("print(1)").await.unwrap();
    session
        .upload_file("file", "content")
        .overwrite(true)
        .await
        .unwrap();
    session
        .download_file("file")
        .await
        .unwrap()
        .bytes(100)
        .await
        .unwrap();
    assert!(ssh.run_command("env").await.unwrap().is_success());
    assert_eq!(ssh.sftp().await.unwrap().metadata("file").await.unwrap().size, 7);
}

/// Listens where the agent did, and keeps what it passes on to it.
struct Recorder(Arc<Mutex<Vec<u8>>>);

impl Recorder {
    fn before(directory: PathBuf) -> Self {
        // By a path that is short enough for a socket.
        let opened = File::open(directory).unwrap();
        let directory = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
        let (socket, agent) = (directory.join("agent.sock"), directory.join("recorded.sock"));
        fs::rename(&socket, &agent).unwrap();
        let listener = StdUnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (listener, record) = (
            UnixListener::from_std(listener).unwrap(),
            Arc::new(Mutex::new(Vec::new())),
        );
        let recorded = record.clone();
        tokio::spawn(async move {
            let _opened = opened;
            while let Ok((stream, _)) = listener.accept().await {
                let agent = UnixStream::connect(&agent).await.unwrap();
                let ((mut from, mut to), (mut from_agent, mut to_agent)) =
                    (stream.into_split(), agent.into_split());
                tokio::spawn(async move { drop(copy(&mut from_agent, &mut to).await) });
                let recorded = recorded.clone();
                tokio::spawn(async move {
                    let mut piece = vec![0; 1 << 16];
                    while let Ok(read @ 1..) = from.read(&mut piece).await {
                        recorded.lock().unwrap().extend_from_slice(&piece[..read]);
                        if to_agent.write_all(&piece[..read]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self(record)
    }
}
