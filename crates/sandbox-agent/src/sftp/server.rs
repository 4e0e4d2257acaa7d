//! The requests of SFTP version 3.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use russh_sftp::{
    protocol::{Attrs, File, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version},
    server::Handler,
};
use rustix::{
    fs::{self as sys, CWD, Mode, RenameFlags},
    io::Errno,
};
use tokio::sync::oneshot;

use super::{
    attributes,
    directory::Directory,
    extensions, file,
    handles::Handles,
    status::{Failed, done},
};

/// One client's server, but for reading and writing, which [`Contents`](super::contents::Contents) answers. Relative paths begin where the process was started.
pub(super) struct Server {
    handles: Arc<Mutex<Handles>>,
    /// Dropped with the server, which tells that the client is gone.
    _done: oneshot::Sender<()>,
}

impl Server {
    pub(super) fn new(handles: Arc<Mutex<Handles>>, done: oneshot::Sender<()>) -> Self {
        Self { handles, _done: done }
    }

    fn handles(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Clients ask about their directory by its empty name, too.
fn path(text: &str) -> &Path {
    Path::new(if text.is_empty() { "." } else { text })
}

/// A path as text, the only thing the protocol library carries.
fn name(id: u32, path: &Path) -> Name {
    Name {
        id,
        files: vec![File::dummy(path.to_string_lossy())],
    }
}

/// The absolute path that `path` leads to; its last part need not exist.
fn real_path(path: &Path) -> Result<std::path::PathBuf, Failed> {
    match (fs::canonicalize(path), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(last)) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            Ok(fs::canonicalize(parent)?.join(last))
        }
        (result, ..) => Ok(result?),
    }
}

/// Renames, but never over something: version 3 of the protocol says so.
fn rename_new(from: &str, to: &str) -> Result<(), Errno> {
    match sys::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot do both at once.
        Err(Errno::INVAL | Errno::NOSYS) => match sys::lstat(to) {
            Err(Errno::NOENT) => sys::rename(from, to),
            Err(error) => Err(error),
            Ok(_) => Err(Errno::EXIST),
        },
        result => result,
    }
}

impl Handler for Server {
    type Error = Failed;

    fn unimplemented(&self) -> Failed {
        Failed::new(StatusCode::OpUnsupported, "not supported")
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Result<Version, Failed> {
        Ok(Version {
            extensions: extensions::offered(),
            ..Version::new()
        })
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        flags: OpenFlags,
        attributes: FileAttributes,
    ) -> Result<Handle, Failed> {
        let handle = self
            .handles()
            .add_file(|| file::open(path(&filename), flags, &attributes))?;
        Ok(Handle { id, handle })
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, Failed> {
        self.handles().close(&handle)?;
        Ok(done(id))
    }

    async fn stat(&mut self, id: u32, filename: String) -> Result<Attrs, Failed> {
        Ok(Attrs {
            id,
            attrs: attributes::of(&sys::stat(path(&filename))?),
        })
    }

    async fn lstat(&mut self, id: u32, filename: String) -> Result<Attrs, Failed> {
        Ok(Attrs {
            id,
            attrs: attributes::of(&sys::lstat(path(&filename))?),
        })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, Failed> {
        Ok(Attrs {
            id,
            attrs: attributes::of(&sys::fstat(self.handles().file(&handle)?)?),
        })
    }

    async fn setstat(
        &mut self,
        id: u32,
        filename: String,
        attributes: FileAttributes,
    ) -> Result<Status, Failed> {
        file::set_attributes_at(path(&filename), &attributes)?;
        Ok(done(id))
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        attributes: FileAttributes,
    ) -> Result<Status, Failed> {
        file::set_attributes(self.handles().file(&handle)?, &attributes)?;
        Ok(done(id))
    }

    async fn opendir(&mut self, id: u32, filename: String) -> Result<Handle, Failed> {
        let handle = self
            .handles()
            .add_directory(|| Directory::open(path(&filename)))?;
        Ok(Handle { id, handle })
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, Failed> {
        Ok(Name {
            id,
            files: self.handles().directory(&handle)?.next()?,
        })
    }

    async fn mkdir(
        &mut self,
        id: u32,
        filename: String,
        attributes: FileAttributes,
    ) -> Result<Status, Failed> {
        sys::mkdir(
            path(&filename),
            Mode::from_raw_mode(attributes.permissions.unwrap_or(0o777) & 0o777),
        )?;
        Ok(done(id))
    }

    async fn rmdir(&mut self, id: u32, filename: String) -> Result<Status, Failed> {
        sys::rmdir(path(&filename))?;
        Ok(done(id))
    }

    async fn remove(&mut self, id: u32, filename: String) -> Result<Status, Failed> {
        sys::unlink(path(&filename))?;
        Ok(done(id))
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, Failed> {
        rename_new(&from, &to)?;
        Ok(done(id))
    }

    async fn realpath(&mut self, id: u32, filename: String) -> Result<Name, Failed> {
        Ok(name(id, &real_path(path(&filename))?))
    }

    async fn readlink(&mut self, id: u32, filename: String) -> Result<Name, Failed> {
        Ok(name(id, &fs::read_link(path(&filename))?))
    }

    async fn symlink(&mut self, id: u32, target: String, link: String) -> Result<Status, Failed> {
        // The specification has the link first; OpenSSH sends the target first, and every client does as
        // OpenSSH.
        sys::symlink(target, link)?;
        Ok(done(id))
    }

    async fn extended(&mut self, id: u32, request: String, data: Vec<u8>) -> Result<Packet, Failed> {
        extensions::serve(id, &request, data, &self.handles())
    }
}
