//! Helpers, as the launcher sees them, and one that is started before there is anything for it to do.
//!
//! To load the program is a good part of the time that a launch takes. A launcher that goes on launching therefore has
//! the next helper loaded ahead, in processor time that nobody else asks for. Such a helper waits at its control socket
//! and ends with it, so it outlives no launcher.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Pid;

use crate::error::{Context, Error};
use crate::init::INIT_ARGUMENT;
use crate::subreaper::control_pair;
use crate::sys;

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

    /// It may still be loading, which is urgent from now on.
    fn hurry(&self) -> io::Result<()> {
        Ok(sys::schedule_normally(Pid::from_child(&self.child))?)
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
    /// To the thread that starts spare helpers, which ends with this.
    loader: Option<Sender<PathBuf>>,
}

impl Spare {
    /// The spare helper of this program, or one started now.
    pub(crate) fn take(&self, program: &Path) -> Result<Helper, Error> {
        let spare = self.state().helper.take();
        match spare {
            Some((of, helper)) if of == program && helper.waits() && helper.hurry().is_ok() => Ok(helper),
            _ => Helper::start(program),
        }
    }

    /// Has the next one started, as soon as there is time for it.
    pub(crate) fn prepare(self: &Arc<Self>, program: &Path) {
        let mut state = self.state();
        let first = !std::mem::replace(&mut state.launched, true);
        if first || state.helper.is_some() {
            return;
        }
        let loader = state.loader.take().map_or_else(|| self.start_loader(), Ok);
        match loader {
            // It ends with its channel, so it is there.
            Ok(loader) => drop(state.loader.insert(loader).send(program.to_owned())),
            // The next launch does without.
            Err(error) => tracing::debug!(%error, "no thread for spare helpers"),
        }
    }

    fn start_loader(self: &Arc<Self>) -> io::Result<Sender<PathBuf>> {
        let (loader, programs) = mpsc::channel();
        let spare = Arc::downgrade(self);
        thread::Builder::new()
            .name(String::from("spare-helpers"))
            .spawn(move || load(&programs, &spare))?;
        Ok(loader)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts helpers until nobody can ask for one any more. They inherit this thread's priority, the lowest there is,
/// where that can be taken back from them.
fn load(programs: &Receiver<PathBuf>, spare: &Weak<Spare>) {
    let lowest = priority_can_be_restored().then(sys::schedule_when_idle);
    tracing::debug!(?lowest, "spare helpers are started when there is time");
    for program in programs {
        match (Helper::start(&program), spare.upgrade()) {
            (Ok(helper), Some(spare)) => drop(spare.state().helper.replace((program, helper))),
            (_, None) => return,
            // The next launch will try for itself, and tell.
            (Err(error), _) => tracing::debug!(error = &error as &dyn std::error::Error, "no spare helper"),
        }
    }
}

/// Whether a thread gets its priority back after it had the lowest, which ordinary users mostly are not allowed. A
/// thread that is not needed any more tells.
fn priority_can_be_restored() -> bool {
    let trial = thread::spawn(|| {
        sys::schedule_when_idle()?;
        sys::schedule_normally(rustix::thread::gettid())
    });
    matches!(trial.join(), Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Waits for the loader, which has all the time in the world.
    fn prepared(spare: &Arc<Spare>) -> u32 {
        spare.prepare(grep());
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some((_, helper)) = &spare.state().helper {
                return helper.child.id();
            }
            assert!(Instant::now() < deadline, "no spare helper");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// A program that waits at its standard input, as a helper does, with one argument.
    fn grep() -> &'static Path {
        Path::new("/bin/grep")
    }

    #[test]
    fn is_there_from_the_second_launch_on() {
        let spare = Arc::new(Spare::default());
        spare.prepare(grep());
        assert!(spare.state().loader.is_none());
        let waiting = prepared(&spare);
        assert_eq!(spare.take(grep()).unwrap().child.id(), waiting);
    }

    #[test]
    fn is_replaced_when_it_died_or_is_another_program() {
        let spare = Arc::new(Spare::default());
        spare.prepare(grep());
        prepared(&spare);
        if let Some((_, helper)) = &mut spare.state().helper {
            helper.child.kill().unwrap();
            helper.child.wait().unwrap();
        }
        assert!(spare.take(grep()).unwrap().waits());
        prepared(&spare);
        assert!(spare.take(Path::new("/no/such/program")).is_err());
    }

    #[test]
    fn is_as_urgent_as_anything_once_it_is_taken() {
        let policy = |pid: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let after_name = stat.rsplit(") ").next().unwrap();
            after_name.split(' ').nth(41 - 3).unwrap().parse::<i32>().unwrap()
        };
        let spare = Arc::new(Spare::default());
        spare.prepare(grep());
        let lowest = if priority_can_be_restored() {
            libc::SCHED_IDLE
        } else {
            libc::SCHED_OTHER
        };
        assert_eq!(policy(prepared(&spare)), lowest);
        assert_eq!(policy(spare.take(grep()).unwrap().child.id()), libc::SCHED_OTHER);
    }
}
