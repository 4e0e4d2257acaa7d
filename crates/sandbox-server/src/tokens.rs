//! Who may ask.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::backend::Owner;

/// The fewest characters of a token; shorter ones can be guessed.
const MIN_LENGTH: usize = 16;

/// The largest file of tokens, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// Bytes of randomness in a token made here.
const RANDOM_BYTES: usize = 32;

/// The bearer tokens a server accepts, and whose they are. Holds digests, never the tokens.
///
/// ```
/// use sandbox_server::Tokens;
///
/// let tokens = Tokens::from_lines("# the build server\nci:dd2e38a8a1c04d0fb3b2\n")?;
/// # Ok::<(), sandbox_server::TokensError>(())
/// ```
#[derive(Clone, Default)]
pub struct Tokens(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    digest: [u8; 32],
    owner: Owner,
}

/// A token that was just made, and the [`Tokens`] that accept it.
#[derive(Debug, Clone)]
pub struct GeneratedToken {
    secret: SecretString,
    tokens: Tokens,
}

/// Why tokens cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// The file cannot be read.
    #[error("cannot read the token file {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not a token.
    #[error("line {line} of the tokens: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it; never quotes it.
        reason: &'static str,
    },
    /// There is not a single token, so nobody could use the server.
    #[error("there are no tokens")]
    Empty,
}

/// The owner of made tokens.
const GENERATED_OWNER: &str = "local";

impl Tokens {
    /// Makes a token of 256 random bits. Its owner is always the same, `local`: who starts a server again with another
    /// token still sees the sessions of the one before.
    ///
    /// ```
    /// let token = sandbox_server::Tokens::generate();
    /// let accepted = token.tokens();
    /// ```
    #[must_use]
    pub fn generate() -> GeneratedToken {
        let random: [u8; RANDOM_BYTES] = rand::random();
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        GeneratedToken {
            tokens: Self(vec![Entry::new(Some(GENERATED_OWNER), &token)]),
            secret: token.into(),
        }
    }

    /// Reads tokens, one `[NAME:]TOKEN` a line; empty lines and those that start with `#` are passed over.
    ///
    /// Sessions belong to the name. Several tokens may have the same one, as while a token is being replaced. A token
    /// without a name has one made from its digest. Names consist of ASCII letters, digits, `.`, `_` and `-`; tokens
    /// of at least 16 visible ASCII characters.
    ///
    /// # Errors
    /// [`TokensError::Line`] for a line that is neither, or a token that was there before; [`TokensError::Empty`].
    pub fn from_lines(text: &str) -> Result<Self, TokensError> {
        let mut entries: Vec<Entry> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refused = |reason| TokensError::Line {
                line: number + 1,
                reason,
            };
            let entry = Entry::parse(line).map_err(refused)?;
            if entries.iter().any(|known| known.digest == entry.digest) {
                return Err(refused("the token is there twice"));
            }
            entries.push(entry);
        }
        if entries.is_empty() {
            Err(TokensError::Empty)
        } else {
            Ok(Self(entries))
        }
    }

    /// Reads tokens from a file, as [`from_lines`](Self::from_lines). A file others may read is used, but warned of.
    ///
    /// # Errors
    /// [`TokensError::Read`], and as [`from_lines`](Self::from_lines).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokensError> {
        let path = path.as_ref();
        let text = read(path).map_err(|source| TokensError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_lines(&text)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Which token this is, counted from 0, and whose. Takes the same time whichever it is, and whether it is one.
    pub(crate) fn find(&self, token: &[u8]) -> Option<(usize, &Owner)> {
        let digest = Sha256::digest(token);
        let mut found = u32::MAX;
        for (index, entry) in (0u32..).zip(&self.0) {
            found.conditional_assign(&index, entry.digest.ct_eq(digest.as_slice()));
        }
        let found = usize::try_from(found).ok()?;
        self.0.get(found).map(|entry| (found, &entry.owner))
    }
}

impl Entry {
    fn new(name: Option<&str>, token: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let owner = match name {
            Some(name) => name.to_owned(),
            None => digest
                .iter()
                .take(6)
                .fold("token-".to_owned(), |name, byte| format!("{name}{byte:02x}")),
        };
        Self {
            digest,
            owner: Owner::new(owner),
        }
    }

    fn parse(line: &str) -> Result<Self, &'static str> {
        let (name, token) = match line.split_once(':') {
            Some((name, token)) => (Some(name), token),
            None => (None, line),
        };
        let named = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        if !name.is_none_or(named) {
            return Err("a name consists of ASCII letters, digits, '.', '_' and '-'");
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token consists of visible ASCII characters");
        }
        if token.len() < MIN_LENGTH {
            return Err("a token has at least 16 characters");
        }
        Ok(Self::new(name, token))
    }
}

impl GeneratedToken {
    /// The token itself.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// What a server needs to accept it.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{:04o}", mode & 0o7777), "others may read the token file");
    }
    let mut text = String::new();
    if file.take(FILE_LIMIT + 1).read_to_string(&mut text)? as u64 > FILE_LIMIT {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {FILE_LIMIT} bytes"),
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn tokens_are_recognised() {
        let tokens =
            Tokens::from_lines("# comment\n\nalice:0123456789abcdef\n  fedcba9876543210  \n").unwrap();
        assert_eq!(tokens.count(), 2);
        assert_eq!(tokens.find(b"0123456789abcdef"), Some((0, &Owner::new("alice"))));
        let (position, nameless) = tokens.find(b"fedcba9876543210").unwrap();
        assert_eq!(position, 1);
        assert!(nameless.to_string().starts_with("token-"), "{nameless}");
        for wrong in [
            "",
            "alice",
            "0123456789abcde",
            "0123456789abcdef0",
            "alice:0123456789abcdef",
        ] {
            assert_eq!(tokens.find(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn bad_lines_are_named_but_not_quoted() {
        for line in [
            "short",
            "bob:short",
            "b b:0123456789abcdef",
            "0123456789 abcdef",
            ":0123456789abcdef",
        ] {
            let error = Tokens::from_lines(&format!("# first\n{line}"))
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("line 2 ") && !error.contains(line), "{error}");
        }
        let twice = Tokens::from_lines("a:0123456789abcdef\nb:0123456789abcdef").unwrap_err();
        assert!(matches!(twice, TokensError::Line { line: 2, .. }));
        assert!(matches!(
            Tokens::from_lines("# nothing\n"),
            Err(TokensError::Empty)
        ));
    }

    #[test]
    fn a_made_token_is_accepted_and_never_shown() {
        let token = Tokens::generate();
        let secret = token.secret().expose_secret();
        assert!(token.tokens().find(secret.as_bytes()).is_some());
        assert!(!format!("{token:?}").contains(secret));
        assert_ne!(secret, Tokens::generate().secret().expose_secret());
    }
}
