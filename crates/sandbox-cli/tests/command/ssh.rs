//! `sandbox ssh`, `proxy`, `ssh-config` and `forward`, and OpenSSH's own programs through them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{Place, Serve, assert_output, send, stderr, stdout, wait};
use crate::terminal::Terminal;

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 11] = [
        ("commands_have_input_output_and_exit_codes", commands),
        ("much_goes_both_ways_at_once", much),
        ("a_shell_is_at_this_terminal", shell),
        ("failures_have_exit_codes", failures),
        ("a_port_is_forwarded_until_interrupted", forward),
        ("everything_works_over_tls", tls),
        ("openssh_runs_commands", openssh),
        ("openssh_refuses_another_host_key", another_host_key),
        ("openssh_needs_the_key_of_a_session", session_key),
        ("openssh_copies_files", copies),
        ("openssh_multiplexes_and_forwards", multiplexes),
    ];
    tests
        .into_iter()
        .map(|(name, test)| {
            Trial::test(format!("ssh::{name}"), move || {
                test();
                Ok(())
            })
        })
        .collect()
}

/// A server with a session.
struct House {
    place: Place,
    serve: Serve,
    id: String,
}

impl House {
    fn open(create: &[&str]) -> Self {
        let place = Place::new();
        let serve = Serve::start(&place, &[]);
        let created = serve.output(&place, &[&["create", "--ttl", "600"], create].concat());
        assert!(created.status.success(), "{}", stderr(&created));
        let id = stdout(&created).trim().to_owned();
        Self { place, serve, id }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.serve.reached_by(self.place.command(arguments))
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.directory.path().join(name)
    }

    /// Writes what `ssh-config` prints.
    fn config(&self, arguments: &[&str]) -> PathBuf {
        let printed = self.output(&[&["ssh-config"], arguments].concat());
        assert!(printed.status.success(), "{}", stderr(&printed));
        let path = self.path("ssh_config");
        fs::write(&path, &printed.stdout).unwrap();
        path
    }

    /// One of OpenSSH's programs with that configuration; `None` where it is not installed or does not run.
    fn openssh(&self, program: &str, arguments: &[&str]) -> Option<Command> {
        let installed = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output()
            .unwrap();
        if !installed.status.success() {
            println!("skipped: {program} is not installed");
            return None;
        }
        let config = self.path("ssh_config");
        if !config.exists() {
            self.config(&[&self.id]);
        }
        let mut command = self.serve.reached_by(self.place.program(program.as_ref(), &[]));
        command
            .arg("-F")
            .arg(config)
            .args(["-o", "BatchMode=yes"])
            .args(arguments);
        Some(command)
    }

    /// The name that `ssh-config` gives the session.
    fn host(&self) -> String {
        format!("sandbox-{}", &self.id[..8])
    }
}

fn with_input(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut pipe, input) = (child.stdin.take().unwrap(), input.to_vec());
    let feeding = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

fn commands() {
    let house = House::open(&[]);
    let id = house.id.as_str();
    let output = house.output(&["ssh", &id[..8], "echo out; echo err >&2; exit 3"]);
    assert_output(&output, 3, "out\n");
    assert_eq!(stderr(&output), "err\n");
    assert_output(
        &house.output(&["ssh", id, "printf", "%s|", "a b", "$HOME"]),
        0,
        "a b|$HOME|",
    );
    assert_output(
        &house.output(&["ssh", id, "-e", "GREETING=hello", "--", "echo $GREETING"]),
        0,
        "hello\n",
    );
    assert_output(&house.output(&["ssh", id, "kill -KILL $$"]), 137, "");
    let output = with_input(house.command(&["ssh", id, "sort"]), b"b\na\n");
    assert_output(&output, 0, "a\nb\n");
    // A shell reads its commands from what is no terminal.
    let output = with_input(house.command(&["ssh", id]), b"test -t 0 || echo none\nexit 4\n");
    assert_output(&output, 4, "none\n");
}

fn much() {
    let house = House::open(&[]);
    let sent = noise(32 << 20);
    let output = with_input(house.command(&["ssh", &house.id, "cat"]), &sent);
    assert!(
        output.status.success() && output.stdout == sent,
        "{} {}",
        output.stdout.len(),
        stderr(&output)
    );
}

fn shell() {
    let house = House::open(&[]);
    let mut terminal = Terminal::start(house.command(&["ssh", &house.id]));
    // Twelve lines of a hundred columns, as every terminal here; the quotes keep the echo from being taken for it.
    terminal.type_in("echo is''terminal; stty size\r");
    terminal.await_output("isterminal");
    terminal.await_output("12 100");
    // To the program there, and not to this command.
    terminal.type_in("sh -c 'trap \"echo ca\\\"\\\"ught; exit\" INT; echo wait\"\"ing; sleep 1000'\r");
    terminal.await_output("waiting");
    terminal.type_in("\x03");
    terminal.await_output("caught");
    terminal.type_in("echo still''here; exit 5\r");
    terminal.await_output("stillhere");
    let (status, _, err) = terminal.end();
    assert_eq!(status.code(), Some(5), "{err}");
    let (status, out, _) = Terminal::run(house.command(&["ssh", &house.id, "-t", "test -t 0 && echo yes"]));
    assert!(status.success() && out.contains("yes"), "{out}");
}

fn failures() {
    let house = House::open(&[]);
    let nobody = "00000000-0000-4000-8000-000000000000";
    assert_output(&house.output(&["ssh", nobody, "true"]), 66, "");
    assert_output(&house.output(&["proxy", nobody]), 66, "");
    assert_output(&house.output(&["ssh-config", nobody]), 66, "");
    assert_output(&house.output(&["forward", nobody, "80"]), 66, "");
    assert_output(&house.output(&["forward", &house.id, "80:x"]), 2, "");
    assert_output(
        &house.output(&["ssh", &house.id, "-i", "/nowhere", "true"]),
        65,
        "",
    );
    let mut stranger = house.command(&["proxy", &house.id]);
    assert_output(
        &stranger
            .env("SANDBOX_API_TOKEN", "not-the-token-at-all")
            .output()
            .unwrap(),
        77,
        "",
    );
}

fn forward() {
    let house = House::open(&[]);
    let server = "import http.server, socketserver\n\
                  s = socketserver.TCPServer(('127.0.0.1', 8000), http.server.SimpleHTTPRequestHandler)\n\
                  print('ready', flush=True); s.serve_forever()";
    let mut serving = house
        .command(&["ssh", &house.id, "python3", "-c", server])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(first_line(&mut serving), "ready");
    let mut forwarding = house
        .command(&["forward", &house.id, "8000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = first_line(&mut forwarding);
    let address = line.strip_suffix(" -> 8000").expect(&line);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
    send(&forwarding, Signal::INT);
    assert_eq!(wait(&mut forwarding).code(), Some(130));
    send(&serving, Signal::TERM);
    assert_eq!(wait(&mut serving).code(), Some(143));
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    line.trim_end().to_owned()
}

fn tls() {
    let place = Place::new();
    let serve = Serve::start(&place, &["--tls-self-signed"]);
    assert!(serve.url.starts_with("https://"), "{}", serve.url);
    let certificate = place.directory.path().join("state/certificate.pem");
    let command = |arguments: &[&str]| {
        let mut command = serve.reached_by(place.command(arguments));
        command.env("SSL_CERT_FILE", &certificate);
        command
    };
    let id = stdout(&command(&["create"]).output().unwrap()).trim().to_owned();
    let sent = noise(8 << 20);
    let output = with_input(command(&["ssh", &id, "cat"]), &sent);
    assert!(
        output.status.success() && output.stdout == sent,
        "{} {}",
        output.stdout.len(),
        stderr(&output)
    );
    assert_output(&command(&["exec", &id, "echo in"]).output().unwrap(), 0, "in\n");
    // Who was not told does not trust it, neither for requests nor for tunnels.
    for arguments in [&["ls"][..], &["ssh", &id, "true"], &["proxy", &id]] {
        let mut stranger = serve.reached_by(place.command(arguments));
        assert_output(&stranger.env_remove("SSL_CERT_FILE").output().unwrap(), 69, "");
    }
    let mut plain = command(&["ls", "--api-url", &serve.url.replace("https", "http")]);
    assert_output(&plain.output().unwrap(), 69, "");
    assert!(command(&["rm", &id]).status().unwrap().success());
}

fn openssh() {
    let house = House::open(&[]);
    let Some(mut ssh) = house.openssh("ssh", &[&house.host(), "echo out; echo err >&2; exit 3"]) else {
        return;
    };
    let output = ssh.output().unwrap();
    assert_output(&output, 3, "out\n");
    assert!(stderr(&output).contains("err"), "{}", stderr(&output));
    // By the whole id, too, in a configuration of all sessions.
    house.config(&[]);
    let sent = noise(32 << 20);
    let output = with_input(house.openssh("ssh", &[&house.id, "cat"]).unwrap(), &sent);
    assert!(
        output.status.success() && output.stdout == sent,
        "{} {}",
        output.stdout.len(),
        stderr(&output)
    );
}

fn another_host_key() {
    let (house, other) = (House::open(&[]), House::open(&[]));
    let Some(mut ssh) = house.openssh("ssh", &[&house.host(), "true"]) else {
        return;
    };
    let key_of = |house: &House| {
        let text = fs::read_to_string(house.config(&[&house.id])).unwrap();
        let line = text
            .lines()
            .find(|line| line.contains("KnownHostsCommand"))
            .unwrap();
        line.rsplit_once(' ').unwrap().1.to_owned()
    };
    let (right, wrong) = (key_of(&house), key_of(&other));
    let config = house.path("ssh_config");
    let text = fs::read_to_string(&config).unwrap().replace(&right, &wrong);
    fs::write(&config, text).unwrap();
    let output = ssh.output().unwrap();
    assert_output(&output, 255, "");
    assert!(
        stderr(&output).contains("HOST IDENTIFICATION HAS CHANGED"),
        "{}",
        stderr(&output)
    );
}

fn session_key() {
    let keys = tempfile::tempdir().unwrap();
    let (right, wrong) = (keys.path().join("right"), keys.path().join("wrong"));
    for key in [&right, &wrong] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(key)
            .status();
        if !made.is_ok_and(|status| status.success()) {
            println!("skipped: ssh-keygen is not installed");
            return;
        }
    }
    let public = right.with_extension("pub");
    let house = House::open(&["--ssh-public-key", public.to_str().unwrap()]);
    let (id, right, wrong) = (
        house.id.as_str(),
        right.to_str().unwrap(),
        wrong.to_str().unwrap(),
    );
    assert_output(&house.output(&["ssh", id, "-i", right, "echo in"]), 0, "in\n");
    assert_output(&house.output(&["ssh", id, "-i", wrong, "true"]), 77, "");
    assert_output(&house.output(&["ssh", id, "true"]), 77, "");
    for (key, code, printed) in [(right, 0, "in\n"), (wrong, 255, "")] {
        house.config(&[id, "-i", key]);
        let Some(mut ssh) = house.openssh("ssh", &[&house.host(), "echo in"]) else {
            return;
        };
        assert_output(&ssh.output().unwrap(), code, printed);
    }
}

fn copies() {
    let house = House::open(&[]);
    let (content, host) = (noise(3 << 20), house.host());
    let (up, down) = (house.path("up.bin"), house.path("down.bin"));
    fs::write(&up, &content).unwrap();
    let (up, down, there) = (
        up.to_str().unwrap(),
        down.to_str().unwrap(),
        format!("{host}:there.bin"),
    );
    for options in [&[][..], &["-O"]] {
        for pair in [[up, &there], [&there, down]] {
            let Some(mut scp) = house.openssh("scp", &[options, &pair].concat()) else {
                return;
            };
            assert_output(&scp.output().unwrap(), 0, "");
        }
        assert!(fs::read(down).unwrap() == content, "{options:?}");
        fs::remove_file(down).unwrap();
    }
    let batch = format!("put {up} second.bin\nget second.bin {down}\nrm second.bin\n");
    let output = with_input(
        house.openssh("sftp", &["-b", "-", &host]).unwrap(),
        batch.as_bytes(),
    );
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(fs::read(down).unwrap() == content);
    rsync(&house, &content);
}

fn rsync(house: &House, content: &[u8]) {
    let in_session = house
        .output(&["ssh", &house.id, "command -v rsync"])
        .status
        .success();
    let Some(ssh) = house.openssh("ssh", &[]).filter(|_| in_session) else {
        println!("skipped: rsync is not installed");
        return;
    };
    let words: Vec<&str> = [ssh.get_program()]
        .into_iter()
        .chain(ssh.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let back = house.path("back.bin");
    let mut rsync = house.serve.reached_by(
        house
            .place
            .program("rsync".as_ref(), &["-a", "-e", &words.join(" ")]),
    );
    rsync.arg(format!("{}:there.bin", house.host())).arg(&back);
    assert_output(&rsync.output().unwrap(), 0, "");
    assert!(fs::read(&back).unwrap() == content);
}

/// Two connections with twenty sessions each, and a port.
fn multiplexes() {
    let house = House::open(&[]);
    for master in ["one", "two"] {
        let socket = house.path(master);
        let control = format!("ControlPath={}", socket.display());
        let Some(mut first) = house.openssh("ssh", &["-o", &control, "-M", "-N", "-f", "-n", &house.host()])
        else {
            return;
        };
        // It goes to the background when it has logged in, and would keep pipes open.
        let started = first
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(started.success());
        let running: Vec<_> = (0..20)
            .map(|n| {
                let command = format!("sleep 1; echo {n}");
                let mut ssh = house
                    .openssh("ssh", &["-o", &control, &house.host(), &command])
                    .unwrap();
                ssh.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for (n, child) in running.into_iter().enumerate() {
            assert_output(&child.wait_with_output().unwrap(), 0, &format!("{n}\n"));
        }
        let end = ["-o", &control, "-O", "exit", &house.host()];
        assert!(
            house
                .openssh("ssh", &end)
                .unwrap()
                .output()
                .unwrap()
                .status
                .success()
        );
    }
    let Some(mut ssh) = house.openssh("ssh", &["-W", "127.0.0.1:1", &house.host()]) else {
        return;
    };
    let refused = ssh.output().unwrap();
    assert!(
        !refused.status.success() && stderr(&refused).contains("open failed"),
        "{}",
        stderr(&refused)
    );
}
