//! Pseudo-terminals.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

/// The controlling side of a pseudo-terminal. Dropping it hangs the terminal up.
#[derive(Debug)]
pub struct Terminal(OwnedFd);

impl Terminal {
    /// Opens a pair: the controlling side, and the terminal for a process's standard input, output and error.
    ///
    /// Inside a sandbox the terminal belongs to the user of the sandbox. The second half has to be dropped once the
    /// process is started: reading the first fails with `EIO` when nobody has the terminal open any more.
    ///
    /// # Errors
    ///
    /// The kernel's; there is a limit on the number of terminals.
    pub fn open(columns: u16, rows: u16) -> io::Result<(Self, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let controller = rustix::pty::openpt(flags)?;
        rustix::pty::unlockpt(&controller)?;
        // By descriptor and not by name: no path under /dev is trusted.
        let terminal = rustix::pty::ioctl_tiocgptpeer(&controller, flags)?;
        let controller = Self(controller);
        controller.resize(columns, rows)?;
        Ok((controller, terminal))
    }

    /// Changes the size in characters; the foreground process group is told by SIGWINCH.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        let size = Winsize {
            ws_col: columns,
            ws_row: rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(rustix::termios::tcsetwinsize(&self.0, size)?)
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Terminal> for OwnedFd {
    fn from(terminal: Terminal) -> Self {
        terminal.0
    }
}
