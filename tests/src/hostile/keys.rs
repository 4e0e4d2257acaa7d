//! Keys and ids as text, which come in requests, answers and files.

use std::fmt::Display;
use std::str::FromStr;

use sandbox_sessions::SessionId;
use sandbox_tunnel::PublicKey;
use sandbox_tunnel::keys::parse_private;

pub(super) fn keys(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // The comment of a key is not part of what it is.
    let public = text
        .parse::<PublicKey>()
        .ok()
        .and_then(|key| key.to_openssh().ok());
    if let Some(line) = public {
        let again: PublicKey = line.parse().expect("what was written is read");
        assert_eq!(again.to_openssh().expect("a line"), line);
    }
    if let Ok(key) = parse_private(&text, None) {
        assert!(!key.is_encrypted());
    }
    reads_what_it_writes::<SessionId>(&text);
}

fn reads_what_it_writes<T: FromStr + Display + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().ok(), Some(value));
    }
}
