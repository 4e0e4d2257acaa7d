//! An archive whose members are read where they are.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use crate::compression::{CHUNK, is_compressed, unreadable};
use crate::manifest::invalid;
use crate::part::Part;
use crate::store::Store;
use crate::tar::{Kind, Reader, Stream, padding};
use crate::unpack::names;
use crate::{Error, ErrorKind, Result};

/// The most that is remembered of an archive: members and bytes of their names and links.
const MAX_MEMBERS: usize = 65_536;
const MAX_NAMES: usize = 8 << 20;
/// Links that lead to one member.
const MAX_LINKS: usize = 8;

/// The members of a tar archive, by their paths.
#[derive(Debug)]
pub(super) struct Archive {
    file: Arc<File>,
    members: HashMap<Vec<u8>, Member>,
}

#[derive(Debug)]
enum Member {
    File {
        at: u64,
        size: u64,
    },
    /// Docker once stored what two images share only once; the path is from the archive's root.
    Link(Vec<u8>),
}

impl Archive {
    /// Reads all headers. One that is compressed is decompressed into the store, or its members could not be reached.
    pub(super) fn open(store: &Store, file: File) -> Result<Self> {
        let whole = Part::from(file);
        let mut start = Vec::new();
        whole
            .clone()
            .take(4)
            .read_to_end(&mut start)
            .map_err(|error| unreadable("an archive", error))?;
        let file = if is_compressed(&start) {
            Arc::new(store.decompress(whole)?)
        } else {
            whole.into_file()
        };
        let length = file
            .metadata()
            .map_err(|error| unreadable("an archive", error))?
            .len();
        let members = members(Part::new(Arc::clone(&file), 0, length), length)?;
        Ok(Self { file, members })
    }

    /// The content of a member, links followed.
    pub(super) fn part(&self, name: &str) -> Option<Part> {
        let mut path = normal(name.as_bytes());
        for _ in 0..=MAX_LINKS {
            match self.members.get(&path)? {
                Member::File { at, size } => return Some(Part::new(Arc::clone(&self.file), *at, *size)),
                Member::Link(target) => path.clone_from(target),
            }
        }
        None
    }
}

fn members(part: Part, length: u64) -> Result<HashMap<Vec<u8>, Member>> {
    let mut stream = Buffered {
        part,
        here: Vec::new(),
        at: 0,
    };
    let (mut reader, mut members, mut bytes) = (Reader::default(), HashMap::new(), 0);
    while let Some(entry) = reader.next(&mut stream)? {
        if entry.map.is_some() {
            return Err(invalid("an archive of images has a sparse file"));
        }
        let at = stream.position();
        stream.skip_to(
            at.saturating_add(entry.stored)
                .saturating_add(padding(entry.stored)),
            length,
        )?;
        let path = normal(&entry.path);
        let member = match entry.kind {
            Kind::File => Member::File {
                at,
                size: entry.stored,
            },
            Kind::HardLink(target) => Member::Link(normal(&target)),
            Kind::Symlink(target) => {
                let above = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                let above = path.get(..above).unwrap_or_default();
                Member::Link(normal(&[above, b"/", &target].concat()))
            }
            Kind::Dir | Kind::Special => continue,
        };
        bytes += path.len()
            + if let Member::Link(target) = &member {
                target.len()
            } else {
                0
            };
        // Of two with one name, the later is meant.
        members.insert(path, member);
        if members.len() > MAX_MEMBERS || bytes > MAX_NAMES {
            let message = format!(
                "the archive has more than {MAX_MEMBERS} members, or {MAX_NAMES} bytes of their names"
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
    }
    Ok(members)
}

/// A path from the archive's root, which is above itself.
fn normal(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for name in names(path) {
        if name == b".." {
            parts.pop();
        } else {
            parts.push(name);
        }
    }
    parts.join(&b'/')
}

/// An archive in a file, where contents can be skipped.
struct Buffered {
    part: Part,
    here: Vec<u8>,
    at: usize,
}

impl Buffered {
    /// Where in the archive the next byte is.
    fn position(&self) -> u64 {
        self.part.position() - (self.here.len() - self.at) as u64
    }

    /// Goes on at a later position.
    fn skip_to(&mut self, position: u64, length: u64) -> Result<()> {
        if position > length {
            return Err(invalid("an archive ends within a member"));
        }
        let here = (self.here.len() - self.at) as u64;
        match position - self.position() {
            // What is here is less than a chunk.
            ahead if ahead <= here => self.at += usize::try_from(ahead).unwrap_or(0),
            ahead => {
                self.part.skip(ahead - here);
                self.at = self.here.len();
            }
        }
        Ok(())
    }
}

impl Stream for Buffered {
    fn fill(&mut self) -> Result<&[u8]> {
        if self.at >= self.here.len() {
            self.at = 0;
            self.here.resize(CHUNK, 0);
            let count = loop {
                match self.part.read(&mut self.here) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    read => break read.map_err(|error| unreadable("an archive", error)),
                }
            };
            // Whatever happens, what was not read is not here.
            self.here.truncate(count.as_ref().map_or(0, |count| *count));
            count?;
        }
        Ok(self.here.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}
