//! One file for each subcommand.

pub(crate) mod code;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod create;
pub(crate) mod exec;
pub(crate) mod execution;
pub(crate) mod forward;
pub(crate) mod get;
pub(crate) mod health;
pub(crate) mod image;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod pause;
pub(crate) mod proxy;
pub(crate) mod remove;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod ssh;
pub(crate) mod ssh_config;
pub(crate) mod watch;
