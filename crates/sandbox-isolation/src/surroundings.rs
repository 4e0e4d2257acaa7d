//! What is around the processes of a sandbox beside files: a network, a host name, and the objects of System V IPC.
//!
//! They are the same for every sandbox and take the kernel a good part of the time of a launch. Root therefore has them
//! made by the helper before there is an order. Namespaces made so belong to the host's user namespace, in which nobody
//! in the sandbox has any capability. An ordinary user can make them only together with a user namespace.

use crate::error::{Context, Error};
use crate::sys;

/// Whose surroundings a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surroundings {
    /// The host's: new ones are made with the other namespaces of a sandbox.
    Hosts,
    /// Those of a sandbox, ready.
    Own,
}

/// Makes new surroundings usable.
pub(crate) fn set_up() -> Result<(), Error> {
    rustix::system::sethostname(b"sandbox").during("set the host name")?;
    sys::bring_loopback_up().during("bring the loopback interface up")
}
