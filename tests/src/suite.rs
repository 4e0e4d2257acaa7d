//! The main function of a test target, and its trials.

use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Longer than anything takes on the slowest machine. A trial that reaches it hangs.
const DEADLINE: Duration = Duration::from_secs(180);

/// The trials of one file, for a house.
pub type Room<H> = fn(&Arc<H>) -> Vec<Trial>;

/// Runs trials that share a house of some kind, which is stopped when they have ended.
///
/// Where there can be none, because the host makes no sandboxes, it says so and succeeds.
pub fn run<H, E: Display>(
    start: impl FnOnce() -> Result<H, E>,
    rooms: &[Room<H>],
    stop: impl FnOnce(H),
) -> ExitCode {
    let arguments = Arguments::from_args();
    let house = match start() {
        Ok(house) => Arc::new(house),
        Err(error) => {
            println!("skipped: this host cannot make sandboxes: {error}");
            return ExitCode::SUCCESS;
        }
    };
    let trials = rooms.iter().flat_map(|room| room(&house)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    stop(Arc::into_inner(house).expect("every trial has ended"));
    conclusion.exit_code()
}

/// A test that is a future; it fails by panicking, and by not ending.
pub fn trial<H: Send + Sync + 'static, F: Future<Output = ()>>(
    house: &Arc<H>,
    runtime: &Handle,
    name: &str,
    test: impl FnOnce(Arc<H>) -> F + Send + 'static,
) -> Trial {
    let (house, runtime) = (house.clone(), runtime.clone());
    Trial::test(name, move || {
        runtime
            .block_on(async { timeout(DEADLINE, test(house)).await })
            .map_err(|_| Failed::from("it does not end"))
    })
}

/// Each async function of a house as a trial of its name: `trials![house, "room": first, second]`.
#[macro_export]
macro_rules! trials {
    ($house:expr, $room:literal: $($test:ident),+ $(,)?) => {
        vec![$($crate::suite::trial(
            $house,
            $house.runtime().handle(),
            concat!($room, "::", stringify!($test)),
            $test,
        )),+]
    };
}
