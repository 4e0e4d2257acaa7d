//! A terminal that hands over every key as it is pressed.

use std::io::{self, stdin};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal at standard input is in raw mode for as long as this lives.
pub(crate) struct RawMode(Termios);

impl RawMode {
    pub(crate) fn enter() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        // What was typed ahead is kept.
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone has no mode any more.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}
