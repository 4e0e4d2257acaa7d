//! What PID 1 of a sandbox gives up before it runs the agent, for itself and for everything it will ever start.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::capabilities::IdMapping;
use crate::error::{Context, Error};
use crate::seccomp;
use crate::sys;
use crate::wire::Config;

/// Capabilities PID 1 keeps where it is another user than the sandbox's; all of them hold inside only.
///
/// - `SETUID`, `SETGID`: to become that user in a process it starts.
/// - `KILL`: to signal that user's processes.
const KEPT: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::KILL);

/// The host's kernel ends processes of sandboxes before its own.
const OOM_SCORE: i32 = 300;

/// To be done while `/proc` is still the host's and this process its launcher's user.
pub(crate) fn volunteer_for_the_oom_killer() -> Result<(), Error> {
    const PATH: &str = "/proc/self/oom_score_adj";
    let current: i32 = std::fs::read_to_string(PATH)
        .during_on("read", PATH)?
        .trim()
        .parse()
        .unwrap_or_default();
    if current >= OOM_SCORE {
        return Ok(());
    }
    std::fs::write(PATH, OOM_SCORE.to_string()).during_on("write", PATH)
}

/// Sets the limits that hold per process or per user.
pub(crate) fn limit_resources(config: &Config) -> Result<(), Error> {
    limit(Resource::Core, 0, "limit core dumps")?;
    limit(Resource::Nofile, config.open_files.into(), "limit open files")?;
    if let Some(bytes) = config.data_bytes {
        limit(Resource::Data, bytes, "limit memory")?;
    }
    if let Some(processes) = config.processes {
        limit(Resource::Nproc, processes.into(), "limit processes")?;
    }
    Ok(())
}

/// Lowers a limit for good. One that is lower already stays.
fn limit(resource: Resource, value: u64, step: &str) -> Result<(), Error> {
    let value = value.min(rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX));
    let limit = Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    rustix::process::setrlimit(resource, limit).during(step)
}

/// Gives up every right that is not needed any more.
pub(crate) fn drop_all(mapping: IdMapping) -> Result<(), Error> {
    empty_bounding_set().during("empty the capability bounding set")?;
    rustix::thread::clear_ambient_capability_set().during("clear the ambient capabilities")?;
    let kept = match mapping {
        IdMapping::Range => KEPT,
        IdMapping::Single => CapabilitySet::empty(),
    };
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).during("drop capabilities")?;
    // No process of the sandbox may look into this one or attach to it, not even one of the same user.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).during("become opaque")?;
    rustix::thread::set_no_new_privs(true).during("give up gaining privileges")?;
    seccomp::install()
}

fn empty_bounding_set() -> Result<(), Errno> {
    const HIGHEST: u32 = 63;
    for number in 0..=HIGHEST {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // Beyond the last one this kernel knows.
            Err(Errno::INVAL) => break,
            result => result?,
        }
    }
    Ok(())
}

/// Leaves what a process inherits from whoever started it, beyond what namespaces replace.
pub(crate) fn leave_session() -> Result<(), Error> {
    rustix::process::setsid().during("start a session")?;
    // Where this is refused (by the filter of a container around the host) keyrings are out of reach altogether.
    let _ = sys::join_new_session_keyring();
    Ok(())
}
