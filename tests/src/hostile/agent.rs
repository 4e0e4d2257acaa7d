//! What users of a session send to its agent.

use std::sync::Arc;

use russh::ChannelMsg;
use russh::client::{self, Handler};
use russh::keys::PublicKeyOrCertificate;
use sandbox_tunnel::{Tunnel, TunnelConfig};

use super::ends;
use super::requests::hosted;

struct Trusting;

impl Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// The input of the SFTP server of a session: it ends in good order, and so that the client is told.
pub(super) fn sftp_request(bytes: &[u8]) {
    let hosted = hosted();
    let url = format!("{}/sessions/{}", hosted.url(), hosted.session.id());
    let config = TunnelConfig::new(&url, hosted.token()).expect("a configuration");
    let ending = ends(async {
        let tunnel = Tunnel::open(&config).await.expect("a tunnel");
        let mut ssh = client::connect_stream(Arc::default(), tunnel, Trusting)
            .await
            .expect("SSH");
        ssh.authenticate_none(sandbox_agent::USER).await.expect("a login");
        let mut channel = ssh.channel_open_session().await.expect("a channel");
        channel.request_subsystem(true, "sftp").await.expect("a request");
        // It may have ended before it has read all.
        let _ = channel.data(bytes).await;
        let _ = channel.eof().await;
        let mut ending = None;
        while let Some(message) = channel.wait().await {
            if matches!(
                message,
                ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. }
            ) {
                ending = Some(message);
            }
        }
        ending
    });
    assert!(
        matches!(ending, Some(ChannelMsg::ExitStatus { exit_status: 0 | 1 })),
        "the SFTP server has ended with {ending:?}"
    );
}
