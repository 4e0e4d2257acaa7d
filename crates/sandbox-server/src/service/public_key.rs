//! Keys that may log in.

use russh::keys::{Algorithm, PublicKey};

use super::error::{Error, Result};

const FIELD: &str = "sshPublicKey";

/// A key as one line in the format of OpenSSH, without its comment, which is the only part of any length.
pub(super) fn normalised(line: &str) -> Result<String> {
    let invalid = || Error::invalid(FIELD, "is not a public key in the one-line format of OpenSSH");
    let line = line.trim();
    if line.contains(['\n', '\r']) {
        return Err(invalid());
    }
    let key = PublicKey::from_openssh(line).map_err(|error| invalid().caused_by(error))?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => {}
        // The agents could not check its signatures: a session nobody can log in to helps nobody.
        other => {
            let why = format!("{other} keys are not supported; use an ssh-ed25519 or ecdsa-sha2 key");
            return Err(Error::invalid(FIELD, why));
        }
    }
    let bare = PublicKey::new(key.key_data().clone(), "");
    bare.to_openssh().map_err(|error| invalid().caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBYgf0wsqBpjBDOmYL4BQoVQIgvcFYvOmRjPZ6oVj4Lf";

    #[test]
    fn a_comment_is_left_out() {
        assert_eq!(normalised(&format!("  {KEY} alice@example ü\n")).unwrap(), KEY);
        assert_eq!(normalised(KEY).unwrap(), KEY);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDOrnSAwGIV8HTz6YEfVYdnB+5pthT18OhdKIrfnolkVyxlZd1huJ4Soxxf3nVl\
                   KSV51H1exxBiMm3F1fctAHqf8Ex+FbiLjnOfs4oDA7diHG9TouQj3cwUXthogn73A9xNkEUN5PmvDvBgsA6DOtfL+TGRH9m6EiMDD\
                   nOWOiv9c6fIZmskFv+Mo8A84mMFLXo1lU14HEVnRDc4oyXEw1PDN8X5PHgMcsnCwfhKwYtGG7Lt6KVjZ3cQvf5huAJ/4JKMcFej6H\
                   YLTQ+4kAmNHrPHfIsX5VXzBg6eg7agSTGA9NG8F9TvTqV0ZHEFIHIPJTzlmUDjqfHhBSPPFxmqWEI5";
        assert!(
            normalised(rsa)
                .unwrap_err()
                .message
                .contains("ssh-rsa keys are not supported")
        );
        for line in [
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            &format!("{KEY}\n{KEY}"),
            &KEY.replace("ed", "dd"),
        ] {
            let error = normalised(line).unwrap_err();
            assert!(error.message.starts_with("sshPublicKey: "), "{}", error.message);
        }
    }
}
