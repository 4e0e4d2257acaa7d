use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sandbox_tunnel::TcpChannel;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadHalf, WriteHalf, copy, split};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::SessionSshClient;
use crate::error::from_tunnel_error;
use crate::requests::RequestFuture;
use crate::{Error, ErrorKind};

/// Connections that are carried at the same time; further ones wait. Below the number of tunnels that a session has.
const CONNECTIONS: usize = 16;

/// Bytes that are carried at once.
const PIECE: usize = 32 << 10;

/// A port of a session to be made reachable on this machine, made by [`SessionSshClient::forward_local`]; awaiting it
/// listens.
///
/// ```no_run
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let forward = ssh.forward_local(8000).await?;
/// println!("http://{}/", forward.local_address());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Operation`] when the local address cannot be listened on. That nobody listens in the session shows when
/// somebody connects: that connection is closed.
#[derive(Debug)]
#[must_use = "nothing is forwarded until this is awaited"]
pub struct ForwardLocal {
    ssh: SessionSshClient,
    port: u16,
    listen: SocketAddr,
}

/// A port of a session that is reachable on this machine, until this is dropped; connections that are open end then,
/// too.
///
/// ```no_run
/// use std::time::Duration;
///
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let forward = ssh.forward_local(8000).await?;
/// println!("http://{}/ for a minute", forward.local_address());
/// tokio::time::sleep(Duration::from_secs(60)).await;
/// drop(forward); // nobody gets through any more
/// # Ok(())
/// # }
/// ```
pub struct LocalForward {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl ForwardLocal {
    pub(super) fn new(ssh: SessionSshClient, port: u16) -> Self {
        Self {
            ssh,
            port,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
        }
    }

    /// The local address to listen on; by default a free port of 127.0.0.1. Whoever reaches it reaches the session.
    ///
    /// ```no_run
    /// use std::net::{Ipv4Addr, SocketAddr};
    ///
    /// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
    /// let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 3000));
    /// let forward = ssh.forward_local(8000).listen(address).await?;
    /// assert_eq!(forward.local_address(), address);
    /// # Ok(())
    /// # }
    /// ```
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    async fn start(self) -> Result<LocalForward, Error> {
        let Self { ssh, port, listen } = self;
        let bound = async {
            let listener = TcpListener::bind(listen).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bound.await.map_err(|error: io::Error| {
            Error::new(ErrorKind::Operation, format!("cannot listen on {listen}")).with_source(error)
        })?;
        let task = tokio::spawn(serve(listener, ssh, port));
        Ok(LocalForward { address, task })
    }
}

impl LocalForward {
    /// Where the port is on this machine.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for LocalForward {
    fn drop(&mut self) {
        // Its connections are owned by it.
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, ssh: SessionSshClient, port: u16) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (ssh, places) = (ssh.clone(), places.clone());
                    connections.spawn(async move {
                        let _place = places.acquire_owned().await;
                        if let Err(error) = carry(stream, &ssh, port).await {
                            tracing::warn!(port, error = &error as &dyn std::error::Error, "a connection was not forwarded");
                        }
                    });
                }
                // Out of descriptors, most likely: the next attempt would fail at once.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Each on an SSH connection of its own, so that one which nobody reads holds back no other.
async fn carry(stream: TcpStream, ssh: &SessionSshClient, port: u16) -> Result<(), Error> {
    let _ = stream.set_nodelay(true);
    let connection = ssh.own_connection().await?;
    let channel = connection.connect_tcp("localhost", port).await;
    let channel = channel.map_err(from_tunnel_error)?;
    let closed = channel.closed();
    // Both halves live until it is closed: without them what is under way to the session would be dropped.
    let (mut from_session, mut to_session) = split(channel);
    let (from_here, to_here) = stream.into_split();
    let both = async {
        // That one of the two ends has failed is seen at the other one.
        let carried = tokio::try_join!(up(from_here, &mut to_session), down(&mut from_session, to_here));
        if carried.is_ok() {
            closed.await;
        }
    };
    tokio::select! {
        () = both => {}
        () = connection.closed() => {}
    }
    Ok(())
}

/// Fails when the connection here is lost. Ends when the session takes no more: it may have something to say yet.
async fn up(mut here: OwnedReadHalf, session: &mut WriteHalf<TcpChannel>) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = here.read(&mut piece).await?;
        if read == 0 {
            let _ = session.shutdown().await;
            return Ok(());
        }
        tokio::select! {
            written = session.write_all(piece.get(..read).unwrap_or_default()) => if written.is_err() {
                return Ok(());
            },
            // Nobody would notice while the session takes nothing.
            lost = here.ready(Interest::ERROR) => {
                lost?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }
}

/// Fails when the connection here is lost.
async fn down(session: &mut ReadHalf<TcpChannel>, mut here: OwnedWriteHalf) -> io::Result<()> {
    copy(session, &mut here).await?;
    here.shutdown().await
}

impl IntoFuture for ForwardLocal {
    type Output = Result<LocalForward, Error>;
    type IntoFuture = RequestFuture<LocalForward>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl fmt::Debug for LocalForward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalForward")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
