//! Certificates that are not to be trusted: nothing is said to who shows one, in TLS or without it.

use std::sync::Arc;

use contract_tests::{FaultProxy, OwnersHouse, trials};
use libtest_mimic::Trial;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use sandbox_server::TlsIdentity;
use sandbox_sessions::ssh::Phase;
use sandbox_sessions::{ErrorKind, SessionsClient, SessionsClientBuilder};

use crate::scripted::{OwnServer, TOKEN};
use crate::verdict::{Expected, Failure, Outcome, judge};

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "tls":
        an_expired_certificate_is_refused_by_requests,
        an_expired_certificate_is_refused_by_tunnels,
        a_certificate_for_another_host_is_refused_by_requests,
        a_certificate_for_another_host_is_refused_by_tunnels,
        a_certificate_that_is_right_is_trusted,
        clients_that_trust_everybody_are_noticed,
        clients_without_tls_are_noticed,
    ]
}

/// What no attempt changes, so that there is one.
const REFUSED: Failure = Failure::new(ErrorKind::Connection);

/// A server with a certificate, and somebody in between who listens.
struct Secured {
    server: OwnServer,
    tap: FaultProxy,
    certificate: String,
}

#[derive(Clone, Copy)]
enum Certificate {
    Right,
    Expired,
    ForAnotherHost,
}

impl Secured {
    async fn start(kind: Certificate) -> Self {
        let name = match kind {
            Certificate::ForAnotherHost => "elsewhere.example",
            Certificate::Right | Certificate::Expired => "127.0.0.1",
        };
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        if let Certificate::Expired = kind {
            parameters.not_before = date_time_ymd(2020, 1, 1);
            parameters.not_after = date_time_ymd(2020, 2, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap().pem();
        let files = tempfile::tempdir().unwrap();
        let (here, there) = (files.path().join("certificate"), files.path().join("key"));
        std::fs::write(&here, &certificate).unwrap();
        std::fs::write(&there, key.serialize_pem()).unwrap();
        let identity = TlsIdentity::from_pem_files(here, there).unwrap();
        let server = OwnServer::start(|config| config.tls(identity)).await;
        let tap = FaultProxy::before(&server.address()).await;
        Self {
            server,
            tap,
            certificate,
        }
    }

    /// Trusts the certificate, as far as it goes.
    fn builder(&self) -> SessionsClientBuilder {
        SessionsClient::builder()
            .url(format!("https://{}/v1", self.tap.address()))
            .token(TOKEN)
            .root_certificates_pem(self.certificate.clone())
    }

    /// Whether all that was heard is TLS, and no secret is in it.
    fn is_secret(&self) -> bool {
        /// How each record of a handshake begins.
        const HANDSHAKE: &[u8] = &[0x16, 0x03];
        let heard = self.tap.heard();
        let tells = |secret: &[u8]| heard.windows(secret.len()).any(|part| part == secret);
        heard.starts_with(HANDSHAKE) && !tells(TOKEN.as_bytes()) && !tells(b" /v1")
    }
}

async fn list(client: &SessionsClient) -> Outcome {
    Outcome::of(async { Ok(client.list_sessions().await?.total().to_string()) }).await
}

/// Of a session that there is not; a tunnel to it would be refused by the server.
async fn open_tunnel(client: &SessionsClient) -> Outcome {
    let id = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    Outcome::of(async {
        client.ssh(&id).open_tunnel().await?;
        Ok("open".to_owned())
    })
    .await
}

fn attempts(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::Error(error) => error.attempts(),
        _ => 1,
    }
}

async fn refuses_requests(kind: Certificate) {
    let secured = Secured::start(kind).await;
    let outcome = list(&secured.builder().build().unwrap()).await;
    judge(REFUSED.expected(), &outcome, "").unwrap();
    assert_eq!((attempts(&outcome), secured.tap.connections()), (1, 1));
    assert!(secured.is_secret());
    secured.server.stop().await;
}

async fn refuses_tunnels(kind: Certificate) {
    let secured = Secured::start(kind).await;
    let outcome = open_tunnel(&secured.builder().build().unwrap()).await;
    judge(REFUSED.during(Phase::Tls).expected(), &outcome, "").unwrap();
    assert_eq!((attempts(&outcome), secured.tap.connections()), (1, 1));
    assert!(secured.is_secret());
    secured.server.stop().await;
}

async fn an_expired_certificate_is_refused_by_requests(_: Arc<OwnersHouse>) {
    refuses_requests(Certificate::Expired).await;
}

async fn an_expired_certificate_is_refused_by_tunnels(_: Arc<OwnersHouse>) {
    refuses_tunnels(Certificate::Expired).await;
}

async fn a_certificate_for_another_host_is_refused_by_requests(_: Arc<OwnersHouse>) {
    refuses_requests(Certificate::ForAnotherHost).await;
}

async fn a_certificate_for_another_host_is_refused_by_tunnels(_: Arc<OwnersHouse>) {
    refuses_tunnels(Certificate::ForAnotherHost).await;
}

/// What is refused above is refused for what is wrong with it.
async fn a_certificate_that_is_right_is_trusted(_: Arc<OwnersHouse>) {
    let secured = Secured::start(Certificate::Right).await;
    let client = secured.builder().build().unwrap();
    judge(Expected::Right, &list(&client).await, "0").unwrap();
    let session = client.create_session().await.unwrap();
    let output = session
        .ssh()
        .await
        .unwrap()
        .run_command("echo hello")
        .await
        .unwrap();
    assert_eq!(output.stdout(), "hello\n");
    assert!(secured.is_secret());
    secured.server.stop().await;
}

async fn clients_that_trust_everybody_are_noticed(_: Arc<OwnersHouse>) {
    for kind in [Certificate::Expired, Certificate::ForAnotherHost] {
        let secured = Secured::start(kind).await;
        let careless = secured
            .builder()
            .danger_accept_invalid_certs(true)
            .build()
            .unwrap();
        assert!(judge(REFUSED.expected(), &list(&careless).await, "").is_err());
        let refused = REFUSED.during(Phase::Tls).expected();
        assert!(judge(refused, &open_tunnel(&careless).await, "").is_err());
        secured.server.stop().await;
    }
}

/// As one that falls back to plain text would be.
async fn clients_without_tls_are_noticed(_: Arc<OwnersHouse>) {
    for tunnels in [false, true] {
        let secured = Secured::start(Certificate::Expired).await;
        let plain = SessionsClient::new(secured.tap.url(), TOKEN).unwrap();
        let outcome = if tunnels {
            open_tunnel(&plain).await
        } else {
            list(&plain).await
        };
        assert!(matches!(outcome, Outcome::Error(_)));
        assert!(!secured.is_secret());
        secured.server.stop().await;
    }
}
