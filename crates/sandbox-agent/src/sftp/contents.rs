//! Reading and writing files past the protocol library: the kernel carries contents between file and pipe, and this
//! process never sees them. That halves what a large file costs here.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use russh_sftp::protocol::{Data, Packet};
use rustix::{
    io::{Errno, read, retry_on_intr, write},
    pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice},
};

use super::{
    file::{self, MAX_READ},
    handles::Handles,
    status::{Failed, done},
};

/// The longest packet; the protocol library's bound, too.
const MAX_PACKET: u32 = 256 << 10;

/// What the protocol allows.
const LONGEST_HANDLE: usize = 256;

const READ: u8 = 5;
const WRITE: u8 = 6;
const DATA: u8 = 103;

/// The beginning of a packet.
#[derive(Debug, PartialEq)]
pub(super) enum Head {
    /// A request for contents, and how many bytes its head has.
    Contents(Request, usize),
    /// Any other, and how many bytes the packet has with its length.
    Other(u64),
}

#[derive(Debug, PartialEq)]
pub(super) struct Request {
    id: u32,
    handle: String,
    offset: u64,
    length: u32,
    writes: bool,
}

impl Head {
    /// What begins with these bytes; `None` while there are too few to tell.
    pub(super) fn of(mut bytes: &[u8]) -> Option<Self> {
        let available = bytes.len();
        let packet = bytes.try_get_u32().ok()?;
        let other = Self::Other(4 + u64::from(packet));
        if packet == 0 || packet > MAX_PACKET {
            return Some(other);
        }
        let writes = match bytes.try_get_u8().ok()? {
            READ => false,
            WRITE => true,
            _ => return Some(other),
        };
        let id = bytes.try_get_u32().ok()?;
        let handle = bytes.try_get_u32().ok()? as usize;
        if handle > LONGEST_HANDLE {
            return Some(other);
        }
        let name = bytes.get(..handle)?;
        bytes = bytes.get(handle..)?;
        let offset = bytes.try_get_u64().ok()?;
        let length = bytes.try_get_u32().ok()?;
        let head = available - bytes.len();
        let data = if writes { u64::from(length) } else { 0 };
        let Ok(handle) = std::str::from_utf8(name) else {
            return Some(other);
        };
        // The library knows what to say to a packet that is not what it says.
        if 4 + u64::from(packet) != head as u64 + data {
            return Some(other);
        }
        let request = Request {
            id,
            handle: handle.to_owned(),
            offset,
            length,
            writes,
        };
        Some(Self::Contents(request, head))
    }
}

/// Answers requests for contents.
pub(super) struct Contents {
    handles: Arc<Mutex<Handles>>,
    /// Holds what was read until its length is known.
    read: Option<(OwnedFd, OwnedFd)>,
}

impl Contents {
    pub(super) fn new(handles: Arc<Mutex<Handles>>) -> Self {
        Self {
            handles,
            read: roomy_pipe().ok(),
        }
    }

    /// Answers one request. `ahead` are the bytes after its head that have been read already.
    ///
    /// # Errors
    ///
    /// Where the client is gone.
    pub(super) fn serve(
        &self,
        request: &Request,
        input: BorrowedFd<'_>,
        ahead: &mut impl Buf,
        output: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        let file = handles.file(&request.handle);
        if request.writes {
            let mut data = Incoming {
                input,
                ahead,
                left: request.length as usize,
            };
            let written = file.and_then(|file| data.write(file, request.offset));
            data.skip()?;
            return answer(
                output,
                request.id,
                written.map(|()| Packet::from(done(request.id))),
            );
        }
        match file.and_then(|file| self.read(file, request)) {
            Ok(Found::Piped(count, from)) => pass_on(output, request.id, count, from),
            Ok(Found::Copied(data)) => answer(
                output,
                request.id,
                Ok(Packet::from(Data { id: request.id, data })),
            ),
            Err(failed) => answer(output, request.id, Err(failed)),
        }
    }

    fn read(&self, file: &std::fs::File, request: &Request) -> Result<Found<'_>, Failed> {
        let wanted = request.length.min(MAX_READ) as usize;
        let mut offset = request.offset;
        let mut count = 0;
        let Some((from, to)) = self.read.as_ref().filter(|_| wanted > 0) else {
            return file::read(file, offset, request.length).map(Found::Copied);
        };
        while count < wanted {
            let spliced = retry_on_intr(|| {
                splice(
                    file,
                    Some(&mut offset),
                    to,
                    None,
                    wanted - count,
                    SpliceFlags::NONBLOCK,
                )
            });
            match spliced {
                Ok(0) if count == 0 => return Err(Failed::end()),
                // Fewer are an answer as well.
                Ok(0) => break,
                Ok(more) => count += more,
                Err(_) if count > 0 => break,
                // Of some files it cannot be done.
                Err(_) => return file::read(file, request.offset, request.length).map(Found::Copied),
            }
        }
        Ok(Found::Piped(count, from.as_fd()))
    }
}

/// What was read, and where it is.
enum Found<'a> {
    Piped(usize, BorrowedFd<'a>),
    Copied(Vec<u8>),
}

/// A pipe that takes the longest read, which may touch one page more than it fills.
fn roomy_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let pipe = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setpipe_size(&pipe.1, 2 * MAX_READ as usize)?;
    Ok(pipe)
}

/// The data of one write, as it comes.
struct Incoming<'a, B> {
    input: BorrowedFd<'a>,
    ahead: &'a mut B,
    left: usize,
}

impl<B: Buf> Incoming<'_, B> {
    fn write(&mut self, file: &std::fs::File, mut offset: u64) -> Result<(), Failed> {
        while self.left > 0 && self.ahead.has_remaining() {
            let count = self.ahead.chunk().len().min(self.left);
            file.write_all_at(self.ahead.chunk().get(..count).unwrap_or_default(), offset)?;
            self.ahead.advance(count);
            self.left -= count;
            offset += count as u64;
        }
        while self.left > 0 {
            let moved = retry_on_intr(|| {
                splice(
                    self.input,
                    None,
                    file,
                    Some(&mut offset),
                    self.left,
                    SpliceFlags::empty(),
                )
            });
            match moved {
                // `skip` sees the end, too.
                Ok(0) => return Ok(()),
                Ok(count) => self.left -= count,
                // A file that is appended to, or an input that is no pipe.
                Err(Errno::INVAL) => return self.copy(file, offset),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn copy(&mut self, file: &std::fs::File, mut offset: u64) -> Result<(), Failed> {
        let mut piece = vec![0; self.left];
        while self.left > 0 {
            let count = self.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            file.write_all_at(piece.get(..count).unwrap_or_default(), offset)?;
            offset += count as u64;
        }
        Ok(())
    }

    /// Passes over what was not written.
    fn skip(&mut self) -> io::Result<()> {
        let over = self.ahead.remaining().min(self.left);
        self.ahead.advance(over);
        self.left -= over;
        let mut piece = [0; 4096];
        while self.left > 0 {
            if self.read(&mut piece)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn read(&mut self, piece: &mut [u8]) -> Result<usize, Errno> {
        let most = piece.len().min(self.left);
        let count = retry_on_intr(|| read(self.input, piece.get_mut(..most).unwrap_or_default()))?;
        self.left -= count;
        Ok(count)
    }
}

/// Sends data that is in a pipe.
fn pass_on(output: BorrowedFd<'_>, id: u32, mut count: usize, from: BorrowedFd<'_>) -> io::Result<()> {
    // At most `MAX_READ`.
    let length = u32::try_from(count).unwrap_or(u32::MAX);
    let mut head = BytesMut::new();
    head.put_u32(1 + 4 + 4 + length);
    head.put_u8(DATA);
    head.put_u32(id);
    head.put_u32(length);
    write_all(output, &head)?;
    while count > 0 {
        match retry_on_intr(|| splice(from, None, output, None, count, SpliceFlags::MORE))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            moved => count -= moved,
        }
    }
    Ok(())
}

fn answer(output: BorrowedFd<'_>, id: u32, outcome: Result<Packet, Failed>) -> io::Result<()> {
    let packet = outcome.unwrap_or_else(|failed| failed.answer(id));
    let bytes = Bytes::try_from(packet).map_err(|error| io::Error::other(error.to_string()))?;
    write_all(output, &bytes)
}

fn write_all(output: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match retry_on_intr(|| write(output, bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => bytes.advance(count),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(kind: u8, handle: &[u8], length: u32, data: &[u8]) -> Vec<u8> {
        let mut packet = BytesMut::new();
        packet.put_u32((1 + 4 + 4 + handle.len() + 8 + 4 + data.len()) as u32);
        packet.put_u8(kind);
        packet.put_u32(7);
        packet.put_u32(handle.len() as u32);
        packet.put_slice(handle);
        packet.put_u64(9);
        packet.put_u32(length);
        packet.put_slice(data);
        packet.into()
    }

    #[test]
    fn requests_for_contents_are_known_by_their_heads() {
        let written = packet(WRITE, b"12", 3, b"abc");
        let request = |writes, length| Request {
            id: 7,
            handle: "12".to_owned(),
            offset: 9,
            length,
            writes,
        };
        let head = written.len() - 3;
        assert_eq!(Head::of(&written), Some(Head::Contents(request(true, 3), head)));
        for fewer in 0..head {
            assert_eq!(Head::of(&written[..fewer]), None);
        }
        assert_eq!(
            Head::of(&written[..head]),
            Some(Head::Contents(request(true, 3), head))
        );
        let read = packet(READ, b"12", u32::MAX, b"");
        assert_eq!(
            Head::of(&read),
            Some(Head::Contents(request(false, u32::MAX), read.len()))
        );
    }

    #[test]
    fn what_is_not_as_it_says_is_left_to_the_library() {
        let long = vec![b'1'; LONGEST_HANDLE + 1];
        for (packet, what) in [
            (packet(3, b"12", 0, b""), "another request"),
            (packet(WRITE, b"12", 4, b"abc"), "more data than there is"),
            (packet(WRITE, b"12", 2, b"abc"), "less data than there is"),
            (packet(WRITE, b"12", u32::MAX, b"abc"), "much more data"),
            (packet(READ, b"12", 1, b"abc"), "data to be read"),
            (packet(READ, b"\xff", 1, b""), "a handle that is no text"),
            (packet(READ, &long, 1, b""), "a handle that is too long"),
        ] {
            let length = packet.len() as u64;
            assert_eq!(Head::of(&packet), Some(Head::Other(length)), "{what}");
        }
        assert_eq!(Head::of(&[0, 0, 0, 0, WRITE]), Some(Head::Other(4)));
        assert_eq!(Head::of(&[0, 4, 0, 1, WRITE]), Some(Head::Other(4 + 0x4_0001)));
    }
}
