//! SSH keys.

pub use russh::keys::{PrivateKey, PublicKey};

use russh::keys::{Algorithm, key::safe_rng, ssh_key::Error};

/// Makes a new Ed25519 key pair from the system's random source.
///
/// # Errors
///
/// Where the key cannot be made, which does not happen for this algorithm with a working random source.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = sandbox_tunnel::keys::generate()?;
/// assert!(key.public_key().to_openssh()?.starts_with("ssh-ed25519 "));
/// # Ok(())
/// # }
/// ```
pub fn generate() -> Result<PrivateKey, Error> {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519)
}
