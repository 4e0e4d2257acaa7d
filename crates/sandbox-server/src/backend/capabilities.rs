//! What a backend can do.

/// What a backend can do, and what it cannot and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Sessions can be paused and resumed.
    pub pause: bool,
    /// Sessions can be measured.
    pub stats: bool,
    /// The images sessions can be made from.
    pub images: Vec<String>,
    /// Other names are those of OCI images, and what there is of them changes.
    pub oci_images: bool,
    /// What this place cannot give, for people to read.
    pub missing: Vec<Missing>,
}

/// Something a backend cannot give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What is missing, such as `memory limit`.
    pub what: String,
    /// Why it is.
    pub why: String,
    /// What would change that.
    pub remedy: String,
}
