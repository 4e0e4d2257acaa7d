//! One trial.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use libtest_mimic::{Failed, Trial};
use tokio::time::timeout;

use crate::report::{Outcome, last_panic};
use crate::server::Server;

/// Longer than anything takes on the slowest machine. A trial that reaches it hangs.
const DEADLINE: Duration = Duration::from_secs(180);

/// What the document lets a server refuse, and this one does.
pub(crate) struct Unsupported(pub(crate) String);

/// How a trial ends that does not panic.
pub(crate) type Held = Result<(), Unsupported>;

/// A trial under way.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Held> + 'a>>;

pub(crate) fn trial(
    server: &Arc<Server>,
    about: &'static str,
    name: &'static str,
    test: fn(&Server) -> Running<'_>,
) -> Trial {
    let server = server.clone();
    Trial::test(format!("{about}::{name}"), move || {
        let outcome = run(&server, test);
        let failed = match &outcome {
            Outcome::Failed(why) => Err(Failed::from(why)),
            Outcome::Passed | Outcome::Unsupported(_) => Ok(()),
        };
        server.noted().add(about, name, outcome);
        failed
    })
}

fn run(server: &Server, test: fn(&Server) -> Running<'_>) -> Outcome {
    let ended = server.runtime().block_on(async {
        let test = AssertUnwindSafe(test(server)).catch_unwind();
        let ended = timeout(DEADLINE, test).await;
        server.clean_up().await;
        ended
    });
    let violations = server.verdict();
    let mut why: Vec<String> = violations.iter().map(ToString::to_string).collect();
    match ended {
        Ok(Ok(Ok(()))) if why.is_empty() => return Outcome::Passed,
        Ok(Ok(Err(Unsupported(what)))) if why.is_empty() => return Outcome::Unsupported(what),
        Ok(Ok(_)) => {}
        Ok(Err(_)) => why.push(last_panic()),
        Err(_) => why.push("it does not end".to_owned()),
    }
    Outcome::Failed(why.join("\n"))
}

/// Each async function as a trial of its name: `trials![server, "operation": first, second]`.
macro_rules! trials {
    ($server:expr, $($about:literal: $($test:ident),+);+ $(;)?) => {
        vec![$($($crate::trial::trial($server, $about, stringify!($test), |server| Box::pin($test(server)))),+),+]
    };
}
pub(crate) use trials;
