//! SSH keys.
//!
//! ```
//! use sandbox_tunnel::{PublicKey, keys};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = keys::generate()?;
//! let line = key.public_key().to_openssh()?; // for the server, or for `authorized_keys`
//! let public: PublicKey = line.parse()?;
//! assert_eq!(&public, key.public_key());
//! # Ok(())
//! # }
//! ```

pub use russh::keys::{PrivateKey, PublicKey};

use std::fmt;

use russh::keys::{Algorithm, decode_secret_key, key::safe_rng, ssh_key::Error};

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

/// The text is no private key, or its passphrase is wrong or missing. Nothing of it is quoted.
///
/// ```
/// let error = sandbox_tunnel::keys::parse_private("ssh-ed25519 AAAA of the public half", None).unwrap_err();
/// assert!(!error.to_string().contains("AAAA"));
/// ```
#[derive(Debug)]
pub struct InvalidKey(());

/// Reads a private key as files have it (OpenSSH's format, PKCS#8), deciphered with a passphrase if it is enciphered.
///
/// ```
/// use sandbox_tunnel::keys;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = keys::generate()?;
/// let text = key.to_openssh(Default::default())?;
/// assert_eq!(keys::parse_private(&text, None)?.public_key(), key.public_key());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`InvalidKey`], also for kinds of keys that are not supported.
pub fn parse_private(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, InvalidKey> {
    match decode_secret_key(text, passphrase) {
        Ok(key) if !key.is_encrypted() => Ok(key),
        _ => Err(InvalidKey(())),
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a private key that can be used, or its passphrase is wrong or missing")
    }
}

impl std::error::Error for InvalidKey {}
