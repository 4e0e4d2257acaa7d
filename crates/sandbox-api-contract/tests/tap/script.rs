//! A server that does what a test says.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use sandbox_api_contract::Tap;

pub(crate) const TOKEN: &str = "hunter2-the-secret-token";

/// Has each connection served in a thread of its own, as long as the test runs.
pub(crate) fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let serve = std::sync::Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    url
}

/// Says all of it as soon as something is heard, and then nothing more.
pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    serving(move |mut stream| {
        let mut heard = [0; 1024];
        assert!(stream.read(&mut heard).unwrap() > 0);
        stream.write_all(&answer).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

pub(crate) fn connected(tap: &Tap) -> TcpStream {
    let stream = TcpStream::connect(tap.address()).unwrap();
    // Far longer than anything takes: a hang is to be a failure.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends it in pieces, and hears the answer to its end.
pub(crate) fn talk(tap: &Tap, request: &str, piece: usize) -> String {
    let mut stream = connected(tap);
    for piece in request.as_bytes().chunks(piece) {
        stream.write_all(piece).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A request with a token.
pub(crate) fn request(line: &str, agent: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nUser-Agent: {agent}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The headers that every answer to a token has.
pub(crate) const STANDING: &str =
    "X-Request-Id: 1\r\nX-RateLimit-Limit: 9\r\nX-RateLimit-Remaining: 8\r\nX-RateLimit-Reset: 7\r\n";

pub(crate) const LIST: &str = r#"{"sessions":[],"total":0,"limit":50,"offset":0}"#;

/// An answer with a length.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
