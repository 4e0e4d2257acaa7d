//! What clients are told that there is no room for.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

/// How long a client may take to ask and to hear.
const MOMENT: Duration = Duration::from_secs(1);

const BODY: &str =
    r#"{"error":"UNAVAILABLE","message":"the server has as many connections as it can serve"}"#;

/// Answers a request with 503, whatever it is, and closes the connection.
pub(super) async fn turn_away(mut stream: TcpStream) {
    let id = Uuid::new_v4();
    tracing::debug!(request = %id, "a connection was refused: the descriptors run out");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         x-request-id: {id}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    let refusal = async {
        let mut request = [0; 4096];
        if stream.read(&mut request).await? == 0 {
            return Ok(());
        }
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // What is closed with unread bytes is reset, and the answer could be lost.
        while stream.read(&mut request).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    let _ = timeout(MOMENT, refusal).await;
}
