//! What a client has open.

use std::{collections::HashMap, fs};

use russh_sftp::protocol::StatusCode;

use super::{directory::Directory, status::Failed};

/// How many files and directories one client may have open.
pub(super) const MAX_HANDLES: usize = 256;

#[derive(Default)]
pub(super) struct Handles {
    open: HashMap<String, Handle>,
    next: u64,
}

enum Handle {
    File(fs::File),
    Directory(Directory),
}

impl Handles {
    pub(super) fn add_file(
        &mut self,
        open: impl FnOnce() -> Result<fs::File, Failed>,
    ) -> Result<String, Failed> {
        self.add(|| open().map(Handle::File))
    }

    pub(super) fn add_directory(
        &mut self,
        open: impl FnOnce() -> Result<Directory, Failed>,
    ) -> Result<String, Failed> {
        self.add(|| open().map(Handle::Directory))
    }

    fn add(&mut self, open: impl FnOnce() -> Result<Handle, Failed>) -> Result<String, Failed> {
        if self.open.len() >= MAX_HANDLES {
            return Err(Failed::new(StatusCode::Failure, "too many open files"));
        }
        let handle = open()?;
        // Never used again, so that a client that mixes up its handles finds none.
        self.next += 1;
        let name = self.next.to_string();
        self.open.insert(name.clone(), handle);
        Ok(name)
    }

    pub(super) fn file(&self, name: &str) -> Result<&fs::File, Failed> {
        match self.open.get(name) {
            Some(Handle::File(file)) => Ok(file),
            Some(Handle::Directory(_)) | None => Err(unknown()),
        }
    }

    pub(super) fn directory(&mut self, name: &str) -> Result<&mut Directory, Failed> {
        match self.open.get_mut(name) {
            Some(Handle::Directory(directory)) => Ok(directory),
            Some(Handle::File(_)) | None => Err(unknown()),
        }
    }

    pub(super) fn close(&mut self, name: &str) -> Result<(), Failed> {
        self.open.remove(name).map(drop).ok_or_else(unknown)
    }
}

fn unknown() -> Failed {
    Failed::new(StatusCode::Failure, "unknown handle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_limited_and_never_used_again() {
        let mut handles = Handles::default();
        let null = || Ok(fs::File::open("/dev/null")?);
        let names: Vec<_> = (0..MAX_HANDLES)
            .map(|_| handles.add_file(null).unwrap())
            .collect();
        assert!(handles.add_file(null).is_err());
        assert!(
            handles
                .add_file(|| panic!("opened although there is no place"))
                .is_err()
        );
        assert!(handles.directory(&names[0]).is_err());
        handles.close(&names[0]).unwrap();
        assert!(handles.close(&names[0]).is_err());
        assert!(handles.file(&names[0]).is_err());
        assert!(!names.contains(&handles.add_file(null).unwrap()));
    }
}
