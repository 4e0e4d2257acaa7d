//! What the launcher, its helper and the new PID 1 tell one another.
//!
//! The launcher sends one message: three or four file descriptors, the first of them the configuration. It gets back a
//! [`Report`] from the helper and one from PID 1. Nothing of it is ever in an argument, a variable or a file with a name.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::MemfdFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::idmap::Mapping;

/// What the helper and PID 1 need to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) mapping: Mapping,
    /// Where to join the control groups of version 1.
    pub(crate) entrances: Vec<PathBuf>,
    /// The control group of version 2.
    pub(crate) birthplace: Option<PathBuf>,
    /// The cgroup directory in which PID 1 makes the scopes of processes.
    pub(crate) delegated: Option<PathBuf>,
    pub(crate) root: Root,
    pub(crate) disk_bytes: u64,
    pub(crate) open_files: u32,
    /// Where no cgroup limits them: bytes of each process's data segment, and processes per user.
    pub(crate) data_bytes: Option<u64>,
    pub(crate) processes: Option<u32>,
}

/// What the sandbox sees as its file system.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Root {
    /// The host's programs, with further paths of the host.
    Host { extra: Vec<PathBuf> },
    /// A tree of its own.
    Image { tree: PathBuf },
}

/// The descriptors that go with an order.
pub(crate) struct Handed<'a> {
    pub(crate) listener: BorrowedFd<'a>,
    pub(crate) lifeline: BorrowedFd<'a>,
    pub(crate) lease: Option<BorrowedFd<'a>>,
}

/// What is received by the helper.
pub(crate) struct Order {
    pub(crate) config: Config,
    pub(crate) payload: Vec<u8>,
    pub(crate) listener: OwnedFd,
    pub(crate) lifeline: OwnedFd,
    pub(crate) lease: Option<OwnedFd>,
}

/// How far a launch has come.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// From the helper, with the pidfd: PID 1 exists, and waits for being let go.
    Cloned { pid: i32 },
    /// From PID 1: everything is set up.
    Ready,
    /// From either: it has given up.
    Failed {
        step: String,
        path: Option<PathBuf>,
        error: i32,
    },
}

impl From<&Error> for Report {
    fn from(error: &Error) -> Self {
        match error {
            Error::Step { step, path, source } => Self::Failed {
                step: step.clone(),
                path: path.clone(),
                error: source.raw_os_error().unwrap_or(libc::EIO),
            },
            other => Self::Failed {
                step: format!("start: {other}"),
                path: None,
                error: libc::EINVAL,
            },
        }
    }
}

/// Sends an order.
pub(crate) fn order(
    control: BorrowedFd<'_>,
    config: &Config,
    payload: &[u8],
    handed: Handed<'_>,
) -> io::Result<()> {
    let header = serde_json::to_vec(config)?;
    let mut file = File::from(rustix::fs::memfd_create(c"sandbox", MemfdFlags::CLOEXEC)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    file.write_all(payload)?;
    file.rewind()?;
    let fds: Vec<_> = [file.as_fd(), handed.listener, handed.lifeline]
        .into_iter()
        .chain(handed.lease)
        .collect();
    send(control, &[0], &fds)
}

/// Receives an order.
pub(crate) fn receive_order(control: BorrowedFd<'_>) -> io::Result<Order> {
    let mut message = [0];
    let (_, fds) = receive(control, &mut message)?;
    let mut fds = fds.into_iter();
    let (Some(file), Some(listener), Some(lifeline), lease) =
        (fds.next(), fds.next(), fds.next(), fds.next())
    else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mut file = File::from(file);
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut header = Vec::new();
    (&mut file)
        .take(u64::from_le_bytes(length))
        .read_to_end(&mut header)?;
    let mut payload = Vec::new();
    file.read_to_end(&mut payload)?;
    Ok(Order {
        config: serde_json::from_slice(&header)?,
        payload,
        listener,
        lifeline,
        lease,
    })
}

/// Sends a report; a pidfd goes with [`Report::Cloned`].
pub(crate) fn report(
    control: BorrowedFd<'_>,
    report: &Report,
    pidfd: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    send(control, &serde_json::to_vec(report)?, pidfd.as_slice())
}

/// Receives a report. `None`: everybody on the other side has ended.
pub(crate) fn receive_report(control: BorrowedFd<'_>) -> io::Result<Option<(Report, Option<OwnedFd>)>> {
    const LONGEST: usize = 16 * 1024;
    let mut message = vec![0; LONGEST];
    let (length, fds) = match receive(control, &mut message) {
        // It ended without having read what was sent to it.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
        Ok((0, _)) => return Ok(None),
        result => result?,
    };
    let report = serde_json::from_slice(message.get(..length).unwrap_or_default())?;
    Ok(Some((report, fds.into_iter().next())))
}

fn send(socket: BorrowedFd<'_>, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(message)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

fn receive(socket: BorrowedFd<'_>, message: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut message = [IoSliceMut::new(message)];
    let received = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(socket, &mut message, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut fds = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            fds.extend(rights);
        }
    }
    Ok((received.bytes, fds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_as_it_was_sent() {
        let (here, there) = crate::subreaper::control_pair().unwrap();
        let config = Config {
            mapping: Mapping::Single { uid: 1, gid: 2 },
            entrances: vec![PathBuf::from("/a")],
            birthplace: None,
            delegated: None,
            root: Root::Image {
                tree: PathBuf::from("/b"),
            },
            disk_bytes: 3,
            open_files: 4,
            data_bytes: Some(5),
            processes: None,
        };
        let payload = vec![7; 64 * 1024];
        for lease in [None, Some(here.as_fd())] {
            let handed = Handed {
                listener: here.as_fd(),
                lifeline: here.as_fd(),
                lease,
            };
            order(here.as_fd(), &config, &payload, handed).unwrap();
            let received = receive_order(there.as_fd()).unwrap();
            assert_eq!(received.lease.is_some(), lease.is_some());
            assert_eq!(received.payload, payload);
            assert_eq!(format!("{:?}", received.config), format!("{config:?}"));
        }
    }

    #[test]
    fn a_report_carries_the_step_and_the_error() {
        let (here, there) = crate::subreaper::control_pair().unwrap();
        let error = Error::Step {
            step: String::from("mount"),
            path: Some(PathBuf::from("/x")),
            source: io::Error::from_raw_os_error(libc::EPERM),
        };
        report(here.as_fd(), &Report::from(&error), None).unwrap();
        let Some((Report::Failed { step, path, error }, None)) = receive_report(there.as_fd()).unwrap()
        else {
            panic!("another report");
        };
        assert_eq!(
            (step.as_str(), path, error),
            ("mount", Some(PathBuf::from("/x")), libc::EPERM)
        );
        drop(here);
        assert!(receive_report(there.as_fd()).unwrap().is_none());
    }
}
