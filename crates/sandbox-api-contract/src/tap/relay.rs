//! Passing bytes on.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::conversation::Conversation;
use super::ledger::Ledger;
use super::upstream::{Link, Upstream};

/// How much of one direction is held at most.
const PIECE: usize = 64 << 10;

/// One connection, from its beginning to its end.
pub(super) async fn relay(
    client: TcpStream,
    acceptor: Option<TlsAcceptor>,
    upstream: Arc<Upstream>,
    ledger: Arc<Ledger>,
) {
    let _ = client.set_nodelay(true);
    let client: Box<dyn Link> = match acceptor {
        None => Box::new(client),
        Some(acceptor) => match acceptor.accept(client).await {
            Ok(client) => Box::new(client),
            // Who does not trust the certificate has said nothing.
            Err(_) => return,
        },
    };
    let server = match upstream.connect().await {
        Ok(server) => server,
        Err(error) => {
            // To refuse the connection it is too late.
            client.reset_at_end();
            // Who looks at a server far away has no other way to learn why.
            if upstream.name().is_some() {
                ledger.fail(format!("the server cannot be reached: {error}"));
            }
            return;
        }
    };
    let conversation = Mutex::new(Conversation::new(ledger, upstream.name().cloned()));
    pass_on(client, server, &conversation).await;
    listen(&conversation, Conversation::end);
}

async fn pass_on(mut client: Box<dyn Link>, mut server: Box<dyn Link>, conversation: &Mutex<Conversation>) {
    let both = {
        let (from_client, to_client) = split(&mut client);
        let (from_server, to_server) = split(&mut server);
        let requests = pump(from_client, to_server, |bytes| {
            listen(conversation, |conversation| conversation.request(bytes))
        });
        let responses = pump(from_server, to_client, |bytes| {
            listen(conversation, |conversation| match bytes {
                [] => conversation.end_of_responses(),
                bytes => conversation.response(bytes),
            });
            Cow::Borrowed(bytes)
        });
        tokio::try_join!(requests, responses)
    };
    let orderly = both.is_ok_and(|(requests, responses)| requests.is_ok() && responses.is_ok());
    if !orderly {
        client.reset_at_end();
        server.reset_at_end();
    }
}

/// Passes on one direction to its end, and has each piece heard before it goes on, of which the end is the empty one:
/// what somebody has received was judged.
///
/// Who cannot be written to any more may have said something before, which the other direction is to deliver: that is
/// the inner result, and ends this direction alone.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut hear: impl for<'a> FnMut(&'a [u8]) -> Cow<'a, [u8]>,
) -> io::Result<io::Result<()>> {
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).await?;
        let bytes = piece.get(..count).unwrap_or_default();
        let told = hear(bytes);
        if let Err(error) = to.write_all(&told).await {
            return Ok(Err(error));
        }
        if bytes.is_empty() {
            return Ok(to.shutdown().await);
        }
    }
}

fn listen<T>(conversation: &Mutex<Conversation>, hear: impl FnOnce(&mut Conversation) -> T) -> T {
    hear(&mut conversation.lock().unwrap_or_else(PoisonError::into_inner))
}
