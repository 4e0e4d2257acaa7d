use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::Connection;
use crate::session_ref::SessionRef;

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// What to copy: a path of this machine, or ID:PATH
    #[arg(value_name = "FROM", value_parser = OsStringValueParser::new().try_map(Place::parse))]
    pub(crate) from: Place,
    /// Where to: the new name, or a folder to copy into
    #[arg(value_name = "TO", value_parser = OsStringValueParser::new().try_map(Place::parse))]
    pub(crate) to: Place,
    /// Go on where an interrupted copy with this flag stopped
    ///
    /// It goes over SSH then. Files that have arrived are passed over as long as size and time of their originals are
    /// the same. Those of a folder appear one by one, each complete, and are added to what the folder has; its TO is the
    /// copy's own name unless it ends in a slash.
    #[arg(long)]
    pub(crate) resume: bool,
    /// File with the private key of a session that was made with a public one, for --resume; those of the SSH agent are
    /// tried without
    #[arg(long, value_name = "FILE", requires = "resume")]
    pub(crate) identity: Option<PathBuf>,
    /// Print what was copied as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// One end of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Local(PathBuf),
    Remote {
        session: SessionRef,
        /// Absolute; ends in a slash if it has to be a folder.
        path: String,
    },
}

impl Place {
    /// As `scp` does: a colon before any slash ends the name of a session.
    fn parse(text: OsString) -> Result<Self, String> {
        let (session, path) = match text.to_str().and_then(|text| text.split_once(':')) {
            Some((session, path)) if !session.contains('/') => (session, path),
            _ if text.is_empty() => return Err("a path is not empty".to_owned()),
            _ => return Ok(Self::Local(text.into())),
        };
        let session = session
            .parse()
            .map_err(|error| format!("{error}; a local path with a colon is written ./NAME"))?;
        let path = match path {
            _ if path.starts_with('/') => path.to_owned(),
            "" | "." => "/workspace/".to_owned(),
            _ => format!("/workspace/{path}"),
        };
        Ok(Self::Remote { session, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> String {
        match Place::parse(text.into()).unwrap() {
            Place::Remote { path, .. } => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_colon_before_any_slash_ends_the_name_of_a_session() {
        assert_eq!(remote("550e:a:b"), "/workspace/a:b");
        assert_eq!(remote("550e:/etc/"), "/etc/");
        assert_eq!(remote("550e:"), "/workspace/");
        for local in ["550e", "./550e:x", "/550e:x", "a/b:c"] {
            assert_eq!(Place::parse(local.into()).unwrap(), Place::Local(local.into()));
        }
        for wrong in ["", "x:y", ":x", "http://x"] {
            assert!(Place::parse(wrong.into()).is_err(), "{wrong}");
        }
    }
}
