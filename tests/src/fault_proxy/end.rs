//! How connections end.

use std::time::Duration;

use socket2::{Domain, SockFilter, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fault::How;

/// How long a client may take to close a connection that was closed at this end.
const PARTING: Duration = Duration::from_secs(5);

pub(super) async fn end(how: How, mut client: TcpStream, server: TcpStream) {
    match how {
        How::Close => part(client).await,
        How::Reset => {
            for stream in [client, server] {
                SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .expect("a socket");
            }
        }
        How::Stall => hold(client, server).await,
        How::Vanish => {
            for stream in [&client, &server] {
                swallow(stream);
            }
            std::future::pending::<()>().await;
        }
        How::Say(answer) => {
            let _ = client.write_all(&answer).await;
            part(client).await;
        }
        How::SayForEver(beginning, more) => {
            let _ = client.write_all(&beginning).await;
            while client.write_all(&more).await.is_ok() {}
        }
    }
}

/// Closes a connection in order: what is closed with unread bytes would be reset.
async fn part(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let rest = async { while let Ok(1..) = stream.read(&mut [0; 4096]).await {} };
    let _ = timeout(PARTING, rest).await;
}

/// Says nothing more until the client has left.
async fn hold(mut client: TcpStream, _server: TcpStream) {
    while let Ok(1..) = client.read(&mut [0; 4096]).await {}
}

/// Whether this user may have connections vanish, by [`swallow`]; says so if not.
pub fn can_vanish() -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let filtered = drop_all(SockRef::from(&socket));
    if let Err(error) = &filtered {
        println!("skipped: this host does not let this user put a filter on a socket: {error}");
    }
    filtered.is_ok()
}

/// Has the kernel drop whatever arrives, before it is looked at: no segment is acknowledged, and none refused.
pub fn swallow(stream: &TcpStream) {
    drop_all(SockRef::from(stream)).expect("a filter");
}

fn drop_all(socket: SockRef<'_>) -> std::io::Result<()> {
    /// The instruction of the packet filter that returns how many bytes to keep.
    const RETURN: u16 = 0x06;
    socket.attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])
}
