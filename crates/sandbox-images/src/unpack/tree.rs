//! The tree that layers make, entry by entry.
//!
//! **Invariant:** every change on disk is of one name in a directory that is open, and no link is ever followed by the
//! kernel: where a path leads is found out in the model, with the tree's root as the root. So nothing outside is touched.
//!
//! Entries of one layer hold in their order, as they do for umoci: what comes later replaces what is there, with all
//! that is in it, and a path goes through the links that are there when it comes. Only whiteouts hold for lower layers
//! alone, wherever they come.

use std::path::Path;

use super::disk::{Disk, Writing};
use super::model::{Id, Meta, Model, Node, ROOT, Walk, components, no_directory};
use super::{Limits, MAX_PATH, too_many_bytes};
use crate::manifest::invalid;
use crate::tar::{Entry, Kind};
use crate::{Error, ErrorKind, Result};

/// What an idmapped mount maps.
const MAX_ID: u64 = 65_535;

/// A tree under construction.
pub(super) struct Tree {
    model: Model,
    disk: Disk,
    limits: Limits,
    entries: u64,
    bytes: u64,
    left_out: u64,
}

impl Tree {
    pub(super) fn create(dir: &Path, limits: Limits) -> Result<Self> {
        Ok(Self {
            model: Model::new(limits),
            disk: Disk::create(dir)?,
            limits,
            entries: 0,
            bytes: 0,
            left_out: 0,
        })
    }

    /// Adds an entry of the present layer; a file's content is to be written then.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<Option<Writing>> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let message = format!(
                "the image's layers have more than {} entries",
                self.limits.entries
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let mut parts = components(&entry.path)?;
        let meta = meta(entry)?;
        let Some(name) = parts.pop() else {
            return self.set_root(&entry.kind, meta).map(|()| None);
        };
        let dir = self.make_way(&parts)?;
        if let Some(hidden) = name.strip_prefix(b".wh.") {
            return self.whiteout(dir, hidden).map(|()| None);
        }
        match &entry.kind {
            Kind::Dir => self.add_dir(dir, name, Some(meta)).map(|_| None),
            Kind::File => self.add_file(dir, name, meta, entry).map(Some),
            Kind::Symlink(target) => self.add_symlink(dir, name, target, meta).map(|()| None),
            Kind::HardLink(target) => self.add_link(dir, name, target).map(|()| None),
            Kind::Special => self.leave_out(dir, name).map(|()| None),
        }
    }

    /// What comes now is of the next layer.
    pub(super) fn end_layer(&mut self) {
        self.model.end_layer();
    }

    /// Gives the directories their modes and times, which writing into them would have changed; says the bytes of files.
    pub(super) fn finish(mut self) -> Result<u64> {
        if self.left_out > 0 {
            tracing::info!(
                entries = self.left_out,
                "devices and fifos of an image are left out"
            );
        }
        // A directory is made after its parent, so that, backwards, a mode never bars the way to one that comes later.
        for (dir, meta) in self.model.dirs().rev() {
            self.disk.set_meta(&self.model, dir, meta)?;
        }
        Ok(self.bytes)
    }

    fn set_root(&mut self, kind: &Kind, meta: Meta) -> Result<()> {
        if !matches!(kind, Kind::Dir) {
            return Err(invalid(
                "a layer has something other than a directory as its root",
            ));
        }
        self.model.set_meta(ROOT, meta);
        Ok(())
    }

    fn add_dir(&mut self, dir: Id, name: &[u8], said: Option<Meta>) -> Result<Id> {
        if let Some(id) = self.model.child(dir, name)
            && let Node::Dir(_) = self.model.node(id)
        {
            if let Some(meta) = said {
                self.model.set_meta(id, meta);
            }
            self.model.keep(dir, name);
            return Ok(id);
        }
        let node = self.model.new_dir(dir, name, said.unwrap_or(Meta::IMPLIED))?;
        self.delete(dir, name)?;
        self.disk.make_dir(&self.model, dir, name)?;
        self.model.insert(dir, name, node)
    }

    fn add_file(&mut self, dir: Id, name: &[u8], meta: Meta, entry: &Entry) -> Result<Writing> {
        // Holes take no room, but whoever reads the file reads them.
        let size = entry.size();
        self.bytes = self.bytes.saturating_add(entry.stored);
        if self.bytes > self.limits.bytes || size > self.limits.bytes {
            return Err(too_many_bytes(self.limits.bytes));
        }
        self.delete(dir, name)?;
        let file = self.disk.make_file(&self.model, dir, name, meta)?;
        self.model.insert(dir, name, Node::File)?;
        Ok(file)
    }

    fn add_symlink(&mut self, dir: Id, name: &[u8], target: &[u8], meta: Meta) -> Result<()> {
        if target.is_empty() || target.len() >= MAX_PATH || target.contains(&0) {
            return Err(invalid("a layer has a symbolic link to what is no path"));
        }
        self.delete(dir, name)?;
        self.disk.make_symlink(&self.model, (dir, name), target, meta)?;
        self.model
            .insert(dir, name, Node::Symlink(target.to_vec()))
            .map(|_| ())
    }

    fn add_link(&mut self, dir: Id, name: &[u8], target: &[u8]) -> Result<()> {
        let refused = |why: &str| {
            let target = String::from_utf8_lossy(target.get(..64).unwrap_or(target));
            invalid(format!("a layer has a hard link to {target:?}, {why}"))
        };
        if target.starts_with(b"/") {
            return Err(refused("an absolute path"));
        }
        let mut parts = components(target)?;
        let from_name = parts.pop().ok_or_else(|| refused("which is no file"))?;
        let from = self.resolve(&parts)?;
        let linked = match self.model.child(from, from_name).map(|id| self.model.node(id)) {
            Some(Node::File) => Node::File,
            Some(Node::Symlink(target)) => Node::Symlink(target.clone()),
            // What is left out is left out under all of its names.
            Some(Node::LeftOut) => return self.leave_out(dir, name),
            _ => return Err(refused("which is no file")),
        };
        if (from, from_name) == (dir, name) {
            return Err(refused("which is itself"));
        }
        self.delete(dir, name)?;
        self.disk.link(&self.model, (from, from_name), (dir, name))?;
        self.model.insert(dir, name, linked).map(|_| ())
    }

    /// Remembers a device or a fifo: it hides what a lower layer has there all the same, and links may lead to it.
    fn leave_out(&mut self, dir: Id, name: &[u8]) -> Result<()> {
        self.left_out += 1;
        self.delete(dir, name)?;
        self.model.insert(dir, name, Node::LeftOut).map(|_| ())
    }

    /// Hides what lower layers have; what this layer has stays, in whatever order it comes.
    fn whiteout(&mut self, dir: Id, hidden: &[u8]) -> Result<()> {
        match hidden {
            b".wh..opq" => self.hide_children(dir),
            b"" | b"." | b".." => Err(invalid("a layer has a whiteout of what is no name")),
            // Other names of the kind are aufs's own.
            hidden if hidden.starts_with(b".wh.") => Ok(()),
            hidden => self.hide(dir, hidden),
        }
    }

    fn hide(&mut self, dir: Id, name: &[u8]) -> Result<()> {
        if self.model.is_lower(dir, name) {
            return self.delete(dir, name);
        }
        self.model
            .child(dir, name)
            .map_or(Ok(()), |id| self.hide_children(id))
    }

    fn hide_children(&mut self, dir: Id) -> Result<()> {
        let names = self.model.names_in(dir);
        names.iter().try_for_each(|name| self.hide(dir, name))
    }

    /// Removes whatever has this name, with all that is in it.
    fn delete(&mut self, dir: Id, name: &[u8]) -> Result<()> {
        let Some(id) = self.model.child(dir, name) else {
            return Ok(());
        };
        match self.model.node(id) {
            Node::Dir(_) => {
                for inner in &self.model.names_in(id) {
                    self.delete(id, inner)?;
                }
                self.disk.remove_dir(&self.model, (dir, name), id)?;
            }
            Node::File | Node::Symlink(_) => self.disk.remove_file(&self.model, dir, name)?,
            Node::LeftOut | Node::Gone => {}
        }
        self.model.remove(dir, name);
        Ok(())
    }

    /// The directory that a path leads to; made where there is none.
    fn make_way(&mut self, parts: &[&[u8]]) -> Result<Id> {
        let mut walk = Walk::new(parts);
        while let Some(missing) = self.model.follow(&mut walk, true)? {
            walk.at = self.add_dir(walk.at, &missing, None)?;
        }
        Ok(walk.at)
    }

    /// The directory that a path leads to.
    fn resolve(&mut self, parts: &[&[u8]]) -> Result<Id> {
        let mut walk = Walk::new(parts);
        match self.model.follow(&mut walk, false)? {
            None => Ok(walk.at),
            Some(_) => Err(no_directory()),
        }
    }
}

fn meta(entry: &Entry) -> Result<Meta> {
    let id = |id: u64| {
        u32::try_from(id).ok().filter(|_| id <= MAX_ID).ok_or_else(|| {
            let path = String::from_utf8_lossy(&entry.path);
            invalid(format!("the owner {id} of {path:?} in a layer is above {MAX_ID}"))
        })
    };
    Ok(Meta {
        mode: entry.mode,
        owner: (id(entry.uid)?, id(entry.gid)?),
        mtime: entry.mtime,
    })
}
