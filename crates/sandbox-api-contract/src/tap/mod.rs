//! A port in front of a server, at which the contract listens.

mod body;
mod conversation;
mod head;
mod identity;
mod ledger;
mod relay;
mod upstream;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use self::identity::Identity;
use self::ledger::{Hears, Ledger};
use self::upstream::Upstream;
use crate::coverage::Coverage;
use crate::document::Contract;
use crate::violation::Violation;

/// A port on loopback that passes every byte on to a server, and back, and has the contract judge what it understands
/// of it. What is no HTTP/1.1, and what follows a `CONNECT`, is passed on all the same.
///
/// Both directions are as they would be without it: the end of one of them, and a connection that is reset, are passed
/// on too. It works in a thread of its own until it is dropped, which panics if the contract was broken and nobody has
/// asked for the [verdict](Self::verdict).
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    base: String,
    /// What clients have to trust, where they are spoken to over TLS.
    certificate: Option<String>,
    ledger: Arc<Ledger>,
    /// Its end stops the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Why there is no tap.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The document of this workspace is broken.
    #[error("there is no contract")]
    Document(#[from] &'static crate::DocumentError),
    /// The address of the server is none.
    #[error("{0:?} is no address of a server")]
    Url(String),
    /// The port or the thread cannot be had.
    #[error("cannot listen")]
    Io(#[from] std::io::Error),
    /// No certificate could be shown or checked.
    #[error("TLS cannot be used")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// The certificate that the server is said to have is none.
    #[error("the server's certificate cannot be read")]
    Certificate(#[from] tokio_rustls::rustls::pki_types::pem::Error),
    /// None could be made.
    #[error("a certificate cannot be made")]
    Identity(#[from] rcgen::Error),
}

impl Tap {
    /// Listens in front of a real server. Its responses are judged, and the requests of the SDK; other clients may send
    /// what they like, as long as the server does not do it.
    ///
    /// # Errors
    ///
    /// When the address, which ends in the API's base path, is none, or when no port can be had.
    pub fn before(url: &str) -> Result<Self, TapError> {
        Self::start(Upstream::parse(url)?, None, Hears::Exchanges)
    }

    /// As [`before`](Self::before), for a server that has this certificate, in PEM form, and clients that speak TLS too.
    /// They have to trust [that of the tap](Self::certificate_pem).
    ///
    /// # Errors
    ///
    /// As [`before`](Self::before), and when the certificate is none.
    pub fn before_tls(url: &str, certificate_pem: &str) -> Result<Self, TapError> {
        let upstream = Upstream::parse(url)?.showing(certificate_pem)?;
        Self::start(upstream, Some(Identity::make()?), Hears::Exchanges)
    }

    /// As [`before`](Self::before), for a server anywhere, which may have to hear its own name: the `Host` of requests
    /// is changed into that of the address. All other bytes are passed on as they are.
    ///
    /// # Errors
    ///
    /// As [`before`](Self::before).
    pub fn far_from(url: &str) -> Result<Self, TapError> {
        Self::start(Upstream::parse(url)?.by_name(url)?, None, Hears::Exchanges)
    }

    /// Listens in front of something that answers as a test tells it to. All requests are judged, whoever sends them.
    ///
    /// # Errors
    ///
    /// As [`before`](Self::before).
    pub fn before_mock(url: &str) -> Result<Self, TapError> {
        Self::start(Upstream::parse(url)?, None, Hears::Requests)
    }

    fn start(upstream: Upstream, identity: Option<Identity>, hears: Hears) -> Result<Self, TapError> {
        let upstream = Arc::new(upstream);
        let ledger = Arc::new(Ledger::new(Contract::sandbox_api()?, upstream.base(), hears));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let base = upstream.base().to_owned();
        let kept = ledger.clone();
        let (acceptor, certificate) = identity.map(Identity::into_parts).unzip();
        let thread = thread::Builder::new().name("tap".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, acceptor, upstream, kept) => {}
                }
            });
        })?;
        Ok(Self {
            address,
            base,
            certificate,
            ledger,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The address that clients are to be given instead of the server's.
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}{}", self.address, self.base)
    }

    /// What clients have to trust, in PEM form, where they are spoken to over TLS.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was found since the last time this was asked. What a client has received was judged before.
    pub fn verdict(&self) -> Vec<Violation> {
        self.ledger.take_violations()
    }

    /// How often this tap has seen each response of the document.
    pub fn coverage(&self) -> Coverage {
        self.ledger.coverage()
    }

    /// # Panics
    ///
    /// When something was found since the last time.
    #[track_caller]
    pub fn assert_kept(&self) {
        let violations: Vec<String> = self.verdict().iter().map(ToString::to_string).collect();
        assert!(
            violations.is_empty(),
            "the contract is broken:\n{}",
            violations.join("\n")
        );
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(thread::JoinHandle::join);
        if !thread::panicking() {
            assert!(!matches!(ended, Some(Err(_))), "the tap has panicked");
            self.assert_kept();
        }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    upstream: Arc<Upstream>,
    ledger: Arc<Ledger>,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return ledger.fail(format!("the tap cannot listen: {error}")),
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let relay = relay::relay(client, acceptor.clone(), upstream.clone(), ledger.clone());
                    connections.spawn(relay);
                }
                // Out of descriptors, most likely: the next attempt would fail at once.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
