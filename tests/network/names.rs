//! Names that lead nowhere, and proxies that the environment names.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;

use contract_tests::{OwnersHouse, Player, say, trials};
use libtest_mimic::Trial;
use sandbox_sessions::ssh::Phase;
use sandbox_sessions::{ErrorKind, RetryPolicy, SessionsClient};
use tokio::runtime::Runtime;

use crate::forward_proxy::ForwardProxy;
use crate::verdict::{Failure, Outcome, PATIENCE};

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "names":
        that_lead_nowhere_are_told,
        lead_through_the_proxy_of_the_environment,
        that_need_no_proxy_are_reached_without_it,
        of_this_machine_itself_are_never_told_to_a_proxy,
        lead_nowhere_where_the_proxy_does_not_answer,
        lead_nowhere_where_the_proxy_refuses,
        visitors_that_never_ask_a_proxy_are_noticed,
        visitors_that_tell_a_proxy_all_are_noticed,
        visitors_that_always_ask_a_proxy_are_noticed,
    ]
}

/// A name that nobody has, and for which no server of names is asked, of which there may be none: a part of a name has 63
/// characters at the most, and this one more.
const NOBODY: &str = "sandbox-of-nobody-in-a-place-that-there-is-not-and-never-will-be-x.invalid";

/// An address of this machine that is none of the loopback network, for which no proxy would be asked.
const HERE: &str = "0.0.0.0";

/// What came of a call through REST, and of one through a tunnel.
#[derive(Debug)]
struct Calls {
    rest: String,
    tunnel: String,
}

type Variables<'a> = [(&'static str, &'a str)];

async fn call(house: &OwnersHouse, host: &str, variables: &Variables<'_>) -> Calls {
    call_by("visitor", house, host, variables).await
}

/// Calls that a process makes which plays this role, with these variables and no other that names a proxy.
async fn call_by(role: &'static str, house: &OwnersHouse, host: &str, variables: &Variables<'_>) -> Calls {
    let owner = house.owner();
    let session = owner.client.create_session().await.unwrap();
    let address = house.address();
    let port = address.rsplit_once(':').unwrap().1;
    let url = format!("http://{host}:{port}/v1");
    let host_key = session.ssh_host_key().unwrap().replace(' ', "_");
    let arguments = [url, owner.token().to_owned(), session.id().to_string(), host_key];
    let environment: Vec<(&'static str, Option<String>)> = VARIABLES
        .iter()
        .map(|name| (*name, variables.iter().find(|(set, _)| set == name)))
        .map(|(name, set)| (name, set.map(|(_, value)| (*value).to_owned())))
        .collect();
    let heard = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| (*name, value.as_deref()))
            .collect();
        let mut visitor = Player::start_in(role, &arguments, &environment);
        let calls = Calls {
            rest: visitor.hear(),
            tunnel: visitor.hear(),
        };
        visitor.finish();
        calls
    });
    let calls = heard.await.unwrap();
    session.delete().await.unwrap();
    calls
}

/// All that name proxies.
const VARIABLES: [&str; 8] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// The role: makes both calls, and says what comes of them.
pub(crate) fn visit(arguments: &[&str]) -> ExitCode {
    let &[url, token, id, host_key] = arguments else {
        panic!("{arguments:?}");
    };
    let (id, host_key) = (id.parse().unwrap(), host_key.replace('_', " "));
    let client = SessionsClient::builder()
        .url(url)
        .token(token)
        .timeout(PATIENCE * 3)
        .retries(RetryPolicy::none());
    let client = client.build().unwrap();
    Runtime::new().unwrap().block_on(async {
        let rest = Outcome::of(async { Ok(client.get_session(&id).await?.id().to_string()) });
        say(&told(&rest.await));
        let tunnel = Outcome::of(async {
            let ssh = client.ssh(&id).host_key(host_key).await?;
            Ok(ssh.run_command("echo hello").await?.stdout().into_owned())
        });
        say(&told(&tunnel.await));
    });
    ExitCode::SUCCESS
}

/// The role: a client that takes no notice of what the environment says of proxies.
pub(crate) fn visit_straight(arguments: &[&str]) -> ExitCode {
    visit_without_care(arguments, None)
}

/// The role: a client that takes the proxy of the environment for the server, whatever it is to ask for.
pub(crate) fn visit_through_the_proxy(arguments: &[&str]) -> ExitCode {
    let proxy = std::env::var("HTTP_PROXY").unwrap();
    visit_without_care(arguments, proxy.strip_prefix("http://"))
}

fn visit_without_care(arguments: &[&str], proxy: Option<&str>) -> ExitCode {
    let &[url, token, id, _] = arguments else {
        panic!("{arguments:?}");
    };
    let host = url.split('/').nth(2).unwrap();
    let asked = |request: String| -> io::Result<&str> {
        let mut server = TcpStream::connect(proxy.unwrap_or(host))?;
        write!(
            server,
            "{request} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        )?;
        let mut status = [0; "HTTP/1.1 200".len()];
        server.read_exact(&mut status)?;
        Ok(if status.ends_with(b"200") {
            "right"
        } else {
            "refused"
        })
    };
    for request in [format!("GET {url}/sessions/{id}"), format!("CONNECT {host}/{id}")] {
        say(asked(request).unwrap_or("lost"));
    }
    ExitCode::SUCCESS
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Value(_) => "right".to_owned(),
        Outcome::Error(error) => format!("{:?}", Failure::from(error)),
        Outcome::NoEnd => "no end".to_owned(),
    }
}

const LOST: Failure = Failure::new(ErrorKind::Connection).retryable();

impl Calls {
    fn are_right(&self) -> bool {
        (self.rest.as_str(), self.tunnel.as_str()) == ("right", "right")
    }

    fn assert_right(&self) {
        assert!(self.are_right(), "{self:?}");
    }

    fn assert_fail(&self, rest: Failure, tunnel: Failure) {
        let expected = (format!("{rest:?}"), format!("{tunnel:?}"));
        assert_eq!((&self.rest, &self.tunnel), (&expected.0, &expected.1));
    }
}

async fn that_lead_nowhere_are_told(house: Arc<OwnersHouse>) {
    let calls = call(&house, NOBODY, &[]).await;
    calls.assert_fail(LOST, LOST.during(Phase::Resolve));
}

/// The name leads nowhere, as the trial above shows, so the proxy is the only way; and it learns no token that it needs
/// not see.
async fn lead_through_the_proxy_of_the_environment(house: Arc<OwnersHouse>) {
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let proxy = ForwardProxy::to(house.address()).await;
        let calls = call(&house, NOBODY, &[(variable, &proxy.url())]).await;
        calls.assert_right();
        let heads = proxy.heads();
        let (tunnels, requests): (Vec<_>, Vec<_>) =
            heads.iter().partition(|head| head.starts_with("CONNECT"));
        assert!(
            requests
                .iter()
                .all(|head| head.starts_with(&format!("GET http://{NOBODY}:"))),
            "{heads:?}"
        );
        assert!(!tunnels.is_empty());
        for head in tunnels {
            assert!(head.starts_with(&format!("CONNECT {NOBODY}:")), "{head}");
            assert!(!tells_a_token(head), "{head}");
        }
    }
}

fn tells_a_token(head: &str) -> bool {
    head.to_ascii_lowercase().contains("\nauthorization")
}

async fn visitors_that_never_ask_a_proxy_are_noticed(house: Arc<OwnersHouse>) {
    let proxy = ForwardProxy::to(house.address()).await;
    let calls = call_by(
        "straight-visitor",
        &house,
        NOBODY,
        &[("HTTP_PROXY", &proxy.url())],
    )
    .await;
    assert!(!calls.are_right() && proxy.heads().is_empty(), "{calls:?}");
}

async fn visitors_that_tell_a_proxy_all_are_noticed(house: Arc<OwnersHouse>) {
    let proxy = ForwardProxy::to(house.address()).await;
    call_by(
        "careless-visitor",
        &house,
        NOBODY,
        &[("HTTP_PROXY", &proxy.url())],
    )
    .await;
    let heads = proxy.heads();
    let tunnel = heads.iter().find(|head| head.starts_with("CONNECT"));
    assert!(tunnel.is_some_and(|head| tells_a_token(head)), "{heads:?}");
}

async fn visitors_that_always_ask_a_proxy_are_noticed(house: Arc<OwnersHouse>) {
    let proxy = ForwardProxy::closed().await;
    for (host, exception) in [(HERE, HERE), ("127.0.0.1", "")] {
        let (url, asked) = (proxy.url(), proxy.heads().len());
        let variables = [("HTTP_PROXY", url.as_str()), ("NO_PROXY", exception)];
        let calls = call_by("careless-visitor", &house, host, &variables).await;
        assert!(!calls.are_right() && proxy.heads().len() > asked, "{calls:?}");
    }
}

async fn that_need_no_proxy_are_reached_without_it(house: Arc<OwnersHouse>) {
    let proxy = ForwardProxy::to(house.address()).await;
    let url = proxy.url();
    // With a proxy, without, and with one that is not for them.
    call(&house, HERE, &[("HTTP_PROXY", &url)]).await.assert_right();
    let asked = proxy.heads().len();
    assert!(asked >= 2, "{:?}", proxy.heads());
    call(&house, HERE, &[]).await.assert_right();
    call(
        &house,
        HERE,
        &[("HTTP_PROXY", &url), ("NO_PROXY", "example.com,0.0.0.0")],
    )
    .await
    .assert_right();
    assert_eq!(proxy.heads().len(), asked);
    let calls = call(&house, NOBODY, &[("HTTP_PROXY", &url), ("NO_PROXY", ".invalid")]).await;
    calls.assert_fail(LOST, LOST.during(Phase::Resolve));
    assert_eq!(proxy.heads().len(), asked);
}

async fn of_this_machine_itself_are_never_told_to_a_proxy(house: Arc<OwnersHouse>) {
    let proxy = ForwardProxy::closed().await;
    for host in ["127.0.0.1", "localhost"] {
        call(&house, host, &[("HTTP_PROXY", &proxy.url())])
            .await
            .assert_right();
    }
    assert!(proxy.heads().is_empty());
}

async fn lead_nowhere_where_the_proxy_does_not_answer(house: Arc<OwnersHouse>) {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let calls = call(&house, NOBODY, &[("HTTP_PROXY", &format!("http://{nobody}"))]).await;
    calls.assert_fail(LOST, LOST.during(Phase::Connect));
}

/// To a request, the proxy answers in the API's place; of a tunnel, it is known whose answer it is.
async fn lead_nowhere_where_the_proxy_refuses(house: Arc<OwnersHouse>) {
    let proxy = ForwardProxy::closed().await;
    let calls = call(&house, NOBODY, &[("HTTP_PROXY", &proxy.url())]).await;
    calls.assert_fail(
        Failure::new(ErrorKind::Operation).status(407),
        Failure::new(ErrorKind::Connection).during(Phase::Proxy),
    );
}
