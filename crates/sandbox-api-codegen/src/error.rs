use std::path::PathBuf;

/// Why no code could be generated from a document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The document could not be read from its file.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why it could not be read.
        source: std::io::Error,
    },
    /// The text is not YAML, or not shaped like an OpenAPI 3.0 document.
    #[error("not an OpenAPI 3.0 document")]
    Document(#[from] serde_yaml_ng::Error),
    /// The document says something that the generated code would silently ignore.
    #[error("{at}: {what}")]
    Unsupported {
        /// Where in the document, from the top down.
        at: String,
        /// What is not supported there.
        what: String,
    },
    /// The generator refused the document.
    #[error("the client cannot be generated")]
    Generate(#[from] progenitor::Error),
    /// The generator's output is not Rust. This is a fault of the generator, not of the document.
    #[error("the generator's output is not valid Rust")]
    Output(#[from] syn::Error),
}

impl Error {
    pub(crate) fn unsupported(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Unsupported {
            at: at.into(),
            what: what.into(),
        }
    }
}
