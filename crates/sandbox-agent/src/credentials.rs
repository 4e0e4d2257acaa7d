//! Who may come in, and as whom.

use russh::keys::{PublicKey, ssh_key};

use crate::{AgentConfig, USER};

/// The keys that open this sandbox.
pub(crate) struct Credentials {
    control: PublicKey,
    session: Option<PublicKey>,
}

/// As whom a peer was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The server that made this sandbox.
    Control,
    /// Anybody the server let through.
    User,
}

impl Credentials {
    pub(crate) fn new(config: &AgentConfig) -> Result<Self, ssh_key::Error> {
        let session = config
            .session_key
            .as_deref()
            .map(PublicKey::from_openssh)
            .transpose()?;
        Ok(Self {
            control: PublicKey::from_openssh(&config.control_key)?,
            session,
        })
    }

    /// Whether users need a key.
    pub(crate) fn key_required(&self) -> bool {
        self.session.is_some()
    }

    /// As whom a peer without proof comes in.
    pub(crate) fn without_proof(&self, user: &str) -> Option<Identity> {
        (user == USER && !self.key_required()).then_some(Identity::User)
    }

    /// As whom the holder of `key` comes in.
    pub(crate) fn with_key(&self, user: &str, key: &PublicKey) -> Option<Identity> {
        if user != USER {
            return None;
        }
        if key.key_data() == self.control.key_data() {
            return Some(Identity::Control);
        }
        let session = self.session.as_ref()?;
        (key.key_data() == session.key_data()).then_some(Identity::User)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_tunnel::keys;

    fn line(key: &keys::PrivateKey) -> String {
        key.public_key().to_openssh().unwrap()
    }

    #[test]
    fn a_registered_key_closes_the_door_to_everybody_else() {
        let [control, session, other] = [(); 3].map(|()| keys::generate().unwrap());
        let mut config = AgentConfig {
            host_key: String::new(),
            control_key: line(&control),
            session_key: None,
            expires_at: 0,
            limits: Default::default(),
            environment: Vec::new(),
            working_dir: None,
        };
        let open = Credentials::new(&config).unwrap();
        assert_eq!(open.without_proof("sandbox"), Some(Identity::User));
        assert_eq!(open.without_proof("root"), None);
        assert_eq!(
            open.with_key("sandbox", control.public_key()),
            Some(Identity::Control)
        );
        assert_eq!(open.with_key("sandbox", other.public_key()), None);

        config.session_key = Some(line(&session));
        let closed = Credentials::new(&config).unwrap();
        assert_eq!(closed.without_proof("sandbox"), None);
        assert_eq!(
            closed.with_key("sandbox", session.public_key()),
            Some(Identity::User)
        );
        assert_eq!(
            closed.with_key("sandbox", control.public_key()),
            Some(Identity::Control)
        );
        assert_eq!(closed.with_key("sandbox", other.public_key()), None);
        assert_eq!(closed.with_key("root", control.public_key()), None);
    }
}
