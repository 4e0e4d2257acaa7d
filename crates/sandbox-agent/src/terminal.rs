//! A program's terminal, as the agent holds it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    termios::{LocalModes, SpecialCodeIndex, tcgetattr},
};
use sandbox_isolation::Terminal;
use tokio::net::unix::pipe::{Receiver, Sender};

/// Characters per line, and lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    columns: u16,
    rows: u16,
}

/// The terminal a channel asked for.
#[derive(Debug)]
pub(crate) struct TerminalRequest {
    pub(crate) term: String,
    pub(crate) size: Size,
}

/// Opens a terminal: what the agent keeps to control it, to write what is typed, to read what is shown, and
/// the program's side.
pub(crate) fn open(size: Size) -> io::Result<(Terminal, Sender, Receiver, OwnedFd)> {
    let (terminal, program) = Terminal::open(size.columns, size.rows)?;
    fcntl_setfl(&terminal, fcntl_getfl(&terminal)? | OFlags::NONBLOCK)?;
    let another = || terminal.as_fd().try_clone_to_owned();
    // To be waited for, read and written, a terminal is like a pipe.
    let keyboard = Sender::from_owned_fd_unchecked(another()?)?;
    let screen = Receiver::from_owned_fd_unchecked(another()?)?;
    Ok((terminal, keyboard, screen, program))
}

/// Gives a terminal the size a channel asked for.
pub(crate) fn resize(terminal: &Terminal, size: Size) -> io::Result<()> {
    terminal.resize(size.columns, size.rows)
}

/// Types the end of file, if the program reads lines. A program that reads single characters would take it
/// for one.
pub(crate) fn type_end_of_file(keyboard: &Sender) {
    let Ok(modes) = tcgetattr(keyboard) else { return };
    if modes.local_modes.contains(LocalModes::ICANON) {
        // Not by way of the runtime, which writes nothing before it has heard that there is room. Where there is none the
        // program reads nothing anyway.
        let _ = rustix::io::write(keyboard, &[modes.special_codes[SpecialCodeIndex::VEOF]]);
    }
}

impl Size {
    /// What a peer asked for, as far as terminals have it. Zero means "unknown".
    pub(crate) fn requested(columns: u32, rows: u32) -> Self {
        let bounded = |asked: u32, usual: u16| match u16::try_from(asked) {
            Ok(0) => usual,
            Ok(asked) => asked,
            Err(_) => u16::MAX,
        };
        Self {
            columns: bounded(columns, 80),
            rows: bounded(rows, 24),
        }
    }
}

impl TerminalRequest {
    pub(crate) fn new(term: &str, size: Size) -> Self {
        let plausible = !term.is_empty()
            && term.len() <= 64
            && term
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
        Self {
            term: if plausible { term } else { "dumb" }.to_owned(),
            size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(
            Size::requested(120, 40),
            Size {
                columns: 120,
                rows: 40
            }
        );
        assert_eq!(
            Size::requested(0, 0),
            Size {
                columns: 80,
                rows: 24
            }
        );
        assert_eq!(
            Size::requested(u32::MAX, 65_536),
            Size {
                columns: u16::MAX,
                rows: u16::MAX
            }
        );
    }

    #[test]
    fn implausible_terminal_names_become_dumb() {
        let size = Size::requested(80, 24);
        assert_eq!(
            TerminalRequest::new("xterm-256color", size).term,
            "xterm-256color"
        );
        for name in ["", "a b", "../../etc", "x\0", &"x".repeat(65)] {
            assert_eq!(TerminalRequest::new(name, size).term, "dumb", "{name:?}");
        }
    }
}
