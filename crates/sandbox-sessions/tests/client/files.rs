//! Files, on networks and against servers that fail in the middle of them.

use std::error::Error as _;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sandbox_api_contract::MockServer;
use sandbox_sessions::{Error, ErrorKind, FileContent, SessionsClient};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{ID, Scripted, TOKEN, answer, client_for, id};

fn file_info() -> Value {
    json!({ "path": "/workspace/a b.txt", "size": 3, "modifiedAt": "2026-01-01T12:00:00Z" })
}

fn created() -> String {
    answer("201 Created", "application/json", &file_info().to_string())
}

fn download_head(length: usize) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\
         Content-Disposition: attachment; filename=\"out.bin\"\r\nConnection: close\r\n\r\n"
    )
}

fn with_timeout(url: String, timeout: Duration) -> SessionsClient {
    SessionsClient::builder()
        .url(url)
        .token(TOKEN)
        .timeout(timeout)
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_upload_says_where_the_file_goes_and_sends_its_bytes() {
    let server = MockServer::start_async().await;
    let mock = server
        .mock_async(|when, then| {
            when.method("POST")
                .path(format!("/v1/sessions/{ID}/files"))
                .query_param("path", "a b.txt")
                .query_param("overwrite", "true")
                .header("content-type", "application/octet-stream")
                .header("content-length", "3")
                .body("abc");
            then.status(201).json_body(file_info());
        })
        .await;
    let file = client_for(server.url("/v1"))
        .upload_file(&id(), "a b.txt", "abc")
        .overwrite(true)
        .await
        .unwrap();
    mock.assert_async().await;
    assert_eq!((file.path(), file.size()), ("/workspace/a b.txt", 3));
    assert_eq!(serde_json::to_value(&file).unwrap(), file_info());
}

/// What a server received as the body, however it was framed, and whether a length was announced.
async fn received(content: FileContent) -> (Vec<u8>, Option<u64>) {
    let server = MockServer::start_async().await;
    let (sender, receiver) = std::sync::mpsc::channel();
    server
        .mock_async(|when, then| {
            when.method("POST").is_true(move |request| {
                let length = request
                    .headers_vec()
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                    .map(|(_, value)| value.parse().unwrap());
                sender.send((request.body_vec(), length)).unwrap();
                true
            });
            then.status(201).json_body(file_info());
        })
        .await;
    client_for(server.url("/v1"))
        .upload_file(&id(), "x", content)
        .await
        .unwrap();
    receiver.recv().unwrap()
}

fn pieces(count: usize) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::iter((0..count).map(|number| Ok(Bytes::from(vec![b'0' + number as u8; 3]))))
}

#[tokio::test]
async fn every_form_of_content_arrives_and_announces_its_length_if_it_knows_it() {
    let large: Vec<u8> = (0..300_000u32).map(|number| number as u8).collect();
    assert_eq!(
        received(large.clone().into()).await,
        (large.clone(), Some(300_000))
    );
    assert_eq!(received(FileContent::from("")).await, (vec![], Some(0)));
    assert_eq!(received(String::from("ü").into()).await, ("ü".into(), Some(2)));
    assert_eq!(received(b"abc".into()).await, (b"abc".to_vec(), Some(3)));
    assert_eq!(
        received(FileContent::stream(pieces(2))).await,
        (b"000111".to_vec(), None)
    );
    let sized = FileContent::sized_stream(6, pieces(2));
    assert_eq!(received(sized).await, (b"000111".to_vec(), Some(6)));

    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&large).unwrap();
    let mut opened = tokio::fs::File::open(file.path()).await.unwrap();
    opened.read_exact(&mut [0; 1000]).await.unwrap();
    assert_eq!(
        received(opened.into()).await,
        (large[1000..].to_vec(), Some(299_000))
    );
}

#[tokio::test]
async fn content_that_fails_is_the_cause_and_not_the_connection() {
    let api = Scripted::answering(created()).await;
    for (content, cause) in [
        (
            FileContent::stream(
                pieces(2).chain(stream::once(async { Err(std::io::Error::other("disk on fire")) })),
            ),
            "disk on fire",
        ),
        (
            FileContent::sized_stream(10, pieces(2)),
            "it ended 4 bytes too early",
        ),
        (
            FileContent::sized_stream(5, pieces(2)),
            "it is longer than was announced",
        ),
    ] {
        let error = api.client().upload_file(&id(), "x", content).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error:?}");
        assert_eq!(error.to_string(), "upload file: content cannot be read");
        assert_eq!(error.source().unwrap().to_string(), cause);
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_an_upload_is_what_counts() {
    let refusal = answer(
        "409 Conflict",
        "application/json",
        r#"{"error":"FILE_EXISTS","message":"x exists already"}"#,
    );
    let api = Scripted::start(move |mut stream| {
        let refusal = refusal.clone();
        async move {
            // Some of the endless body, the answer, and the rest until the client gives up.
            stream.read_exact(&mut [0; 100_000]).await.unwrap();
            stream.write_all(refusal.as_bytes()).await.unwrap();
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await;
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 4096])));
    let error = api
        .client()
        .upload_file(&id(), "x", FileContent::stream(endless))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.error_code(), error.status_code()),
        (ErrorKind::Operation, Some("FILE_EXISTS"), Some(409))
    );
}

#[tokio::test]
async fn an_upload_that_nobody_takes_is_a_timeout() {
    // Reads nothing at all: the network's buffers fill, and that is that.
    let api = Scripted::start(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let polled = Arc::new(AtomicUsize::new(0));
    let counter = polled.clone();
    let endless = stream::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, std::io::Error>(Bytes::from_static(&[0; 65536]))
    });
    let error = api
        .impatient_client()
        .upload_file(&id(), "x", FileContent::stream(endless))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(
        polled.load(Ordering::Relaxed) > 1,
        "the network's buffers took something first"
    );
}

#[tokio::test]
async fn an_upload_without_an_answer_is_a_timeout() {
    let api = Scripted::stalling_after(b"").await;
    let client = api.impatient_client();
    let error = client.upload_file(&id(), "x", "abc").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(
        error.to_string(),
        "upload file: the upload did not get on for 200ms"
    );
}

/// Longer than the client's timeout as a whole, but never silent for as long.
const STEPS: u32 = 7;
const STEP: Duration = Duration::from_millis(700);
const TIMEOUT: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_long_upload_is_not_cut() {
    let api = Scripted::answering(created()).await;
    let slow = stream::iter(0..STEPS).then(|_| async {
        tokio::time::sleep(STEP).await;
        Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
    });
    let content = FileContent::sized_stream(u64::from(STEPS), slow);
    with_timeout(api.url(), TIMEOUT)
        .upload_file(&id(), "x", content)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_long_download_is_not_cut() {
    let api = Scripted::start(|mut stream| async move {
        crate::support::read_request(&mut stream).await;
        stream
            .write_all(download_head(STEPS as usize).as_bytes())
            .await
            .unwrap();
        for _ in 0..STEPS {
            tokio::time::sleep(STEP).await;
            stream.write_all(b"x").await.unwrap();
        }
    })
    .await;
    let download = with_timeout(api.url(), TIMEOUT)
        .download_file(&id(), "x")
        .await
        .unwrap();
    assert_eq!(download.bytes(100).await.unwrap(), "x".repeat(STEPS as usize));
}

#[tokio::test]
async fn a_slow_reader_is_no_silence() {
    let api = Scripted::answering(format!("{}abc", download_head(3))).await;
    let mut download = api.impatient_client().download_file(&id(), "x").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(download.chunk().await.unwrap().unwrap(), "abc");
    assert_eq!(download.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_download_tells_what_was_said_of_it_and_can_be_read_in_every_way() {
    let api = Scripted::answering(format!("{}abc", download_head(3))).await;
    let client = api.client();
    let open = async || client.download_file(&id(), "a b.txt").await.unwrap();

    let download = open().await;
    assert_eq!(
        (download.length(), download.file_name()),
        (Some(3), Some("out.bin"))
    );
    assert_eq!(download.bytes(3).await.unwrap(), "abc");

    let pieces: Vec<Bytes> = open().await.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"abc");

    let mut written = Vec::new();
    assert_eq!(open().await.write_to(&mut written).await.unwrap(), 3);
    assert_eq!(written, b"abc");

    let error = open().await.bytes(2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(
        error.to_string(),
        "download file: limit is 2 bytes; the file is larger"
    );
}

#[tokio::test]
async fn a_download_asks_for_the_path() {
    let server = MockServer::start_async().await;
    let mock = server
        .mock_async(|when, then| {
            when.method("GET")
                .path(format!("/v1/sessions/{ID}/files"))
                .query_param("filePath", "../a b&c.txt")
                .header("authorization", format!("Bearer {TOKEN}"));
            then.status(200)
                .header("content-type", "application/octet-stream")
                .body("x");
        })
        .await;
    let download = client_for(server.url("/v1"))
        .download_file(&id(), "../a b&c.txt")
        .await
        .unwrap();
    mock.assert_async().await;
    assert_eq!(download.file_name(), None);
    assert_eq!(download.bytes(1).await.unwrap(), "x");
}

/// Reads until the end, and checks that nothing follows an error.
async fn first_error(client: &SessionsClient) -> (usize, Option<Error>) {
    let mut download = client.download_file(&id(), "x").await.unwrap();
    let mut bytes = 0;
    while let Some(piece) = download.next().await {
        match piece {
            Ok(piece) => bytes += piece.len(),
            Err(error) => {
                assert!(download.next().await.is_none(), "something follows {error:?}");
                return (bytes, Some(error));
            }
        }
    }
    (bytes, None)
}

#[tokio::test]
async fn a_truncated_download_is_never_a_short_success() {
    for script in [
        format!("{}abc", download_head(500)),
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
            .to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nab"
            .to_owned(),
    ] {
        let api = Scripted::answering(script.clone()).await;
        let (bytes, error) = first_error(&api.client()).await;
        let error = error.expect(&script);
        assert!((3..=5).contains(&bytes), "{bytes} bytes of {script}");
        assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
        assert_eq!(error.status_code(), Some(200));
        assert!(error.is_retryable() && error.source().is_some());
        assert!(error.to_string().starts_with("download file: "), "{error}");
    }
}

#[tokio::test]
async fn a_download_that_falls_silent_is_a_timeout() {
    let script = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\nabc";
    let api = Scripted::stalling_after(script).await;
    let (bytes, error) = first_error(&api.impatient_client()).await;
    let error = error.unwrap();
    assert_eq!((bytes, error.kind()), (3, ErrorKind::Timeout), "{error:?}");
}

#[tokio::test]
async fn a_page_of_a_proxy_is_not_taken_for_the_file() {
    let api = Scripted::answering(answer("200 OK", "text/html", "<html>Please log in</html>")).await;
    let error = api.client().download_file(&id(), "x").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status_code()),
        (ErrorKind::Decode, Some(200))
    );
    assert_eq!(error.details()["body"], "<html>Please log in</html>");
}

#[tokio::test]
async fn a_file_may_have_any_type_if_the_answer_says_that_it_is_one() {
    let script = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\
                  Content-Disposition: attachment\r\n\r\nabc";
    let api = Scripted::answering(script).await;
    let download = api.client().download_file(&id(), "x.html").await.unwrap();
    assert_eq!(download.bytes(3).await.unwrap(), "abc");
}

#[tokio::test]
async fn a_writer_that_fails_is_the_cause() {
    struct Full;
    impl tokio::io::AsyncWrite for Full {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<std::io::Result<usize>> {
            Poll::Ready(Err(std::io::ErrorKind::StorageFull.into()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let api = Scripted::answering(format!("{}abc", download_head(3))).await;
    let download = api.client().download_file(&id(), "x").await.unwrap();
    let error = download.write_to(&mut Full).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let cause = error.source().unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(cause.kind(), std::io::ErrorKind::StorageFull);
}

#[tokio::test]
async fn paths_outside_their_bounds_are_refused_before_anything_is_sent() {
    // Nobody listens there: an attempt to send would be another kind of error.
    let client = client_for("http://127.0.0.1:9/v1");
    for path in ["", "a\0b", &"x".repeat(4001)] {
        for error in [
            client.upload_file(&id(), path, "x").await.unwrap_err(),
            client.download_file(&id(), path).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error:?}");
            assert!(error.message().starts_with("path "), "{error}");
        }
    }
    for error in [
        client
            .upload_file(&id(), "ü".repeat(4000), "x")
            .await
            .unwrap_err(),
        client.download_file(&id(), "ü".repeat(4000)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    }
}
