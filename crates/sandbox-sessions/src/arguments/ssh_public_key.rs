use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox_api::bounded::BoundedString;

use super::text;
use crate::Error;

/// Checks for one line of the form `algorithm base64 [comment]`, as in an OpenSSH `.pub` file.
///
/// Whether the API's SSH server supports the algorithm, and whether the key material is sound, is for the API
/// to say. Refused text is never quoted: it may well be the private half.
pub(crate) fn check_ssh_public_key<const MIN: usize, const MAX: usize>(
    line: String,
) -> Result<BoundedString<MIN, MAX>, Error> {
    let refuse = |reason: &str| Err(Error::invalid_argument("ssh public key", reason));
    if line.contains("PRIVATE KEY-----") {
        return refuse("is a private key; pass the contents of the .pub file beside it");
    }
    // A file's line break is no part of the key.
    let key: BoundedString<MIN, MAX> = text("ssh public key", line.trim().to_owned())?;
    let line = key.as_str();
    if line.contains(|character: char| character.is_control() && character != '\t') {
        return refuse("must be a single line without control characters");
    }
    let mut fields = line.split_ascii_whitespace();
    let (Some(algorithm), Some(encoded)) = (fields.next(), fields.next()) else {
        return refuse("must have the form \"algorithm base64 comment\"");
    };
    let Ok(blob) = STANDARD.decode(encoded) else {
        return refuse("must start with an algorithm and base64 data, without options before them");
    };
    // The binary form starts with the algorithm's name again, after its length.
    let embedded = blob.split_first_chunk::<4>().and_then(|(length, rest)| {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        rest.get(..length)
    });
    if embedded == Some(algorithm.as_bytes()) {
        Ok(key)
    } else {
        refuse("has base64 data that is not a key of the algorithm named before it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: String) -> Result<BoundedString<1, 16384>, Error> {
        check_ssh_public_key(line)
    }

    const BLOB: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB2VExampleBase64KeyMaterial";

    #[test]
    fn accepts_openssh_lines() {
        for line in [
            format!("ssh-ed25519 {BLOB}"),
            format!("ssh-ed25519 {BLOB} user@example"),
            format!("ssh-ed25519 {BLOB} a comment of several words\n"),
        ] {
            assert_eq!(check(line.clone()).unwrap().as_str(), line.trim());
        }
    }

    #[test]
    fn refuses_everything_else_without_quoting_it() {
        for (line, reason) in [
            (String::new(), "empty"),
            (" \n".to_owned(), "empty"),
            ("ssh-ed25519".to_owned(), "form"),
            (BLOB.to_owned(), "form"),
            ("ssh-ed25519 not*base64".to_owned(), "base64"),
            (format!("from=\"10.0.0.1\" ssh-ed25519 {BLOB}"), "without options"),
            (format!("ssh-rsa {BLOB}"), "not a key of the algorithm"),
            ("ssh-ed25519 AAAA".to_owned(), "not a key of the algorithm"),
            ("ssh-ed25519 /////w==".to_owned(), "not a key of the algorithm"),
            (format!("ssh-ed25519 {BLOB}\nssh-ed25519 {BLOB}"), "single line"),
            (format!("ssh-ed25519 {BLOB} a\0b"), "NUL character"),
            (format!("ssh-ed25519 {BLOB} a\x1bb"), "control characters"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----".to_owned(),
                "is a private key",
            ),
            (
                format!("ssh-ed25519 {BLOB} {}", "x".repeat(16384)),
                "from 1 to 16384",
            ),
        ] {
            let shown = check(line.clone()).unwrap_err().to_string();
            assert!(shown.contains(reason), "{line:?}: {shown}");
            assert!(!shown.contains("b3Blbn") && !shown.contains(BLOB), "{shown}");
        }
    }
}
