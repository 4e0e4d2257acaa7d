//! Commands in a session of a backend.

use std::sync::Arc;
use std::time::Duration;

use sandbox_server::backend::{Backend, SessionId};
use sandbox_tunnel::{Auth, ExecRequest, Exit, HostKey, SshClient, SshConfig};
use tokio::time::Instant;

/// Longer than anything takes on the slowest machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) async fn connect(backend: &dyn Backend, id: SessionId) -> SshClient {
    let access = backend.access(id).await.expect("the keys of the session");
    let stream = backend
        .dial(id, Instant::now() + DEADLINE)
        .await
        .expect("the agent answers");
    let auth = Auth::Key(Arc::new(access.control));
    let config = SshConfig::new(sandbox_agent::USER, auth, HostKey::Pinned(access.host));
    SshClient::connect(stream, &config)
        .await
        .expect("the agent lets the server in")
}

/// Runs a command that succeeds, and answers what it wrote.
pub(crate) async fn run(backend: &dyn Backend, id: SessionId, command: &str) -> String {
    let request = ExecRequest::command(command.to_owned()).env(sandbox_agent::LINGER_VARIABLE, "200");
    let output = connect(backend, id)
        .await
        .run(request)
        .await
        .expect("the command runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.exit, Exit::Code(0), "{command}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}

/// Waits until something holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
