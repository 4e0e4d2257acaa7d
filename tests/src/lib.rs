//! What the test targets of this package share: a real server, in this process or in one of its own, and the ways to
//! run trials with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is part of tests"
)]

mod agent;
pub mod calls;
pub mod fault;
mod fault_proxy;
pub mod hostile;
mod house;
pub mod images;
pub mod load;
mod owners;
mod process;
mod role;
mod server;
pub mod suite;
pub mod traces;

pub use self::agent::{Agent, session_directory};
pub use self::fault_proxy::{FaultProxy, can_vanish, swallow};
pub use self::house::House;
pub use self::owners::{Owner, OwnersHouse};
pub use self::process::{Process, Watch};
pub use self::role::{Play, Player, play_if_asked, say, wait_for_nod};
pub use self::server::{ServerProcess, serve};

/// Compiles the Rust code in the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
