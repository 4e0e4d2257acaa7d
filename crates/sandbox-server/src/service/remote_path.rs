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
pub(crate) struct RemotePath {
    /// What the request calls it.
    field: &'static str,
    path: String,
}

impl RemotePath {
    /// `field` is what the request calls the path.
    pub(crate) fn parse(field: &'static str, path: &str) -> Result<Self> {
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
            Some(_) => Ok(Self {
                field,
                path: absolute,
            }),
        }
    }

    /// The caller's mistake about this path, as the continuation of a sentence that it begins.
    pub(super) fn refused(&self, why: &str) -> Error {
        Error::invalid(self.field, format!("{self} {why}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.path
    }

    /// The last part.
    pub(crate) fn name(&self) -> &str {
        self.path
            .rsplit_once('/')
            .map_or(self.path.as_str(), |(_, name)| name)
    }

    /// Everything before the last part.
    pub(crate) fn parent(&self) -> &str {
        match self.path.rsplit_once('/') {
            None | Some(("", _)) => "/",
            Some((parent, _)) => parent,
        }
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

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

    type Parses = fn(&str) -> Result<RemotePath>;

    fn any_path_is_refused_or_names_a_file(parse: Parses) -> Result<(), String> {
        let paths = prop_oneof![
            any::<String>(),
            "[./a\\x00]{0,8}",
            "/?(a|\\.{1,2}/){0,9}b{0,4090}"
        ];
        let tried = TestRunner::deterministic().run(&paths, |path| {
            let Ok(parsed) = parse(&path) else {
                return Ok(());
            };
            prop_assert!(parsed.as_str().starts_with('/') && parsed.as_str().ends_with(&path));
            prop_assert!(parsed.as_str().len() < PATH_LIMIT && !parsed.as_str().contains('\0'));
            prop_assert!(!matches!(parsed.name(), "" | "." | "..") && !parsed.name().contains('/'));
            let whole = format!("{}/{}", parsed.parent(), parsed.name());
            let at_the_root = format!("/{}", parsed.name());
            prop_assert!([whole, at_the_root].contains(&parsed.path));
            Ok(())
        });
        tried.map_err(|error| error.to_string())
    }

    #[test]
    fn any_path_is_harmless() {
        any_path_is_refused_or_names_a_file(|path| RemotePath::parse("path", path)).unwrap();
    }

    #[test]
    fn a_path_that_is_taken_as_it_comes_is_noticed() {
        let careless: Parses = |path| {
            Ok(RemotePath {
                field: "path",
                path: format!("/workspace/{path}"),
            })
        };
        any_path_is_refused_or_names_a_file(careless).unwrap_err();
    }
}
