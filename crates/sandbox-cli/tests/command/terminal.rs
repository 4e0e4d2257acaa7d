//! A command at a terminal: one for what it prints, another for what it says, so that the two stay apart.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes, Winsize};

use crate::support::{eventually, wait};

/// The size of every terminal here.
const SIZE: Winsize = Winsize {
    ws_col: 100,
    ws_row: 12,
    ws_xpixel: 0,
    ws_ypixel: 0,
};

pub(crate) struct Terminal {
    child: Child,
    out: Screen,
    err: Screen,
}

/// What was written to a terminal so far.
struct Screen {
    keyboard: File,
    text: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// Starts a command whose input, output and error output are terminals.
    pub(crate) fn start(mut command: Command) -> Self {
        let (out, out_end) = Screen::open();
        let (err, err_end) = Screen::open();
        command
            .env("TERM", "xterm-256color")
            .stdin(out_end.try_clone().unwrap())
            .stdout(out_end)
            .stderr(err_end);
        let child = command.spawn().expect("the command starts");
        // The command holds the other ends now, and nobody else: they close when it ends.
        drop(command);
        Self { child, out, err }
    }

    pub(crate) fn run(command: Command) -> (ExitStatus, String, String) {
        Self::start(command).end()
    }

    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        self.out.keyboard.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn await_output(&self, what: &str) {
        eventually(what, || self.out.text().contains(what));
    }

    pub(crate) fn await_message(&self, what: &str) {
        eventually(what, || self.err.text().contains(what));
    }

    /// Its exit status, and all that it wrote to its output and to its error output.
    pub(crate) fn end(mut self) -> (ExitStatus, String, String) {
        let status = wait(&mut self.child);
        (status, self.out.end(), self.err.end())
    }
}

impl Screen {
    fn open() -> (Self, OwnedFd) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let controller = rustix::pty::openpt(flags).unwrap();
        rustix::pty::unlockpt(&controller).unwrap();
        let end = rustix::pty::ioctl_tiocgptpeer(&controller, flags).unwrap();
        rustix::termios::tcsetwinsize(&end, SIZE).unwrap();
        // What is written arrives as it was written.
        let mut modes = rustix::termios::tcgetattr(&end).unwrap();
        modes.output_modes.remove(OutputModes::ONLCR);
        rustix::termios::tcsetattr(&end, OptionalActions::Now, &modes).unwrap();

        let text = Arc::new(Mutex::new(Vec::new()));
        let (mut source, written) = (File::from(controller), Arc::clone(&text));
        let keyboard = source.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // The end of a terminal whose other end was closed is an error.
            while let Ok(read @ 1..) = source.read(&mut piece) {
                written.lock().unwrap().extend_from_slice(&piece[..read]);
            }
        });
        let screen = Self {
            keyboard,
            text,
            reader,
        };
        (screen, end)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn end(self) -> String {
        self.reader.join().unwrap();
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}
