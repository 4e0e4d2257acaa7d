//! Ports of a session on this machine: `sandbox forward`, and `ssh` with `-L` and `-W`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use rustix::process::Signal;

use super::{House, Running, Test, Transport, noise};
use crate::support::{assert_output, eventually, send, stderr, wait};

pub(super) const TESTS: [Test; 3] = [
    ("a_port_is_forwarded_until_interrupted", forward),
    ("openssh_forwards_a_port", local_port),
    ("openssh_tells_of_a_port_that_nobody_listens_on", nobody_listens),
];

/// Connections that are made at the same time.
const CONNECTIONS: u8 = 4;

/// A program in the session that gives back all it gets, to everybody at once; and its port.
fn echo(house: &House) -> (Running, String) {
    let program = "\
import socket, socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while piece := self.request.recv(65536):
            self.request.sendall(piece)
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
server = Server(('127.0.0.1', 0), Echo)
print(server.server_address[1], flush=True)
server.serve_forever()";
    let mut running = Running::start(house.command(&["ssh", &house.id, "python3", "-c", program]));
    let port = running.first_line();
    (running, port)
}

/// Sends much both ways over several connections at once.
fn assert_echoes(address: &str) {
    thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            scope.spawn(move || {
                let mut sent = noise(4 << 20);
                sent.insert(0, number);
                let mut stream = TcpStream::connect(address).unwrap();
                let mut sender = stream.try_clone().unwrap();
                let mut received = Vec::new();
                thread::scope(|scope| {
                    scope.spawn(|| {
                        sender.write_all(&sent).unwrap();
                        sender.shutdown(Shutdown::Write).unwrap();
                    });
                    stream.read_to_end(&mut received).unwrap();
                });
                assert!(received == sent, "{} bytes of {}", received.len(), sent.len());
            });
        }
    });
}

fn forward(transport: Transport) {
    let house = House::open(transport, &[]);
    let (mut echo, port) = echo(&house);
    let mut forwarding = Running::start(house.command(&["forward", &house.id, &port]));
    let line = forwarding.first_line();
    let address = line.strip_suffix(&format!(" -> {port}")).expect(&line);
    assert_echoes(address);
    send(&forwarding.0, Signal::INT);
    assert_eq!(wait(&mut forwarding.0).code(), Some(130));
    assert!(TcpStream::connect(address).is_err());
    send(&echo.0, Signal::TERM);
    assert_eq!(wait(&mut echo.0).code(), Some(143));
}

fn local_port(transport: Transport) {
    let house = House::open(transport, &[]);
    let (_echo, port) = echo(&house);
    // It cannot be told to take a free one. On an address that nobody else uses, one stays free.
    let free = TcpListener::bind("127.83.72.1:0").unwrap().local_addr().unwrap();
    let forward = format!("{free}:127.0.0.1:{port}");
    let options = [
        "-N",
        "-o",
        "ExitOnForwardFailure=yes",
        "-L",
        &forward,
        &house.host(),
    ];
    let Some(ssh) = house.openssh("ssh", &options) else {
        return;
    };
    let mut ssh = Running::start(ssh);
    eventually("ssh listens", || {
        assert_eq!(ssh.0.try_wait().unwrap(), None, "ssh has ended");
        TcpStream::connect(free).is_ok()
    });
    assert_echoes(&free.to_string());
    send(&ssh.0, Signal::TERM);
    wait(&mut ssh.0);
    assert!(TcpStream::connect(free).is_err());
}

fn nobody_listens(transport: Transport) {
    let house = House::open(transport, &[]);
    let Some(mut ssh) = house.openssh("ssh", &["-W", "127.0.0.1:1", &house.host()]) else {
        return;
    };
    let refused = ssh.output().unwrap();
    assert_output(&refused, 255, "");
    assert!(stderr(&refused).contains("open failed"), "{}", stderr(&refused));
}
