//! The SFTP server inside a sandbox: a process of the sandbox's user, so that the kernel decides what it may
//! do.
//!
//! It serves one client on standard input and output. Calls block, which holds up nobody else.

mod attributes;
mod contents;
mod directory;
mod extensions;
mod file;
mod handles;
mod server;
mod status;
mod stdio;

use std::{io, sync::Arc};

use tokio::sync::oneshot;

use self::{contents::Contents, server::Server, stdio::Stdio};
use crate::heap;

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
    heap::reuse_large_buffers();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let handles = Arc::default();
        let stdio = Stdio::new(Contents::new(Arc::clone(&handles)))?;
        let (done, ended) = oneshot::channel();
        russh_sftp::server::run(stdio, Server::new(handles, done)).await;
        // The library serves in a task of its own and drops the server when it ends.
        let _ = ended.await;
        Ok(())
    })
}
