//! Bytes without SSH: who sends them, who takes them, and socat between the two.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sandbox_isolation::Inside;
use tempfile::TempDir;

use crate::openssh::free_port;
use crate::timed;

/// The name under which this program is the first process of a session, in place of the agent.
const FAR_END: &str = "far-end";
const PIECE: usize = 256 << 10;
const START: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "put",
            Self::Down => "get",
        })
    }
}

/// Becomes the far end if this program is run under its name in a session, and then never returns.
pub(crate) fn run_if_asked() {
    let asked = std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == sandbox_agent::INIT_ARGUMENT);
    let name = std::env::current_exe();
    if asked && name.is_ok_and(|program| program.ends_with(FAR_END)) {
        sandbox_isolation::enter(
            |Inside {
                 listener, lifeline, ..
             }| {
                thread::spawn(move || serve(&UnixListener::from(listener)));
                // Ends with the server.
                let _ = fs::File::from(lifeline).read(&mut [0]);
                ExitCode::SUCCESS
            },
        );
    }
}

/// What takes and gives bytes at the end of a proxy.
pub(crate) struct FarEnd {
    directory: TempDir,
}

impl FarEnd {
    /// To be run in a session.
    pub(crate) fn copy_of_this_program() -> Self {
        let far_end = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        let this = std::env::current_exe().expect("a program");
        fs::copy(this, far_end.path()).expect("a copy");
        far_end
    }

    /// In a thread of this process.
    pub(crate) fn listen() -> Self {
        let far_end = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        let listener = UnixListener::bind(far_end.path()).expect("a socket");
        thread::spawn(move || serve(&listener));
        far_end
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(FAR_END)
    }
}

fn serve(listener: &UnixListener) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || answer(stream));
    }
}

/// Does what the first bytes say: takes so many and then says one, or gives so many. An SSH client's begin otherwise.
fn answer(mut stream: UnixStream) -> io::Result<()> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let [direction, count @ ..] = head;
    let count = u64::from_be_bytes(count);
    match direction {
        b'>' => {
            take(&mut stream, count)?;
            stream.write_all(b"!")
        }
        b'<' => give(&mut stream, count),
        _ => Ok(()),
    }
}

/// How long it takes to bring bytes to the far end of a stream, or from it.
pub(crate) fn carry(mut stream: TcpStream, direction: Direction, count: u64) -> Duration {
    stream.set_nodelay(true).expect("an option");
    let mut head = vec![match direction {
        Direction::Up => b'>',
        Direction::Down => b'<',
    }];
    head.extend(count.to_be_bytes());
    let (time, carried) = timed(|| {
        stream.write_all(&head)?;
        match direction {
            Direction::Up => {
                give(&mut stream, count)?;
                stream.read_exact(&mut [0])
            }
            Direction::Down => take(&mut stream, count),
        }
    });
    carried.expect("a connection that holds");
    time
}

fn give(stream: &mut impl Write, mut count: u64) -> io::Result<()> {
    let piece = vec![0; PIECE];
    while count > 0 {
        let length = count.min(PIECE as u64);
        stream.write_all(piece.get(..length as usize).unwrap_or_default())?;
        count -= length;
    }
    Ok(())
}

fn take(stream: &mut impl Read, mut count: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    while count > 0 {
        match stream.read(&mut piece)? as u64 {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => count -= read,
        }
    }
    Ok(())
}

/// A proxy that does nothing else, with buffers as large as the server's.
pub(crate) struct Socat {
    process: Child,
    port: u16,
}

impl Socat {
    /// # Errors
    /// Why there is none.
    pub(crate) fn start(to: &Path) -> Result<Self, String> {
        let port = free_port();
        let process = Command::new("socat")
            .args(["-b", "65536"])
            .arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,nodelay,fork"))
            .arg(format!("UNIX-CONNECT:{}", to.display()))
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let socat = Self { process, port };
        let asked = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if asked.elapsed() > START {
                return Err("it does not listen".to_owned());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(socat)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("a connection")
    }
}

impl Drop for Socat {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
