//! The first process of a sandbox.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use rustix::thread::{Gid, Uid};

use crate::capabilities::IdMapping;
use crate::error::{Context, Error};
use crate::helper;
use crate::privileges;
use crate::process::Processes;
use crate::root::{self, PrivateMounts, Skeleton};
use crate::scope::Scopes;
use crate::surroundings::{self, Surroundings};
use crate::sys;
use crate::wire::{self, Config, Order, Report};

/// The argument a program is started with to become a sandbox.
pub const INIT_ARGUMENT: &str = "__sandbox-init";

/// What the agent, as PID 1 of a sandbox, is given.
#[derive(Debug)]
pub struct Inside {
    /// [`LaunchSpec::payload`](crate::LaunchSpec).
    pub payload: Vec<u8>,
    /// [`LaunchSpec::listener`](crate::LaunchSpec).
    pub listener: OwnedFd,
    /// End of file: the agent has to exit at once. One byte: the sandbox lives on without its launcher, and the
    /// lifeline means nothing from then on.
    pub lifeline: OwnedFd,
    /// Starts the processes of the sandbox's user.
    pub processes: Processes,
    /// [`RootFs::Image::lease`](crate::RootFs), open for as long as this is kept.
    pub lease: Option<OwnedFd>,
}

/// Becomes a sandbox and runs the agent in it as PID 1.
///
/// To be called before the program does anything else, in particular before it starts a thread, when its first
/// argument is [`INIT_ARGUMENT`]. When `run` returns the sandbox ends, and everything in it.
pub fn enter(run: fn(Inside) -> ExitCode) -> ! {
    helper::run(run)
}

/// PID 1, in its new namespaces, from its first instruction on.
///
/// `go` brings a byte once the ids are mapped, and ends if the helper does before.
pub(crate) fn run(
    control: OwnedFd,
    go: OwnedFd,
    order: Order,
    prepared: Prepared,
    run: fn(Inside) -> ExitCode,
) -> i32 {
    if !matches!(
        rustix::io::retry_on_intr(|| rustix::io::read(&go, &mut [0])),
        Ok(1)
    ) {
        return 1;
    }
    drop(go);
    let outcome = set_up(order, prepared);
    let report = outcome.as_ref().err().map_or(Report::Ready, Report::from);
    // A launcher that has ended meanwhile wants no sandbox any more.
    let reported = wire::report(control.as_fd(), &report, None);
    drop(control);
    match (outcome, reported) {
        (Ok(inside), Ok(())) => i32::from(run(inside) != ExitCode::SUCCESS),
        _ => 1,
    }
}

/// What was done outside of the namespaces.
pub(crate) struct Prepared {
    pub(crate) surroundings: Surroundings,
    pub(crate) opened: Option<Opened>,
}

/// What is opened of the host: by root outside of the namespaces, by an ordinary user inside, each where it has the
/// right to.
pub(crate) struct Opened {
    pub(crate) root: root::Parts,
    /// The control group directory that is given to PID 1.
    delegated: Option<OwnedFd>,
}

impl Opened {
    pub(crate) fn open(
        mounts: &PrivateMounts,
        ahead: Option<Skeleton>,
        config: &Config,
    ) -> Result<Self, Error> {
        let root = root::Parts::open(mounts, ahead, &config.root)?;
        let delegated = config.delegated.as_deref().map(root::confined).transpose()?;
        Ok(Self { root, delegated })
    }
}

fn set_up(order: Order, prepared: Prepared) -> Result<Inside, Error> {
    let Order {
        config,
        payload,
        listener,
        lifeline,
        lease,
    } = order;
    let mapping = config.mapping.kind();
    let mounts = PrivateMounts::of_init();
    let Opened {
        root: parts,
        delegated,
    } = match prepared.opened {
        Some(opened) => opened,
        None => Opened::open(&mounts, None, &config)?,
    };
    if mapping == IdMapping::Range {
        become_root_inside()?;
    }
    sys::enter_cgroup_namespace().during("create a cgroup namespace")?;
    privileges::leave_session()?;
    let scopes = delegated.map_or(Scopes::Subreaper, Scopes::cgroup);
    root::enter(&mounts, &parts, config.disk_bytes, mapping)?;
    if prepared.surroundings == Surroundings::Hosts {
        surroundings::set_up()?;
    }
    detach_stdio()?;
    privileges::limit_resources(&config)?;
    privileges::drop_all(mapping)?;
    let processes = Processes::new(true, config.mapping.identity(), parts.into_program(), scopes);
    Ok(Inside {
        payload,
        listener,
        lifeline,
        processes,
        lease,
    })
}

/// Until then this process is the launcher's user, which the new user namespace may not even have.
fn become_root_inside() -> Result<(), Error> {
    let step = "become root of the sandbox";
    rustix::thread::set_thread_groups(&[]).during(step)?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).during(step)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).during(step)
}

/// The descriptors of `/dev/null` so far are of the host's.
fn detach_stdio() -> Result<(), Error> {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let null =
        rustix::fs::open(c"/dev/null", flags, rustix::fs::Mode::empty()).during_on("open", "/dev/null")?;
    let null: BorrowedFd<'_> = null.as_fd();
    rustix::stdio::dup2_stdin(null).during("set up standard input")?;
    rustix::stdio::dup2_stdout(null).during("set up standard output")?;
    rustix::stdio::dup2_stderr(null).during("set up standard error")
}
