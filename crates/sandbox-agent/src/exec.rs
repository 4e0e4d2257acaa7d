//! Starting one program on one channel.

use std::{
    ffi::OsString,
    io,
    os::fd::AsFd,
    sync::{Arc, Weak},
};

use russh::Sig;
use sandbox_isolation::{ExitStatus, Process, Spawn, Terminal};
use tokio_util::sync::CancellationToken;

use crate::{
    agent::Agent,
    environment::{self, Requested},
    flow::Counted,
    input::Input,
    outlet::Outlet,
    program::Chosen,
    run::Run,
    signal,
    terminal::{self, Size, TerminalRequest},
    wiring::{Theirs, Wiring},
};

/// The exit code of shells for a program that is not there.
const NOT_FOUND: u8 = 127;

/// What a channel asks to run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    Shell,
    Command(&'a [u8]),
    Sftp,
}

/// What a channel asked for before it asked to run something.
pub(crate) struct Preparation {
    pub(crate) requested: Requested,
    pub(crate) terminal: Option<TerminalRequest>,
    counted: Counted,
}

impl Preparation {
    pub(crate) fn new(counted: Counted) -> Self {
        Self {
            requested: Requested::default(),
            terminal: None,
            counted,
        }
    }
}

/// A program that runs on a channel, as the session loop sees it: nothing here waits, and nothing is kept of
/// a program whose run has ended.
pub(crate) struct Running(Weak<Live>);

/// What the session loop and a program's run share.
pub(crate) struct Live {
    pub(crate) input: Arc<Input>,
    pub(crate) process: Process,
    /// Cancelled when more standard input came than is kept.
    pub(crate) overflow: CancellationToken,
    terminal: Option<Arc<Terminal>>,
}

/// Starts a program and the tasks that connect it to its channel.
///
/// # Errors
///
/// Where it cannot be started.
pub(crate) fn start(
    agent: &Agent,
    outlet: &Arc<Outlet>,
    preparation: Preparation,
    what: What<'_>,
) -> io::Result<Running> {
    let Preparation {
        requested,
        terminal,
        counted,
    } = preparation;
    let (wiring, theirs) = match (what, &terminal) {
        (What::Sftp, _) => Wiring::large_pipes()?,
        (_, Some(terminal)) => Wiring::terminal(terminal.size)?,
        (_, None) => Wiring::pipes()?,
    };
    let environment = match what {
        // Variables of the user could only make our own program run the user's code as the user.
        What::Sftp => environment::base(&agent.place),
        What::Shell | What::Command(_) => requested.complete(
            &agent.place,
            terminal.as_ref().map(|terminal| terminal.term.as_str()),
        ),
    };
    let chosen = match Chosen::new(&agent.place, what, &environment) {
        Ok(chosen) => chosen,
        Err(why) => return Ok(Running::never(outlet, why, counted)),
    };
    let spawn = spawn(agent, what, &chosen, environment, &theirs);
    let (process, exited) = agent.reaper.spawn(&spawn)?;
    drop(theirs);
    let live = Arc::new(Live {
        input: Input::new(Arc::clone(&outlet.flow)),
        process,
        overflow: CancellationToken::new(),
        terminal: wiring.control(),
    });
    let running = Running(Arc::downgrade(&live));
    let (timeout, linger) = (requested.timeout, requested.linger.or(wiring.default_linger()));
    let stop = CancellationToken::new();
    let output = wiring.connect(Arc::clone(&live.input), Arc::clone(outlet), stop.clone());
    let run = Run {
        outlet: Arc::clone(outlet),
        live,
        stop,
        timeout,
        linger,
        ended: false,
        _counted: counted,
    };
    tokio::spawn(run.supervise(exited, output));
    Ok(running)
}

fn spawn<'a>(
    agent: &'a Agent,
    what: What<'_>,
    chosen: &'a Chosen,
    env: Vec<(OsString, OsString)>,
    theirs: &'a Theirs,
) -> Spawn<'a> {
    Spawn {
        program: chosen.program(),
        arg0: chosen.arg0.clone(),
        args: chosen.args.clone(),
        env,
        cwd: match what {
            What::Sftp => &agent.place.workspace,
            What::Shell | What::Command(_) => agent.place.start(),
        },
        stdio: [theirs.stdin.as_fd(), theirs.stdout.as_fd(), theirs.stderr.as_fd()],
        controlling_terminal: theirs.is_terminal,
    }
}

impl Running {
    /// Of a program that there is not, which is told as a shell tells it.
    fn never(outlet: &Arc<Outlet>, why: String, counted: Counted) -> Self {
        let outlet = Arc::clone(outlet);
        tokio::spawn(async move {
            outlet.complain(format!("sandbox: {why}\n")).await;
            outlet.report(ExitStatus::Code(NOT_FOUND), "").await;
            outlet.closed.cancel();
            drop(counted);
        });
        Self(Weak::new())
    }

    /// Bytes for standard input.
    pub(crate) fn input(&self, bytes: &[u8]) {
        if let Some(live) = self.0.upgrade()
            && live.input.push(bytes).is_err()
        {
            live.overflow.cancel();
        }
    }

    /// The end of standard input.
    pub(crate) fn finish_input(&self) {
        if let Some(live) = self.0.upgrade() {
            live.input.finish();
        }
    }

    /// Signals the process group; `false` if there is none any more or no such signal.
    pub(crate) fn signal(&self, name: &Sig) -> bool {
        let signal = signal::requested(name);
        self.0
            .upgrade()
            .zip(signal)
            .is_some_and(|(live, signal)| live.process.signal(signal).is_ok())
    }

    /// Changes the size of the terminal; `false` if there is none.
    pub(crate) fn resize(&self, size: Size) -> bool {
        let Some(live) = self.0.upgrade() else {
            return false;
        };
        live.terminal
            .as_ref()
            .is_some_and(|terminal| terminal::resize(terminal, size).is_ok())
    }
}
