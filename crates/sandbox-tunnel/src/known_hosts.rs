//! Files of known host keys, as OpenSSH has them.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, KnownHosts as Lines, Marker};
use sha1::Sha1;
use tokio::task::spawn_blocking;

use crate::{Error, ErrorKind, Phase, PublicKey};

/// More than that no file of host keys has.
const MAX_BYTES: u64 = 16 << 20;

/// The host keys that a file knows for a server, in the format of OpenSSH's `known_hosts`: names may be hashed or have
/// wildcards, and keys may be revoked. Certificates are not supported.
///
/// ```
/// use sandbox_tunnel::{Auth, HostKey, KnownHosts, SshConfig};
///
/// let known = KnownHosts::new("/home/alice/.ssh/known_hosts", "build.example.com");
/// let strict = SshConfig::new("alice", Auth::None, HostKey::Known(known.clone()));
/// let trusting = SshConfig::new("alice", Auth::None, HostKey::Known(known.accept_new()));
/// ```
///
/// # Errors
///
/// Connecting fails with [`ErrorKind::HostKeyMismatch`] when the file has another key for the server or the key was
/// revoked, with [`ErrorKind::HostKeyUnknown`] when it has none and new ones are not accepted, and with
/// [`ErrorKind::Failure`] when it cannot be read or written. A file that is not there is an empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHosts {
    path: PathBuf,
    name: String,
    accepts_new: bool,
}

/// What a file says of a key.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Known,
    Unknown,
    /// There are other keys of that name.
    Other,
    Revoked,
}

impl KnownHosts {
    /// The keys that a file has for the server of this name. For a port other than 22 OpenSSH's names are of the form
    /// `[host]:port`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            name: name.into(),
            accepts_new: false,
        }
    }

    /// Accepts the key of a server of which the file knows none, and writes it there.
    #[must_use]
    pub fn accept_new(mut self) -> Self {
        self.accepts_new = true;
        self
    }

    pub(crate) async fn check(&self, key: &PublicKey) -> Result<(), Error> {
        let (known, key) = (self.clone(), key.clone());
        let path = self.path.display();
        spawn_blocking(move || known.check_now(&key))
            .await
            .unwrap_or_else(|error| Err(failed(io::Error::other(error))))
            .map_err(|error| error.at(path))
    }

    fn check_now(&self, key: &PublicKey) -> Result<(), Error> {
        let refused = |kind, why| Err(Error::caused_by(Phase::KeyExchange, kind, why));
        let text = read(&self.path).map_err(failed)?;
        match verdict(&text, &self.name, key) {
            Verdict::Known => Ok(()),
            Verdict::Unknown if self.accepts_new => self.learn(&text, key).map_err(failed),
            Verdict::Unknown => refused(ErrorKind::HostKeyUnknown, "the file has none for it"),
            Verdict::Other => refused(ErrorKind::HostKeyMismatch, "the file has another one for it"),
            Verdict::Revoked => refused(ErrorKind::HostKeyMismatch, "it was revoked"),
        }
    }

    /// Appends a line in one write, so that those of several processes do not mix.
    fn learn(&self, text: &str, key: &PublicKey) -> io::Result<()> {
        let key = PublicKey::from(key.key_data().clone());
        let key = key.to_openssh().map_err(io::Error::other)?;
        let end_of_last = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        let line = format!("{end_of_last}{} {key}\n", self.name);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path)?;
        file.write_all(line.as_bytes())
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is too large",
        ));
    }
    // A comment may be in any encoding.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn failed(error: io::Error) -> Error {
    Error::caused_by(Phase::KeyExchange, ErrorKind::Failure, error)
}

/// As OpenSSH does, passes over lines that make no sense, and those for certificates.
fn verdict(text: &str, name: &str, key: &PublicKey) -> Verdict {
    let mut verdict = Verdict::Unknown;
    for entry in Lines::new(text).flatten().filter(|entry| names(entry, name)) {
        let is_this = entry.public_key().key_data() == key.key_data();
        verdict = match (entry.marker(), is_this) {
            (Some(Marker::Revoked), true) => return Verdict::Revoked,
            (Some(_), _) => verdict,
            (None, true) => Verdict::Known,
            (None, false) if verdict == Verdict::Unknown => Verdict::Other,
            (None, false) => verdict,
        };
    }
    verdict
}

/// Whether an entry is for a server of this name.
fn names(entry: &Entry, name: &str) -> bool {
    match entry.host_patterns() {
        HostPatterns::HashedName { salt, hash } => Hmac::<Sha1>::new_from_slice(salt).is_ok_and(|mac| {
            mac.chain_update(name.to_ascii_lowercase())
                .verify_slice(hash)
                .is_ok()
        }),
        HostPatterns::Patterns(patterns) => {
            let is_excepted = |pattern: &String| {
                pattern
                    .strip_prefix('!')
                    .is_some_and(|pattern| matches(pattern, name))
            };
            !patterns.iter().any(is_excepted) && patterns.iter().any(|pattern| matches(pattern, name))
        }
    }
}

/// Whether a name is one of a pattern's, in which `*` stands for any characters and `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let (mut pattern, mut name) = (pattern.as_str(), name.as_str());
    // Where to go on, should the last star have stood for too few.
    let mut again = None;
    loop {
        let mut rest = name.chars();
        let next = rest.next();
        let mut expected = pattern.chars();
        match (expected.next(), next) {
            (Some('*'), _) => {
                pattern = expected.as_str();
                again = Some((pattern, name));
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                (pattern, name) = (expected.as_str(), rest.as_str());
            }
            (None, None) => return true,
            _ => {
                let Some((after_star, start)) = again else {
                    return false;
                };
                let mut start = start.chars();
                if start.next().is_none() {
                    return false;
                }
                again = Some((after_star, start.as_str()));
                (pattern, name) = (after_star, start.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::keys::generate;

    fn key() -> (PublicKey, String) {
        let key = generate().unwrap().public_key().clone();
        let line = key.to_openssh().unwrap();
        (key, line)
    }

    #[test]
    fn patterns_match_as_in_openssh() {
        for (pattern, name) in [
            ("a.example", "a.example"),
            ("A.example", "a.EXAMPLE"),
            ("*", ""),
            ("*", "anything"),
            ("*.example", "a.b.example"),
            ("a*b*c", "aXbYbZc"),
            ("?.example", "a.example"),
            ("[a]:22??", "[a]:2222"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("a", "b"),
            ("a", "ab"),
            ("ab", "a"),
            ("*.example", "example"),
            ("a*b", "aXbY"),
            ("?", ""),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        // And soon.
        assert!(!matches(&"*a".repeat(100), &"a".repeat(99)));
    }

    #[test]
    fn a_file_is_read_as_openssh_does() {
        let ((key, line), (_, other)) = (key(), key());
        let check = |text: &str| verdict(text, "host", &key);
        assert_eq!(check(""), Verdict::Unknown);
        assert_eq!(check(&format!("host {line}")), Verdict::Known);
        assert_eq!(
            check(&format!("# a comment\n\nx,host {line} and a comment\n")),
            Verdict::Known
        );
        assert_eq!(
            check(&format!("elsewhere {other}\nnonsense\nh*,!host {other}\n")),
            Verdict::Unknown
        );
        assert_eq!(check(&format!("host {other}\n")), Verdict::Other);
        assert_eq!(check(&format!("host {other}\nho?t {line}\n")), Verdict::Known);
        assert_eq!(check(&format!("host {line}\nhost {other}\n")), Verdict::Known);
        assert_eq!(
            check(&format!("host {line}\n@revoked * {line}\n")),
            Verdict::Revoked
        );
        assert_eq!(check(&format!("@revoked * {other}\n")), Verdict::Unknown);
        assert_eq!(check(&format!("@cert-authority * {line}\n")), Verdict::Unknown);
    }

    #[test]
    fn hashed_names_are_known() {
        // `ssh-keygen -H` of a file with this line for `host`.
        let (key, line) = key();
        let salt = [7_u8; 20];
        let mac = Hmac::<Sha1>::new_from_slice(&salt).unwrap().chain_update("host");
        let hash: [u8; 20] = mac.finalize().into_bytes().into();
        let name = HostPatterns::HashedName {
            salt: salt.to_vec(),
            hash,
        };
        let text = format!("{} {line}\n", name.to_string());
        assert!(text.starts_with("|1|"), "{text}");
        assert_eq!(verdict(&text, "host", &key), Verdict::Known);
        assert_eq!(verdict(&text, "other", &key), Verdict::Unknown);
    }

    /// What OpenSSH says that patterns mean, tried in every way.
    fn means(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, name) => name.is_none(),
            (Some(('*', rest)), Some((_, shorter))) => means(rest, name) || means(pattern, shorter),
            (Some(('*', rest)), None) => means(rest, name),
            (Some((wanted, rest)), Some((found, name))) => {
                (*wanted == '?' || wanted == found) && means(rest, name)
            }
            (Some(_), None) => false,
        }
    }

    type Matches = fn(&str, &str) -> bool;

    fn a_pattern_matches_what_it_means(matches: Matches) -> Result<(), String> {
        let characters = |text: &str| text.chars().collect::<Vec<_>>();
        let tried = TestRunner::deterministic().run(&("[ab*?]{0,8}", "[ab]{0,8}"), |(pattern, name)| {
            let meant = means(&characters(&pattern), &characters(&name));
            prop_assert_eq!(matches(&pattern, &name), meant);
            Ok(())
        });
        tried.map_err(|error| error.to_string())
    }

    #[test]
    fn any_pattern_matches_what_it_means() {
        a_pattern_matches_what_it_means(matches).unwrap();
    }

    #[test]
    fn a_star_that_takes_all_it_can_is_noticed() {
        let greedy: Matches = |pattern, name| match pattern.split_once('*') {
            Some((before, after)) => matches(&format!("{before}*"), name) && name.ends_with(after),
            None => matches(pattern, name),
        };
        a_pattern_matches_what_it_means(greedy).unwrap_err();
    }

    type Judges = fn(&str, &str, &PublicKey) -> Verdict;

    fn any_text_is_a_file_of_keys(verdict: Judges) -> Result<(), String> {
        let lines = "((@revoked |@cert-authority |@)?(h|\\*|!h|\\|1\\|[A-Za-z0-9=]{0,9}\\|[A-Za-z0-9=]{0,9})(,h)? \
            ssh-ed25519 [A-Za-z0-9+/=]{0,68}\n?){0,4}";
        let tried = TestRunner::deterministic().run(&prop_oneof![any::<String>(), lines], |text| {
            let (key, line) = key();
            let _ = verdict(&text, "host", &key);
            // A line of its own is found wherever it is.
            let found = verdict(&format!("{text}\nhost {line}\n"), "host", &key);
            prop_assert!(matches!(found, Verdict::Known), "{found:?}");
            Ok(())
        });
        tried.map_err(|error| error.to_string())
    }

    #[test]
    fn any_file_is_read_to_its_end() {
        any_text_is_a_file_of_keys(verdict).unwrap();
    }

    #[test]
    fn a_file_that_is_read_to_its_first_fault_is_noticed() {
        let strict: Judges = |text, host, key| {
            let read = text
                .lines()
                .take_while(|line| line.is_empty() || line.contains("AAAA"));
            verdict(&read.collect::<Vec<_>>().join("\n"), host, key)
        };
        any_text_is_a_file_of_keys(strict).unwrap_err();
    }
}
