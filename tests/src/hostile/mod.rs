//! What must hold whatever bytes the other end sends: each target is a function of these bytes, which panics where it
//! does not hold. The test target `hostile` and the fuzzers in `fuzz/` call the same functions.

mod agent;
mod answers;
mod keys;
mod requests;
mod scripted;

use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;

pub use self::requests::{can_make_sandboxes, stop};

/// Longer than anything takes on the slowest machine. What reaches it hangs.
const DEADLINE: Duration = Duration::from_secs(120);

/// Something that reads what somebody else wrote.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As its folder of seeds and its fuzzer are called.
    pub name: &'static str,
    /// Takes bytes, and panics if they have done harm.
    pub run: fn(&[u8]),
    /// Whether it needs sandboxes, which not every host makes.
    pub needs_sandboxes: bool,
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "http_answer",
        run: answers::http_answer,
        needs_sandboxes: false,
    },
    Target {
        name: "connect_answer",
        run: answers::connect_answer,
        needs_sandboxes: false,
    },
    Target {
        name: "ssh_server",
        run: answers::ssh_server,
        needs_sandboxes: false,
    },
    Target {
        name: "keys",
        run: keys::keys,
        needs_sandboxes: false,
    },
    Target {
        name: "http_request",
        run: requests::http_request,
        needs_sandboxes: true,
    },
    Target {
        name: "sftp_request",
        run: agent::sftp_request,
        needs_sandboxes: true,
    },
];

/// Calls the target of that name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").run)(bytes);
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}

/// Waits for something that has to end.
fn ends<T>(what: impl Future<Output = T>) -> T {
    let ended = runtime().block_on(async { timeout(DEADLINE, what).await });
    ended.expect("it does not end")
}
