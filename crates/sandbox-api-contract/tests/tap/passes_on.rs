//! The bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;

use sandbox_api_contract::Tap;

use crate::script::{TOKEN, connected, serving};

/// No HTTP, and more than any buffer on the way.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let byte = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..32 << 20).map(byte).collect()
}

#[test]
fn everything_arrives_as_it_was_sent_both_ways_at_once() {
    let url = serving(|mut stream| {
        let mut writer = stream.try_clone().unwrap();
        let writing = thread::spawn(move || {
            writer.write_all(&noise(2)).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        assert!(heard == noise(1));
        writing.join().unwrap();
    });
    let tap = Tap::before(&url).unwrap();
    let mut stream = connected(&tap);
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        writer.write_all(&noise(1)).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert!(heard == noise(2));
    writing.join().unwrap();
}

#[test]
fn the_end_of_one_direction_leaves_the_other_open() {
    let url = serving(|mut stream| {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        stream.write_all(&heard).unwrap();
    });
    let tap = Tap::before(&url).unwrap();
    let mut stream = connected(&tap);
    stream.write_all(b"the end").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"the end");
}

#[test]
fn a_piece_is_not_held_back() {
    let url = serving(|mut stream| {
        let mut byte = [0];
        while stream.read(&mut byte).unwrap() > 0 {
            stream.write_all(&byte).unwrap();
        }
    });
    let tap = Tap::before(&url).unwrap();
    let mut stream = connected(&tap);
    // The head of a request whose end never comes.
    for byte in b"GET /v1/sessions HTT" {
        stream.write_all(&[*byte]).unwrap();
        let mut echo = [0];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, [*byte]);
    }
}

#[test]
fn a_server_that_resets_resets_the_client() {
    let url = serving(|mut stream| {
        // Closing a connection of which something has not been read resets it.
        stream.read_exact(&mut [0]).unwrap();
    });
    let tap = Tap::before(&url).unwrap();
    let mut stream = connected(&tap);
    stream.write_all(TOKEN.as_bytes()).unwrap();
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_client_that_resets_resets_the_server() {
    let (told, hears) = std::sync::mpsc::channel();
    let url = serving(move |mut stream| {
        stream.write_all(b"never read").unwrap();
        let error = stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        told.send(error).unwrap();
    });
    let tap = Tap::before(&url).unwrap();
    let stream = connected(&tap);
    // Something is there to be read by then.
    stream.peek(&mut [0]).unwrap();
    drop(stream);
    assert_eq!(hears.recv().unwrap(), Err(ErrorKind::ConnectionReset));
}

#[test]
fn nobody_behind_it_is_an_end_and_no_silence() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let tap = Tap::before(&url).unwrap();
    let mut stream = connected(&tap);
    let _ = stream.write_all(b"GET");
    let ended = stream.read_to_end(&mut Vec::new());
    assert!(ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert_eq!(tap.verdict(), []);
}

#[test]
fn why_a_server_far_away_is_not_reached_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let tap = Tap::far_from(&url).unwrap();
    let _ = connected(&tap).read_to_end(&mut Vec::new());
    let verdict = tap.verdict();
    assert!(
        verdict.iter().any(|violation| violation.what.contains("refused")),
        "{verdict:?}"
    );
}

#[test]
fn an_address_that_is_none_is_refused() {
    for url in ["", "/v1", "ftp://x/v1", "http:///v1"] {
        assert!(Tap::before(url).is_err(), "{url}");
    }
    let tap = Tap::before("http://127.0.0.1:1/a/v1/").unwrap();
    assert_eq!(tap.url(), format!("http://{}/a/v1", tap.address()));
}

#[test]
fn a_server_far_away_hears_its_own_name_and_nothing_else_is_changed() {
    let body = "Host: in the body\r\n\r\n";
    let request = |host: &str| {
        let length = body.len();
        format!("POST /v1/x HTTP/1.1\r\nA: b\r\n{host}\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let url = serving(|mut stream| {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        stream.write_all(&heard).unwrap();
    });
    let server = url.trim_start_matches("http://").trim_end_matches("/v1");
    for (tail, piece) in [
        ("\0 no HTTP\r\nHost: x\r\n\r\n", 1),
        ("GET / HTTP/1.1\r\nHost: no end", 7),
        ("", 1000),
    ] {
        let said = request("hOST:127.0.0.1").repeat(2) + tail;
        let expected = request(&format!("Host: {server}")).repeat(2) + tail;
        let tap = Tap::far_from(&url).unwrap();
        let mut stream = connected(&tap);
        for piece in said.as_bytes().chunks(piece) {
            stream.write_all(piece).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, expected);
    }
}
