//! Somebody who is slower than the other end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use contract_tests::{ServerProcess, Watch};
use futures_util::stream;
use libtest_mimic::Failed;
use reqwest::{Body, Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::large::ALLOWED;

/// Far more than may be kept of it.
const SIZE: u64 = 256 << 20;

const PIECE: usize = 256 << 10;

/// How much goes through before one end stops for a while.
const BEFORE: u64 = 64 << 20;

/// Long enough for all that is under way to arrive where it is kept.
const PAUSE: Duration = Duration::from_secs(2);

const BOUNDARY: &str = "boundary-of-the-form";

/// A server of its own, so that nothing else uses its memory.
pub(crate) fn nothing_piles_up(_: &ServerProcess) -> Result<(), Failed> {
    let server = crate::start_server()?;
    let result = Runtime::new()?.block_on(in_and_out(&server));
    server.stop();
    result
}

async fn in_and_out(server: &ServerProcess) -> Result<(), Failed> {
    let http = Client::builder().no_proxy().build()?;
    let request = |method: Method, path: &str| {
        http.request(method, format!("{}{path}", server.url()))
            .bearer_auth(ServerProcess::TOKEN)
    };
    let created: Value = accepted(request(Method::POST, "/sessions")).await?.json().await?;
    let session = format!("/sessions/{}", created["sessionId"].as_str().ok_or("no id")?);
    let of_session = |method, path: &str| request(method, &format!("{session}{path}"));

    let watch = Watch::start(server.process());
    let sent = Arc::new(AtomicU64::new(0));
    let upload = of_session(Method::POST, "/files?path=big")
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(form(sent.clone()));
    let upload = tokio::spawn(accepted(upload));
    while sent.load(Ordering::Relaxed) < BEFORE {
        sleep(Duration::from_millis(1)).await;
    }
    // Nothing in the session reads any more; without the right to pause, the upload goes through unhindered.
    let paused = of_session(Method::POST, "/pause")
        .send()
        .await?
        .status()
        .is_success();
    sleep(PAUSE).await;
    let kept = sent.load(Ordering::Relaxed);
    if paused {
        accepted(of_session(Method::POST, "/resume")).await?;
    }
    let file: Value = upload.await??.json().await?;
    let extra_in = watch.extra();
    assert_eq!(file["size"], SIZE);
    assert!(!paused || kept < SIZE, "the upload did not wait for its session");

    let watch = Watch::start(server.process());
    let mut download = accepted(of_session(Method::GET, "/files?filePath=big")).await?;
    let mut received = 0;
    while let Some(piece) = download.chunk().await? {
        let before = received;
        received += piece.len() as u64;
        if before < BEFORE && received >= BEFORE {
            sleep(PAUSE).await;
        }
    }
    let extra_out = watch.extra();
    assert_eq!(received, SIZE);
    eprintln!(
        "extra memory of the server: in {} KiB, out {} KiB",
        extra_in >> 10,
        extra_out >> 10
    );
    for (way, extra) in [("in", extra_in), ("out", extra_out)] {
        assert!(
            extra < ALLOWED,
            "on the way {way} the server used {} KiB more",
            extra >> 10
        );
    }
    Ok(())
}

async fn accepted(request: RequestBuilder) -> Result<Response, Failed> {
    let response = request.send().await?;
    if response.status().is_success() {
        Ok(response)
    } else {
        Err(format!("{}: {}", response.status(), response.text().await?).into())
    }
}

/// The file as a part of a form, counted as it is taken.
fn form(sent: Arc<AtomicU64>) -> Body {
    let head =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big\"\r\n\r\n");
    let pieces = (0..SIZE / PIECE as u64).map(move |_| {
        sent.fetch_add(PIECE as u64, Ordering::Relaxed);
        Bytes::from(vec![0x0d; PIECE])
    });
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    let all = std::iter::once(head.into()).chain(pieces).chain([end.into()]);
    Body::wrap_stream(stream::iter(all.map(Ok::<_, std::io::Error>)))
}
