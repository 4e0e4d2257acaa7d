//! That the suite can fail: servers that are wrong in one thing, which it must name.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use contract_tests::House;
use libtest_mimic::{Failed, Trial};
use sandbox_server::Tokens;

/// What is wrong with a server, and what must be found.
struct Wrong {
    name: &'static str,
    /// What it says, and what it says instead, which is as long.
    said: &'static str,
    instead: &'static str,
    /// The trials that are run.
    trials: &'static str,
    /// A part of the report.
    found: &'static str,
}

const WRONG: [Wrong; 7] = [
    Wrong {
        name: "a_wrong_status",
        said: "HTTP/1.1 404 ",
        instead: "HTTP/1.1 403 ",
        trials: "getSession::",
        found: "GET /sessions/00000000-0000-4000-8000-000000000000 -> 403: response, status: the operation does not list it",
    },
    Wrong {
        name: "a_missing_header",
        said: "x-ratelimit-reset:",
        instead: "x-ratelimit-paste:",
        trials: "getSession::",
        found: "response, header X-RateLimit-Reset: it is required",
    },
    Wrong {
        name: "a_dropped_field",
        said: "\"exitCode\":",
        instead: "\"exitCofe\":",
        trials: "executeCommand::a_command_says",
        found: "response, body: \"exitCode\" is a required property",
    },
    Wrong {
        name: "another_content_type",
        said: "content-type: application/json",
        instead: "content-type: application/ison",
        trials: "healthCheck::",
        found: "GET /health -> 200: response, content type: the response does not list this media type",
    },
    Wrong {
        name: "another_error_body",
        said: "\"message\":",
        instead: "\"massage\":",
        trials: "every operation::",
        found: "GET /sessions -> 401: response, body: \"message\" is a required property",
    },
    Wrong {
        name: "an_unknown_value",
        said: "\"status\":\"timeout\"",
        instead: "\"status\":\"expired\"",
        trials: "executeCommand::a_command_is_stopped",
        found: "response, body at /status:",
    },
    Wrong {
        name: "something_else_done",
        said: "\"stdout\":\"42\\n\"",
        instead: "\"stdout\":\"41\\n\"",
        trials: "executeCode::bash",
        found: "left: (\"41\\n\", Some(0))",
    },
];

const TOKEN: &str = "a-token-for-a-wrong-server-0123456789abcdef";

pub(crate) fn trials() -> Vec<Trial> {
    WRONG
        .iter()
        .map(|wrong| Trial::test(format!("a wrong server::{}", wrong.name), || is_found_out(wrong)))
        .collect()
}

/// Runs the suite against a right server behind what makes it wrong.
fn is_found_out(wrong: &'static Wrong) -> Result<(), Failed> {
    let tokens = Tokens::from_lines(TOKEN).expect("a token");
    let house = House::start(tokens, |config| config)?;
    // What is right passes.
    let (passed, report) = run(house.url(), wrong);
    assert!(passed, "the server itself is found wrong: {report}");
    let url = format!("http://{}/v1", falsified(house.address(), wrong));
    let (passed, report) = run(&url, wrong);
    assert!(
        !passed && report.contains(wrong.found),
        "{:?} is not in {report}",
        wrong.found
    );
    assert!(!report.contains(TOKEN), "{report}");
    house.stop();
    Ok(())
}

/// Whether the suite passes against a server, and what it says.
fn run(url: &str, wrong: &Wrong) -> (bool, String) {
    let output = Command::new("/proc/self/exe")
        .arg(wrong.trials)
        .env("SANDBOX_API_URL", url)
        .env("SANDBOX_API_TOKEN", TOKEN)
        .env_remove(sandbox_api_contract::coverage::VARIABLE)
        .stderr(Stdio::inherit())
        .output()
        .expect("this program starts again");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// The address of a proxy, alive as long as this process, that changes what a server says.
fn falsified(server: String, wrong: &'static Wrong) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = Arc::new(server);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = server.clone();
            thread::spawn(move || falsify(client, &server, wrong));
        }
    });
    address
}

fn falsify(client: TcpStream, server: &str, wrong: &Wrong) -> std::io::Result<()> {
    let server = TcpStream::connect(server)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut client, mut server) = (client, server);
    // The server writes a head at once, and a short body too: what is looked for comes in one piece.
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = server.read(&mut piece)?;
        if count == 0 {
            return client.shutdown(Shutdown::Write);
        }
        client.write_all(&replaced(
            &piece[..count],
            wrong.said.as_bytes(),
            wrong.instead.as_bytes(),
        ))?;
    }
}

fn replaced(bytes: &[u8], said: &[u8], instead: &[u8]) -> Vec<u8> {
    assert_eq!(said.len(), instead.len());
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(said.len() - 1) {
        if bytes[at..].starts_with(said) {
            bytes[at..at + said.len()].copy_from_slice(instead);
        }
    }
    bytes
}
