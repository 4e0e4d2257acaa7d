//! From the errors of tunnels and SSH to ours.

use sandbox_tunnel::{ErrorKind as Kind, Phase};

use super::from_api::refused;
use super::{Answer, Error, ErrorKind, is_temporary};

/// What a failure of a tunnel, or of what runs in it, means to callers.
pub(crate) fn from_tunnel_error(error: sandbox_tunnel::Error) -> Error {
    if let (Phase::HttpConnect, Some(refusal)) = (error.phase(), error.refusal()) {
        let body = sandbox_api::hooks::error_body(refusal.status, &refusal.body);
        return refused(refusal.status, &refusal.headers, body).with_source(error);
    }
    let (kind, code) = meaning(&error);
    let message = match error.path() {
        Some(path) => format!("{path}: {}", described(&error)),
        None => described(&error).to_owned(),
    };
    Error::new(kind, message)
        .permanent(is_permanent(&error))
        .with_answer(Answer {
            error_code: code.map(str::to_owned),
            ..Answer::default()
        })
        .with_source(error)
}

/// Whether somebody has to change something before it can succeed.
fn is_permanent(error: &sandbox_tunnel::Error) -> bool {
    match error.kind() {
        Kind::Untrusted | Kind::HostKeyMismatch | Kind::HostKeyUnknown | Kind::Protocol => true,
        // By a proxy, such as for want of a password; not because it cannot reach the API now.
        Kind::Refused => error
            .refusal()
            .is_some_and(|refusal| !is_temporary(refusal.status)),
        _ => false,
    }
}

/// Codes are those of the API where it has one for the same.
fn meaning(error: &sandbox_tunnel::Error) -> (ErrorKind, Option<&'static str>) {
    match error.kind() {
        Kind::TimedOut => (ErrorKind::Timeout, None),
        Kind::Unauthorized => (ErrorKind::Unauthorized, None),
        Kind::InvalidConfig => (ErrorKind::InvalidArgument, None),
        Kind::NotFound if error.phase() == Phase::LocalFile => (ErrorKind::InvalidArgument, None),
        Kind::Refused if error.phase() == Phase::Proxy => (ErrorKind::Connection, None),
        Kind::NotFound => (ErrorKind::Operation, Some("FILE_NOT_FOUND")),
        Kind::AlreadyExists => (ErrorKind::Operation, Some("FILE_EXISTS")),
        Kind::PermissionDenied => (ErrorKind::Operation, Some("PERMISSION_DENIED")),
        Kind::Unsupported => (ErrorKind::Operation, Some("UNSUPPORTED")),
        Kind::HostKeyMismatch => (ErrorKind::Connection, Some("HOST_KEY_MISMATCH")),
        Kind::HostKeyUnknown => (ErrorKind::Connection, Some("HOST_KEY_UNKNOWN")),
        Kind::Refused | Kind::Failure => (ErrorKind::Operation, None),
        // Of the kinds there are: unreachable, untrusted, disconnected, no SSH.
        _ => (ErrorKind::Connection, None),
    }
}

fn described(error: &sandbox_tunnel::Error) -> &'static str {
    match error.phase() {
        Phase::Resolve | Phase::Connect | Phase::Tls | Phase::Proxy | Phase::HttpConnect => {
            "cannot open a tunnel to the session"
        }
        Phase::KeyExchange | Phase::Authentication => "cannot log in to the session over SSH",
        Phase::ChannelOpen | Phase::Preparation | Phase::Start => {
            "the session's SSH server does not start it"
        }
        Phase::Sftp => "the session's SFTP server does not do it",
        Phase::LocalFile => "a file of this machine cannot be read or written",
        _ => "the connection to the session was lost",
    }
}
