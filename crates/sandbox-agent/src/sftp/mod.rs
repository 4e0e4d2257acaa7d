//! The SFTP server inside a sandbox: a process of the sandbox's user, so that the kernel decides what it may
//! do.
//!
//! It serves one client on standard input and output. Calls block, which holds up nobody else.

mod attributes;
mod directory;
mod extensions;
mod file;
mod handles;
mod server;
mod status;

use std::{io, os::fd::AsFd};

use tokio::{
    net::unix::pipe::{Receiver, Sender},
    sync::oneshot,
};

use server::Server;

/// Serves until standard input ends; gives the exit code.
pub(crate) fn run() -> i32 {
    match serve() {
        Ok(()) => 0,
        Err(error) => {
            use io::Write as _;
            // Standard error leads to the client.
            let _ = writeln!(io::stderr(), "sandbox: SFTP: {error}");
            1
        }
    }
}

fn serve() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let input = Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        let output = Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?;
        let (done, ended) = oneshot::channel();
        russh_sftp::server::run(tokio::io::join(input, output), Server::new(done)).await;
        // The library serves in a task of its own and drops the server when it ends.
        let _ = ended.await;
        Ok(())
    })
}
