//! What is in the tree, as far as paths and whiteouts are concerned. Nothing here touches the disk.

use std::collections::HashMap;

use super::{Limits, MAX_PATH};
use crate::manifest::invalid;
use crate::{Error, ErrorKind, Result};

const MAX_DEPTH: usize = 128;
const MAX_NAME: usize = 255;
/// Links that one path may go through, as in the kernel.
const MAX_LINKS: usize = 40;

/// One of the things in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(usize);

pub(super) const ROOT: Id = Id(0);

/// Mode, owner and time of modification.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) mtime: (i64, u32),
}

impl Meta {
    /// Of a directory that no entry tells of.
    pub(super) const IMPLIED: Self = Self {
        mode: 0o755,
        owner: (0, 0),
        mtime: (0, 0),
    };
}

#[derive(Debug)]
pub(super) enum Node {
    Dir(Dir),
    Symlink(Vec<u8>),
    File,
    /// A device or a fifo, which the disk does not have.
    LeftOut,
    Gone,
}

#[derive(Debug)]
pub(super) struct Dir {
    parent: Id,
    name: Vec<u8>,
    children: HashMap<Vec<u8>, Child>,
    depth: usize,
    meta: Meta,
}

#[derive(Debug, Clone, Copy)]
struct Child {
    id: Id,
    /// The layer that last had it.
    layer: u32,
}

#[derive(Debug)]
pub(super) struct Model {
    nodes: Vec<Node>,
    layer: u32,
    names: usize,
    limits: Limits,
}

/// Where somebody is who follows a path, and what is left of it.
pub(super) struct Walk {
    pub(super) at: Id,
    left: Vec<Vec<u8>>,
    links: usize,
}

impl Walk {
    /// From the root.
    pub(super) fn new(parts: &[&[u8]]) -> Self {
        let left = parts.iter().rev().map(|part| part.to_vec()).collect();
        Self {
            at: ROOT,
            left,
            links: 0,
        }
    }
}

impl Model {
    /// An empty root.
    pub(super) fn new(limits: Limits) -> Self {
        let root = Dir {
            parent: ROOT,
            name: Vec::new(),
            children: HashMap::new(),
            depth: 0,
            meta: Meta::IMPLIED,
        };
        Self {
            nodes: vec![Node::Dir(root)],
            layer: 1,
            names: 0,
            limits,
        }
    }

    /// What comes now is of the next layer.
    pub(super) fn end_layer(&mut self) {
        self.layer += 1;
    }

    /// Follows a path to the directory it leads to, links included, or to the first name that nothing has; the root is
    /// above itself. With `keep`, what is passed is this layer's, too.
    pub(super) fn follow(&mut self, walk: &mut Walk, keep: bool) -> Result<Option<Vec<u8>>> {
        while let Some(part) = walk.left.pop() {
            // Only from the target of a link.
            if part == b".." {
                walk.at = self.dir(walk.at).map_or(ROOT, |dir| dir.parent);
                continue;
            }
            let Some(id) = self.child(walk.at, &part) else {
                return Ok(Some(part));
            };
            match self.nodes.get(id.0) {
                Some(Node::Dir(_)) => {
                    if keep {
                        self.keep(walk.at, &part);
                    }
                    walk.at = id;
                }
                Some(Node::Symlink(target)) => {
                    walk.links += 1;
                    if walk.links > MAX_LINKS {
                        return Err(invalid("a layer has a path through too many symbolic links"));
                    }
                    if target.starts_with(b"/") {
                        walk.at = ROOT;
                    }
                    walk.left.extend(names(target).rev().map(<[u8]>::to_vec));
                }
                _ => return Err(no_directory()),
            }
        }
        Ok(None)
    }

    /// A directory that this layer has something in is this layer's, too.
    pub(super) fn keep(&mut self, dir: Id, name: &[u8]) {
        let layer = self.layer;
        if let Some(child) = self.dir_mut(dir).and_then(|dir| dir.children.get_mut(name)) {
            child.layer = layer;
        }
    }

    /// Whether only lower layers have it.
    pub(super) fn is_lower(&self, dir: Id, name: &[u8]) -> bool {
        let child = self.dir(dir).and_then(|dir| dir.children.get(name));
        child.is_some_and(|child| child.layer < self.layer)
    }

    /// A directory to be, not more than so many deep.
    pub(super) fn new_dir(&self, parent: Id, name: &[u8], meta: Meta) -> Result<Node> {
        let depth = self.dir(parent).map_or(0, |dir| dir.depth) + 1;
        if depth > MAX_DEPTH {
            return Err(invalid(format!(
                "a layer has directories more than {MAX_DEPTH} deep"
            )));
        }
        Ok(Node::Dir(Dir {
            parent,
            name: name.to_vec(),
            children: HashMap::new(),
            depth,
            meta,
        }))
    }

    /// Puts something where nothing is.
    pub(super) fn insert(&mut self, dir: Id, name: &[u8], node: Node) -> Result<Id> {
        let target = if let Node::Symlink(target) = &node {
            target.len()
        } else {
            0
        };
        self.names += name.len() + target;
        if self.names > self.limits.names {
            let message = format!(
                "the names of the image's files take more than {} bytes",
                self.limits.names
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let id = Id(self.nodes.len());
        // Directories that entries only imply count as well.
        if id.0 as u64 > self.limits.entries.saturating_mul(2) {
            let message = format!(
                "the image has more than {} directories and files",
                self.limits.entries
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.nodes.push(node);
        let layer = self.layer;
        if let Some(dir) = self.dir_mut(dir) {
            dir.children.insert(name.to_vec(), Child { id, layer });
        }
        Ok(id)
    }

    /// Takes something out, a directory with nothing in it.
    pub(super) fn remove(&mut self, dir: Id, name: &[u8]) {
        let child = self.dir_mut(dir).and_then(|dir| dir.children.remove(name));
        if let Some(node) = child.and_then(|child| self.nodes.get_mut(child.id.0)) {
            *node = Node::Gone;
        }
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        self.nodes.get(id.0).unwrap_or(&Node::Gone)
    }

    pub(super) fn child(&self, dir: Id, name: &[u8]) -> Option<Id> {
        self.dir(dir)?.children.get(name).map(|child| child.id)
    }

    /// The names in a directory; none of what is no directory.
    pub(super) fn names_in(&self, dir: Id) -> Vec<Vec<u8>> {
        self.dir(dir)
            .map(|dir| dir.children.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Where a directory is, and by what name.
    pub(super) fn place(&self, dir: Id) -> Option<(Id, &[u8])> {
        self.dir(dir).map(|dir| (dir.parent, dir.name.as_slice()))
    }

    pub(super) fn set_meta(&mut self, dir: Id, meta: Meta) {
        if let Some(dir) = self.dir_mut(dir) {
            dir.meta = meta;
        }
    }

    /// All directories, each before what is in it.
    pub(super) fn dirs(&self) -> impl DoubleEndedIterator<Item = (Id, Meta)> {
        let dirs = self.nodes.iter().enumerate();
        dirs.filter_map(|(id, node)| {
            if let Node::Dir(dir) = node {
                Some((Id(id), dir.meta))
            } else {
                None
            }
        })
    }

    fn dir(&self, id: Id) -> Option<&Dir> {
        if let Some(Node::Dir(dir)) = self.nodes.get(id.0) {
            Some(dir)
        } else {
            None
        }
    }

    fn dir_mut(&mut self, id: Id) -> Option<&mut Dir> {
        if let Some(Node::Dir(dir)) = self.nodes.get_mut(id.0) {
            Some(dir)
        } else {
            None
        }
    }
}

/// The names of a path, which is taken from the root; one that goes up is nobody's honest work.
pub(super) fn components(path: &[u8]) -> Result<Vec<&[u8]>> {
    let shown = || String::from_utf8_lossy(path.get(..64).unwrap_or(path)).into_owned();
    if path.len() >= MAX_PATH || path.contains(&0) {
        return Err(invalid(format!(
            "a layer has the path {:?}, too long or with a NUL",
            shown()
        )));
    }
    let parts: Vec<&[u8]> = names(path).collect();
    if parts.iter().any(|part| *part == b".." || part.len() > MAX_NAME) {
        return Err(invalid(format!(
            "a layer has the path {:?}, with `..` or a name above {MAX_NAME} bytes",
            shown()
        )));
    }
    Ok(parts)
}

/// What is between the slashes of a path.
pub(crate) fn names(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
}

pub(super) fn no_directory() -> Error {
    invalid("a layer has a path through what is no directory")
}
