//! Whose certificate is trusted.

use libtest_mimic::Trial;

use super::{House, Transport};
use crate::support::assert_output;

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test(
        "ssh::a_certificate_is_trusted_by_whom_it_was_shown_to",
        || {
            trusted();
            Ok(())
        },
    )]
}

/// Who was not told does not trust it, neither for requests nor for tunnels.
fn trusted() {
    let house = House::open(Transport::Tls, &[]);
    let id = house.id.as_str();
    assert_output(&house.output(&["exec", id, "echo in"]), 0, "in\n");
    for arguments in [&["ls"][..], &["ssh", id, "true"], &["proxy", id]] {
        let mut stranger = house.command(arguments);
        assert_output(&stranger.env_remove("SSL_CERT_FILE").output().unwrap(), 69, "");
    }
    let plain = house.serve.url.replace("https", "http");
    assert_output(&house.output(&["ls", "--api-url", &plain]), 69, "");
}
