//! Clients that are gone without having said so: switched off, out of reach, forgotten by a router.

use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// How often a silent client is asked before it is taken for gone.
const QUESTIONS: u32 = 3;

/// What the kernel takes for a time of silence.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(32767);

/// Has the kernel ask a client that has been silent for so long whether it is still there, three times, and fail the
/// connection when no answer comes.
///
/// A client that was sent something is not asked, because it has something to acknowledge. It has the same time for
/// that: one that is gone does not, and neither does one that is there and takes nothing of what it has asked for.
pub(super) fn notice(stream: &TcpStream, silence: Duration) -> rustix::io::Result<()> {
    let silence = silence.clamp(SHORTEST, LONGEST);
    sockopt::set_tcp_keepidle(stream, silence)?;
    sockopt::set_tcp_keepintvl(stream, silence)?;
    sockopt::set_tcp_keepcnt(stream, QUESTIONS)?;
    sockopt::set_socket_keepalive(stream, true)?;
    let all = silence * (QUESTIONS + 1);
    sockopt::set_tcp_user_timeout(stream, u32::try_from(all.as_millis()).unwrap_or(u32::MAX))
}
