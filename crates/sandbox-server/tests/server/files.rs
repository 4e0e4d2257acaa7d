//! Files over HTTP.

use std::sync::Arc;

use futures_util::stream;
use libtest_mimic::Trial;
use reqwest::{Body, Method};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::client::{Answer, MAX_UPLOAD, TestServer, answer};
use crate::ssh::eventually;
use crate::trial;

pub(crate) fn trials(runtime: &Arc<Runtime>, server: &Arc<TestServer>) -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),+ $(,)?) => {
            vec![$({
                let server = server.clone();
                trial(runtime, concat!("files::", stringify!($test)), move || async move { $test(&server).await })
            }),+]
        };
    }
    trials![
        what_goes_in_comes_out,
        forms_are_read,
        an_existing_file_is_kept_unless_told,
        of_concurrent_uploads_one_wins,
        bad_paths_are_refused,
        bad_bodies_are_refused,
        what_is_no_file_is_not_read,
        a_broken_upload_leaves_nothing,
        a_full_disk_is_told,
        links_lead_nowhere_outside,
    ]
}

async fn upload(server: &TestServer, session: &str, query: &str, body: impl Into<Body>) -> Answer {
    let request = server.request(Method::POST, &format!("{session}/files?{query}"));
    answer(
        request
            .header("content-type", "application/octet-stream")
            .body(body),
    )
    .await
}

async fn download(server: &TestServer, session: &str, path: &str) -> Answer {
    server.get(&format!("{session}/files?filePath={path}")).await
}

async fn run(server: &TestServer, session: &str, command: &str) -> String {
    let answer = server
        .post(&format!("{session}/commands"), &json!({ "command": command }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["stdout"].as_str().expect("text").to_owned()
}

fn noise(size: usize) -> Vec<u8> {
    (0..size)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 16) as u8)
        .collect()
}

async fn what_goes_in_comes_out(server: &TestServer) {
    let session = server.session().await;
    for (path, expected, size) in [
        ("empty", "/workspace/empty", 0),
        ("one", "/workspace/one", 1),
        (
            "a/b%20c/%C3%BC%20%22x%22.bin",
            "/workspace/a/b c/ü \"x\".bin",
            3 << 20,
        ),
        ("/tmp/new/file", "/tmp/new/file", 70_000),
    ] {
        let content = noise(size);
        let written = upload(server, &session, &format!("path={path}"), content.clone()).await;
        assert_eq!(written.status, 201, "{}", written.text());
        let info = written.json();
        assert_eq!(
            (info["path"].as_str(), info["size"].as_u64()),
            (Some(expected), Some(size as u64))
        );
        assert!(
            info["modifiedAt"]
                .as_str()
                .is_some_and(|instant| instant.ends_with('Z')),
            "{info}"
        );

        let read = download(server, &session, path).await;
        assert_eq!(
            (read.status.as_u16(), read.header("content-length")),
            (200, size.to_string().as_str())
        );
        assert_eq!(read.header("content-type"), "application/octet-stream");
        assert!(
            read.header("content-disposition")
                .starts_with("attachment; filename=")
        );
        assert!(read.body == content, "{path} differs");
    }
    let owners = run(server, &session, "stat -c %U one a/*/*; ls -A").await;
    assert_eq!(owners, "sandbox\nsandbox\na\nempty\none\n");
    server.delete(&session).await;
}

async fn forms_are_read(server: &TestServer) {
    let session = server.session().await;
    let form = |parts: &str| {
        let request = server.request(Method::POST, &format!("{session}/files?path=form&overwrite=true"));
        let request = request.header("content-type", "multipart/form-data; boundary=XX");
        answer(request.body(parts.replace('\n', "\r\n")))
    };
    let part = |name: &str, text: &str| {
        format!("--XX\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\n\n{text}\n")
    };
    let written = form(&format!(
        "{}{}--XX--\n",
        part("note", "passed over"),
        part("file", "content")
    ))
    .await;
    assert_eq!(written.status, 201, "{}", written.text());
    assert_eq!(download(server, &session, "form").await.text(), "content");

    form(&format!("{}--XX--\n", part("other", "x")))
        .await
        .assert_error(400, "INVALID_REQUEST", &["\"file\""]);
    let long = format!("{}\n{}--XX--\n", "x".repeat(2 << 20), part("file", "content"));
    form(&long)
        .await
        .assert_error(400, "INVALID_REQUEST", &["1048576"]);
    form("--XX--\n")
        .await
        .assert_error(400, "INVALID_REQUEST", &["\"file\""]);
    form(&part("file", "cut").replace("cut\n", "cut"))
        .await
        .assert_error(400, "INVALID_PARAMETER", &["form"]);
    let unbounded = server.request(Method::POST, &format!("{session}/files?path=form"));
    let unbounded = unbounded.header("content-type", "multipart/form-data").body("x");
    answer(unbounded)
        .await
        .assert_error(400, "INVALID_REQUEST", &["form"]);
    assert_eq!(download(server, &session, "form").await.text(), "content");
    assert_eq!(run(server, &session, "ls -A").await, "form\n");
    server.delete(&session).await;
}

async fn an_existing_file_is_kept_unless_told(server: &TestServer) {
    let session = server.session().await;
    assert_eq!(upload(server, &session, "path=a", "first").await.status, 201);
    for query in ["path=a", "path=a&overwrite=false"] {
        upload(server, &session, query, "second")
            .await
            .assert_error(409, "FILE_EXISTS", &["/workspace/a"]);
    }
    assert_eq!(download(server, &session, "a").await.text(), "first");
    assert_eq!(
        upload(server, &session, "path=a&overwrite=true", "third")
            .await
            .status,
        201
    );
    assert_eq!(download(server, &session, "a").await.text(), "third");
    run(server, &session, "ln -s nowhere link").await;
    upload(server, &session, "path=link", "x")
        .await
        .assert_error(409, "FILE_EXISTS", &[]);
    assert_eq!(run(server, &session, "ls -A").await, "a\nlink\n");
    server.delete(&session).await;
}

async fn of_concurrent_uploads_one_wins(server: &TestServer) {
    let session = server.session().await;
    let uploads = (0..6).map(|n| upload(server, &session, "path=a", format!("{n}").repeat(100_000)));
    let answers = futures_util::future::join_all(uploads).await;
    let won: Vec<usize> = (0..6).filter(|n| answers[*n].status == 201).collect();
    assert_eq!(won.len(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        lost.assert_error(409, "FILE_EXISTS", &[]);
    }
    assert_eq!(
        download(server, &session, "a").await.text(),
        won[0].to_string().repeat(100_000)
    );
    eventually("no part is left", || async {
        run(server, &session, "ls -A").await == "a\n"
    })
    .await;
    server.delete(&session).await;
}

async fn bad_paths_are_refused(server: &TestServer) {
    let session = server.session().await;
    run(server, &session, "mkdir dir; touch file").await;
    let long = format!("path={}", "a/".repeat(2100) + "a");
    for (query, words) in [
        ("", &["path", "required"][..]),
        ("path=", &["path", "empty"]),
        ("path=dir", &["path", "directory"]),
        ("path=dir/", &["path", "directory"]),
        ("path=/", &["path", "directory"]),
        ("path=dir/..", &["path", "directory"]),
        ("path=a%00b", &["path", "NUL"]),
        ("path=%FF", &["path", "UTF-8"]),
        ("path=a&path=b", &["path", "more than once"]),
        ("path=a&overwrite=maybe", &["overwrite"]),
        ("path=a&mode=7", &["mode"]),
        ("path=file/below", &["path"]),
        ("path=/usr/new", &["path"]),
        ("path=/proc/new", &["path"]),
        (&long, &["path", "4096"]),
    ] {
        upload(server, &session, query, "x")
            .await
            .assert_error(400, "INVALID_PARAMETER", words);
    }
    upload(server, &session, "path=dir&overwrite=true", "x")
        .await
        .assert_error(400, "INVALID_PARAMETER", &["dir"]);
    let name = format!("path={}", "a".repeat(300));
    upload(server, &session, &name, "x")
        .await
        .assert_error(400, "INVALID_PARAMETER", &["path"]);
    assert_eq!(run(server, &session, "ls -A").await, "dir\nfile\n");
    server.delete(&session).await;
}

async fn bad_bodies_are_refused(server: &TestServer) {
    let session = server.session().await;
    let request = |media_type: &str| {
        let request = server
            .request(Method::POST, &format!("{session}/files?path=a"))
            .body("x");
        answer(if media_type.is_empty() {
            request
        } else {
            request.header("content-type", media_type)
        })
    };
    for media_type in ["", "text/plain", "application/json"] {
        request(media_type)
            .await
            .assert_error(415, "UNSUPPORTED_MEDIA_TYPE", &["application/octet-stream"]);
    }
    // The larger, the longer a client sends before it reads the answer.
    for excess in [1, 200 << 20] {
        let announced = upload(server, &session, "path=a", vec![0; MAX_UPLOAD + excess]).await;
        announced.assert_error(413, "PAYLOAD_TOO_LARGE", &["8388608"]);
    }
    server.delete(&session).await;
}

async fn what_is_no_file_is_not_read(server: &TestServer) {
    let session = server.session().await;
    run(
        server,
        &session,
        "mkfifo pipe; ln -s pipe link; ln -s loop loop; touch secret; chmod 0 secret",
    )
    .await;
    download(server, &session, "none")
        .await
        .assert_error(404, "FILE_NOT_FOUND", &["/workspace/none"]);
    download(server, &session, "none/below")
        .await
        .assert_error(404, "FILE_NOT_FOUND", &[]);
    for (path, word) in [
        ("/tmp", "directory"),
        ("pipe", "regular"),
        ("link", "regular"),
        ("/dev/null", "regular"),
    ] {
        download(server, &session, path)
            .await
            .assert_error(400, "INVALID_PARAMETER", &["filePath", word]);
    }
    download(server, &session, "loop")
        .await
        .assert_error(404, "FILE_NOT_FOUND", &["loop"]);
    download(server, &session, "secret").await.assert_error(
        400,
        "INVALID_PARAMETER",
        &["filePath", "secret"],
    );
    download(server, &session, &"x".repeat(256)).await.assert_error(
        400,
        "INVALID_PARAMETER",
        &["filePath", "xxx"],
    );
    download(server, &session, "a%00")
        .await
        .assert_error(400, "INVALID_PARAMETER", &["filePath", "NUL"]);
    server.get(&format!("{session}/files")).await.assert_error(
        400,
        "INVALID_PARAMETER",
        &["filePath", "required"],
    );
    server.delete(&session).await;
}

async fn a_broken_upload_leaves_nothing(server: &TestServer) {
    let session = server.session().await;
    let pieces = [
        Ok(vec![0u8; 300_000]),
        Err(std::io::Error::other("the client fails")),
    ];
    let request = server.request(Method::POST, &format!("{session}/files?path=new/a"));
    let request = request.header("content-type", "application/octet-stream");
    assert!(
        request
            .body(Body::wrap_stream(stream::iter(pieces)))
            .send()
            .await
            .is_err()
    );
    eventually("no part is left", || async {
        run(server, &session, "ls -A new").await.is_empty()
    })
    .await;

    let pieces = (0..=8).map(|_| Ok::<_, std::io::Error>(vec![0u8; 1 << 20]));
    let large = upload(
        server,
        &session,
        "path=new/b",
        Body::wrap_stream(stream::iter(pieces)),
    )
    .await;
    assert_eq!(large.status, 413, "{}", large.text());
    eventually("no part is left", || async {
        run(server, &session, "ls -A new").await.is_empty()
    })
    .await;
    server.delete(&session).await;
}

async fn a_full_disk_is_told(server: &TestServer) {
    let session = server.session().await;
    let full = upload(server, &session, "path=a", noise(7 << 20)).await;
    full.assert_error(413, "PAYLOAD_TOO_LARGE", &["disk"]);
    eventually("no part is left", || async {
        run(server, &session, "ls -A").await.is_empty()
    })
    .await;
    assert_eq!(
        upload(server, &session, "path=a", noise(3 << 20)).await.status,
        201
    );
    server.delete(&session).await;
}

async fn links_lead_nowhere_outside(server: &TestServer) {
    let session = server.session().await;
    let outside = std::env::current_dir().expect("a directory");
    run(
        server,
        &session,
        &format!("ln -s {}/Cargo.toml out; ln -s / root", outside.display()),
    )
    .await;
    download(server, &session, "out")
        .await
        .assert_error(404, "FILE_NOT_FOUND", &[]);
    let passwd = download(server, &session, "root/etc/passwd").await;
    assert!(passwd.text().contains("sandbox"), "{}", passwd.text());
    assert_ne!(
        passwd.text(),
        std::fs::read_to_string("/etc/passwd").expect("a file")
    );
    server.delete(&session).await;
}
