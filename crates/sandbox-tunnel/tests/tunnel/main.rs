//! Tunnels through scripted servers and proxies, which do what real ones do on bad days only.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod answers;
mod proxies;
mod script;
mod tls;
