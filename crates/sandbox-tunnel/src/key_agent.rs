//! The keys of an SSH agent on this machine.

use russh::{
    client::{AuthResult, Handle},
    keys::agent::{AgentIdentity, client::AgentClient},
};

use crate::client::Gatekeeper;

/// Offers one key after the other, until one is accepted or the server has had enough.
pub(crate) async fn authenticate(
    handle: &mut Handle<Gatekeeper>,
    user: &str,
) -> Result<AuthResult, russh::Error> {
    // Servers that ask for nothing are entered without an agent that may not be there.
    let mut result = handle.authenticate_none(user).await?;
    if result.success() {
        return Ok(result);
    }
    let mut agent = AgentClient::connect_env().await?;
    for identity in agent.request_identities().await? {
        if result.success() || handle.is_closed() {
            break;
        }
        let AgentIdentity::PublicKey { key, .. } = identity else {
            continue;
        };
        let hash = if key.algorithm().is_rsa() {
            handle.best_supported_rsa_hash().await?.flatten()
        } else {
            None
        };
        result = handle
            .authenticate_publickey_with(user, key, hash, &mut agent)
            .await
            .map_err(|_| russh::Error::NotAuthenticated)?;
    }
    Ok(result)
}
