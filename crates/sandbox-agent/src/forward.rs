//! Carrying a channel to a TCP port of the sandbox (`ssh -L`).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use russh::{ChannelOpenFailure, server::ChannelOpenHandle};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    flow::Counted,
    input::Input,
    outlet::{Outlet, Stream},
};

const CONNECT_TIME: Duration = Duration::from_secs(10);

/// An address inside the sandbox. The agent opens no way to anywhere else.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target(Vec<SocketAddr>);

impl Target {
    pub(crate) fn new(host: &str, port: u32) -> Option<Self> {
        let port = u16::try_from(port).ok().filter(|port| *port != 0)?;
        let addresses = match host {
            "localhost" => vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
            literal => vec![literal.parse().ok().filter(IpAddr::is_loopback)?],
        };
        Some(Self(
            addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, port))
                .collect(),
        ))
    }
}

/// A channel that leads to a port, as the session loop sees it.
pub(crate) struct Forwarding {
    input: Arc<Input>,
    overflow: CancellationToken,
}

impl Forwarding {
    pub(crate) fn start(
        target: Target,
        outlet: Arc<Outlet>,
        reply: ChannelOpenHandle,
        counted: Counted,
    ) -> Self {
        let forwarding = Self {
            input: Input::new(Arc::clone(&outlet.flow)),
            overflow: CancellationToken::new(),
        };
        let (input, overflow) = (Arc::clone(&forwarding.input), forwarding.overflow.clone());
        tokio::spawn(async move {
            match timeout(CONNECT_TIME, TcpStream::connect(target.0.as_slice())).await {
                Ok(Ok(stream)) => {
                    reply.accept().await;
                    overflow.run_until_cancelled(carry(stream, &outlet, &input)).await;
                    let _ = outlet.half.close().await;
                }
                Ok(Err(_)) | Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            }
            input.discard();
            outlet.closed.cancel();
            drop(counted);
        });
        forwarding
    }

    pub(crate) fn input(&self, bytes: &[u8]) {
        if self.input.push(bytes).is_err() {
            self.overflow.cancel();
        }
    }

    pub(crate) fn finish_input(&self) {
        self.input.finish();
    }
}

/// Carries both directions until both have ended, or the peer closes the channel.
async fn carry(stream: TcpStream, outlet: &Outlet, input: &Input) {
    // Only a matter of speed.
    let _ = stream.set_nodelay(true);
    let (from_port, mut to_port) = stream.into_split();
    let up = async {
        input.drain(&mut to_port).await;
        let _ = to_port.shutdown().await;
    };
    let down = async {
        outlet
            .pump(from_port, Stream::Stdout, &CancellationToken::new())
            .await;
        let _ = outlet.half.eof().await;
    };
    outlet
        .closed
        .run_until_cancelled(async { tokio::join!(up, down) })
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_to_loopback_only() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "::1"] {
            assert!(Target::new(host, 80).is_some(), "{host}");
        }
        for host in [
            "",
            "10.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "::",
            "example.org",
            "localhost.",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(Target::new(host, 80), None, "{host}");
        }
        for port in [0, 65_536, u32::MAX] {
            assert_eq!(Target::new("localhost", port), None, "{port}");
        }
    }
}
