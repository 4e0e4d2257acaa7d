//! One file for each subcommand.

pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod run;
pub(crate) mod serve;
