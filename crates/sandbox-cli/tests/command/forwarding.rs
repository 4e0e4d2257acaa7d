//! `sandbox forward` with several ports.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{Place, Serve, assert_output, send, stderr, stdout, trials, wait};

pub(crate) fn trials() -> Vec<Trial> {
    trials!("forwarding": several_ports_lead_to_several)
}

/// Says on each of two ports which one it is.
const SERVER: &str = "
import socket, threading
def serve(listener, name):
    while True:
        connection, _ = listener.accept()
        connection.sendall(name + connection.recv(100)); connection.close()
listeners = [socket.create_server(('127.0.0.1', port)) for port in (8001, 8002)]
for listener, name in zip(listeners, (b'one ', b'two ')): threading.Thread(target=serve, args=(listener, name)).start()
print('ready', flush=True)";

fn lines(child: &mut Child, count: usize) -> Vec<String> {
    let out = BufReader::new(child.stdout.take().unwrap());
    out.lines().take(count).map(Result::unwrap).collect()
}

fn several_ports_lead_to_several() {
    let place = Place::new();
    let _serve = Serve::start(&place, &[]);
    let created = place.output(&["create", "--ttl", "600"]);
    assert!(created.status.success(), "{}", stderr(&created));
    let id = stdout(&created).trim().to_owned();
    let spawn = |arguments: &[&str]| place.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut serving = spawn(&["ssh", &id, "python3", "-c", SERVER]);
    assert_eq!(lines(&mut serving, 1), ["ready"]);
    let mut forwarding = spawn(&["forward", &id, "8001", "127.0.0.1:0:8002", "0:8001"]);
    let told = lines(&mut forwarding, 3);
    let leads: Vec<_> = told
        .iter()
        .map(|line| line.split_once(" -> ").expect(line))
        .collect();
    assert_eq!(
        leads.iter().map(|(_, to)| *to).collect::<Vec<_>>(),
        ["8001", "8002", "8001"]
    );
    // All of them open at the same time.
    let mut streams: Vec<_> = leads
        .iter()
        .map(|(from, _)| TcpStream::connect(from).unwrap())
        .collect();
    for stream in &mut streams {
        stream.write_all(b"x").unwrap();
    }
    for (stream, expected) in streams.iter_mut().zip(["one x", "two x", "one x"]) {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, expected);
    }
    // One that cannot be listened on ends all of it, and says why.
    let taken = format!("{}:8002", leads[0].0);
    assert_output(&place.output(&["forward", &id, "8001", &taken]), 125, "");
    send(&forwarding, Signal::INT);
    assert_eq!(wait(&mut forwarding).code(), Some(130));
    send(&serving, Signal::TERM);
    assert_eq!(wait(&mut serving).code(), Some(143));
}
