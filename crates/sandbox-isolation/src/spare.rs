//! Helpers, as the launcher sees them, and one that is started before there is anything for it to do.
//!
//! To load the program is a good part of the time that a launch takes. A launcher that goes on launching therefore has
//! the next helper loaded while it waits for the current sandbox. Such a helper waits at its control socket and ends
//! with it, so it outlives no launcher.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::error::{Context, Error};
use crate::init::INIT_ARGUMENT;
use crate::subreaper::control_pair;

/// A process that waits for an order. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Helper {
    child: Child,
    control: OwnedFd,
}

impl Helper {
    fn start(program: &Path) -> Result<Self, Error> {
        let (control, theirs) = control_pair().during("create a socket pair")?;
        let child = Command::new(program)
            // What `/proc/1/cmdline` shows inside.
            .arg0("sandbox")
            .arg(INIT_ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .during_on("start the program of the sandbox", program)?;
        Ok(Self { child, control })
    }

    /// Where it takes its order, and where it and the sandbox report.
    pub(crate) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Waits for its end, after it has done its work.
    pub(crate) fn wait(mut self) -> io::Result<()> {
        self.child.wait().map(drop)
    }

    /// One that nobody has given an order to says nothing, unless it is gone.
    fn waits(&self) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut socket = [PollFd::new(&self.control, PollFlags::IN)];
        matches!(
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut socket, Some(&now))),
            Ok(0)
        )
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Both do nothing once it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The helper for the next launch.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Whoever launches one sandbox need not launch another; whoever launches two is expected to go on.
    launched: bool,
    helper: Option<(PathBuf, Helper)>,
}

impl Spare {
    /// The spare helper of this program, or one started now.
    pub(crate) fn take(&self, program: &Path) -> Result<Helper, Error> {
        let spare = self.state().helper.take();
        match spare {
            Some((of, helper)) if of == program && helper.waits() => Ok(helper),
            _ => Helper::start(program),
        }
    }

    /// Starts the next one. To be called when there is time for it.
    pub(crate) fn prepare(&self, program: &Path) {
        {
            let mut state = self.state();
            let first = !std::mem::replace(&mut state.launched, true);
            if first || state.helper.is_some() {
                return;
            }
        }
        match Helper::start(program) {
            Ok(helper) => drop(self.state().helper.replace((program.to_owned(), helper))),
            // The next launch will try for itself, and tell.
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "no spare helper"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that waits at its standard input, as a helper does.
    fn cat() -> &'static Path {
        Path::new("/bin/cat")
    }

    #[test]
    fn is_there_from_the_second_launch_on() {
        let spare = Spare::default();
        spare.prepare(cat());
        assert!(spare.state().helper.is_none());
        spare.prepare(cat());
        let waiting = spare.state().helper.as_ref().map(|(_, helper)| helper.child.id());
        assert_eq!(waiting, Some(spare.take(cat()).unwrap().child.id()));
    }

    #[test]
    fn is_replaced_when_it_died_or_is_another_program() {
        let spare = Spare::default();
        for _ in 0..2 {
            spare.prepare(cat());
        }
        if let Some((_, helper)) = &mut spare.state().helper {
            // Asked for something it does not know, `cat` ends.
            helper.child.kill().unwrap();
            helper.child.wait().unwrap();
        }
        assert!(spare.take(cat()).unwrap().waits());
        spare.prepare(cat());
        assert!(spare.take(Path::new("/no/such/program")).is_err());
    }
}
