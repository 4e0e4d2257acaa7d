//! Files into a session and out of it.

use std::sync::Arc;

use libtest_mimic::Trial;
use reqwest::{Method, RequestBuilder};

use crate::access::NOBODY;
use crate::answer::Answer;
use crate::server::Server;
use crate::trial::{Held, trials};

pub(crate) fn trials(server: &Arc<Server>) -> Vec<Trial> {
    trials![server,
        "uploadFile":
            bare_bytes_become_a_file,
            the_part_of_a_form_becomes_a_file,
            a_file_is_replaced_only_when_asked_for,
            bad_paths_are_no_files,
            other_media_types_are_no_files,
            an_upload_needs_a_session;
        "downloadFile":
            a_file_comes_back_as_it_was,
            an_empty_file_is_a_file,
            what_is_no_file_is_not_read,
            bad_paths_are_refused,
            a_download_needs_a_session;
    ]
}

/// Every byte there is, and more of them than fit into one piece.
fn content() -> Vec<u8> {
    (0..300_000_u32).map(|n| (n ^ (n >> 8)) as u8).collect()
}

fn octets(request: RequestBuilder, body: impl Into<Vec<u8>>) -> RequestBuilder {
    request
        .header("content-type", "application/octet-stream")
        .body(body.into())
}

async fn bare_bytes_become_a_file(server: &Server) -> Held {
    let session = server.session().await;
    let info = session
        .upload_file("a/b/ü ß.bin", content())
        .await
        .expect("a file");
    assert_eq!(
        (info.path(), info.size()),
        ("/workspace/a/b/ü ß.bin", content().len() as u64)
    );
    let listed = session
        .run_command("stat -c '%s %U' 'a/b/ü ß.bin'")
        .await
        .expect("it runs");
    assert_eq!(listed.stdout(), format!("{} sandbox\n", content().len()));
    Ok(())
}

async fn the_part_of_a_form_becomes_a_file(server: &Server) -> Held {
    let session = server.session().await;
    let boundary = "conformance-boundary";
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\
         Content-Type: application/octet-stream\r\n\r\nof a form\r\n--{boundary}--\r\n"
    );
    let request = server.request(
        Method::POST,
        &format!("/sessions/{}/files?path=form.txt", session.id()),
    );
    let request = request.header(
        "content-type",
        format!("multipart/form-data; boundary={boundary}"),
    );
    let answer = Answer::to(request.body(body)).await;
    answer.assert_status(201, "a form");
    assert_eq!(answer.json()["size"], 9, "{answer}");
    let read = session.download_file("form.txt").await.expect("the file");
    assert_eq!(read.bytes(100).await.expect("its bytes"), "of a form");
    Ok(())
}

async fn a_file_is_replaced_only_when_asked_for(server: &Server) -> Held {
    let session = server.session().await;
    session.upload_file("file", "one").await.expect("a file");
    let path = format!("/sessions/{}/files?path=file", session.id());
    for query in ["", "&overwrite=false"] {
        let again = octets(server.request(Method::POST, &format!("{path}{query}")), "two");
        Answer::to(again).await.assert_status(409, "a file that is there");
    }
    let replaced = session
        .upload_file("file", "three")
        .overwrite(true)
        .await
        .expect("a file");
    assert_eq!(replaced.size(), 5);
    Ok(())
}

async fn bad_paths_are_no_files(server: &Server) -> Held {
    let session = server.session().await;
    let long = format!("path={}", "a/".repeat(2001));
    for query in ["", "path=", "path=a%00b", "path=a&overwrite=yes", &long] {
        let path = format!("/sessions/{}/files?{query}", session.id());
        let refused = Answer::to(octets(server.request(Method::POST, &path), "x")).await;
        refused.assert_status(400, query.chars().take(40).collect::<String>());
    }
    Ok(())
}

async fn other_media_types_are_no_files(server: &Server) -> Held {
    let session = server.session().await;
    let path = format!("/sessions/{}/files?path=a", session.id());
    let request = server
        .request(Method::POST, &path)
        .header("content-type", "text/plain");
    Answer::to(request.body("x"))
        .await
        .assert_status(415, "text/plain");
    Ok(())
}

async fn an_upload_needs_a_session(server: &Server) -> Held {
    let request = octets(
        server.request(Method::POST, &format!("{NOBODY}/files?path=a")),
        "x",
    );
    Answer::to(request)
        .await
        .assert_status(404, "an upload into no session");
    Ok(())
}

async fn a_file_comes_back_as_it_was(server: &Server) -> Held {
    let session = server.session().await;
    session.upload_file("out.bin", content()).await.expect("a file");
    for path in ["out.bin", "/workspace/out.bin"] {
        let download = session.download_file(path).await.expect("the file");
        assert_eq!(download.length(), Some(content().len() as u64));
        assert_eq!(download.file_name(), Some("out.bin"));
        let bytes = download.bytes(1 << 20).await.expect("its bytes");
        assert!(bytes == content(), "{path} is not what was uploaded");
    }
    Ok(())
}

async fn an_empty_file_is_a_file(server: &Server) -> Held {
    let session = server.session().await;
    assert_eq!(session.upload_file("empty", "").await.expect("a file").size(), 0);
    let download = session.download_file("empty").await.expect("the file");
    assert_eq!(download.length(), Some(0));
    Ok(())
}

async fn what_is_no_file_is_not_read(server: &Server) -> Held {
    let session = server.session().await;
    let read = async |path: &str| {
        server
            .get(&format!("/sessions/{}/files?filePath={path}", session.id()))
            .await
    };
    read("none").await.assert_status(404, "no file");
    // A folder, a device.
    for path in ["/workspace", "/dev/null"] {
        let refused = read(path).await;
        assert!(matches!(refused.status, 400 | 404), "{path}: {refused}");
    }
    Ok(())
}

async fn bad_paths_are_refused(server: &Server) -> Held {
    let session = server.session().await;
    for query in ["", "filePath=", "filePath=a%00b"] {
        let refused = server
            .get(&format!("/sessions/{}/files?{query}", session.id()))
            .await;
        refused.assert_status(400, query);
    }
    Ok(())
}

async fn a_download_needs_a_session(server: &Server) -> Held {
    let read = server.get(&format!("{NOBODY}/files?filePath=a")).await;
    read.assert_status(404, "a download from no session");
    Ok(())
}
