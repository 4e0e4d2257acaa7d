//! Paths inside a session.

use std::fmt;

use super::error::{Error, Result};

/// Where relative paths start.
const WORKSPACE: &str = "/workspace";

/// The longest path, in bytes, that the kernel takes.
const PATH_LIMIT: usize = 4096;

/// The path of a file inside a session: absolute, ending in the name of something.
///
/// It needs no protection against `..` or links: it is only ever resolved inside the session, with its user's rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemotePath(String);

impl RemotePath {
    /// `field` is what the request calls the path.
    pub(crate) fn parse(field: &str, path: &str) -> Result<Self> {
        if path.is_empty() {
            return Err(Error::invalid(field, "must not be empty"));
        }
        if path.contains('\0') {
            return Err(Error::invalid(field, "must not contain a NUL"));
        }
        let absolute = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{WORKSPACE}/{path}")
        };
        if absolute.len() >= PATH_LIMIT {
            return Err(
                Error::invalid(field, format!("must be shorter than {PATH_LIMIT} bytes"))
                    .detail("maximum", PATH_LIMIT),
            );
        }
        match absolute.rsplit('/').next() {
            None | Some("" | "." | "..") => Err(Error::invalid(field, "names a directory, not a file")),
            Some(_) => Ok(Self(absolute)),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// Everything before the last part.
    pub(crate) fn parent(&self) -> &str {
        match self.0.rsplit_once('/') {
            None | Some(("", _)) => "/",
            Some((parent, _)) => parent,
        }
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_at_the_workspace() {
        let path = RemotePath::parse("path", "a/ü b").unwrap();
        assert_eq!(
            (path.as_str(), path.parent(), path.name()),
            ("/workspace/a/ü b", "/workspace/a", "ü b")
        );
        let path = RemotePath::parse("path", "/x").unwrap();
        assert_eq!((path.as_str(), path.parent(), path.name()), ("/x", "/", "x"));
    }

    #[test]
    fn refuses_what_cannot_name_a_file() {
        for path in ["", "/", "a/", ".", "a/..", "a\0b", &"x".repeat(5000)] {
            let error = RemotePath::parse("filePath", path).unwrap_err();
            assert!(error.message.starts_with("filePath: "), "{}", error.message);
        }
    }
}
