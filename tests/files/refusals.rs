//! What does not work says why, and leaves nothing behind.

use std::time::Duration;

use bytes::Bytes;
use contract_tests::ServerProcess;
use futures_util::{StreamExt, stream};
use libtest_mimic::Failed;
use sandbox_sessions::{Error, ErrorKind, FileContent, Session};
use tokio::runtime::Runtime;

/// Runs something in a session of its own.
fn in_session(
    server: &ServerProcess,
    run: impl AsyncFnOnce(&Session) -> Result<(), Failed>,
) -> Result<(), Failed> {
    Runtime::new()?.block_on(async {
        let session = server.client().create_session().await?;
        let result = run(&session).await;
        session.delete().await?;
        result
    })
}

fn said(result: Result<impl Sized, Error>) -> (ErrorKind, Option<u16>, String) {
    let error = result.err().expect("a refusal");
    let code = error.error_code().unwrap_or_default().to_owned();
    (error.kind(), error.status_code(), code)
}

pub(crate) fn codes(server: &ServerProcess) -> Result<(), Failed> {
    in_session(server, async |session| {
        let refused = |status, code: &str| (ErrorKind::Operation, Some(status), code.to_owned());
        let file = session.upload_file("a/b/ü ß.txt", "one").await?;
        assert_eq!((file.path(), file.size()), ("/workspace/a/b/ü ß.txt", 3));
        assert_eq!(
            said(session.upload_file("a/b/ü ß.txt", "two").await),
            refused(409, "FILE_EXISTS")
        );
        session
            .upload_file("a/b/ü ß.txt", "three")
            .overwrite(true)
            .await?;
        let download = session.download_file("/workspace/a/b/ü ß.txt").await?;
        assert_eq!(
            (download.length(), download.file_name()),
            (Some(5), Some("ü ß.txt"))
        );
        assert_eq!(download.bytes(5).await?, "three");

        assert_eq!(
            said(session.download_file("a/c").await),
            refused(404, "FILE_NOT_FOUND")
        );
        assert_eq!(
            said(session.download_file("a").await),
            refused(400, "INVALID_PARAMETER")
        );
        let gone = server.client().create_session().await?;
        gone.delete().await?;
        for said in [
            said(gone.upload_file("x", "y").await),
            said(gone.download_file("x").await),
        ] {
            assert_eq!((said.0, said.1), (ErrorKind::SessionNotFound, Some(404)));
        }
        Ok(())
    })
}

pub(crate) fn abandoned(server: &ServerProcess) -> Result<(), Failed> {
    in_session(server, async |session| {
        let broken = stream::iter(0..100)
            .map(|_| Ok(Bytes::from_static(&[0; 4096])))
            .chain(stream::iter([Err(std::io::Error::other("the disk is gone"))]));
        let error = session
            .upload_file("broken.bin", FileContent::stream(broken))
            .await
            .expect_err("the content fails");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error:?}");

        let endless = stream::iter(0..).then(|_| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(&[0; 4096]))
        });
        let upload = session.upload_file("dropped.bin", FileContent::stream(endless));
        let dropped = tokio::time::timeout(Duration::from_secs(1), upload.into_future()).await;
        assert!(dropped.is_err(), "{dropped:?}");

        // The server learns of it when it next looks at the connection.
        for _ in 0..600 {
            let listing = session.run_command("ls -A").await?;
            if listing.stdout().is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("a part of the upload stays in the session".into())
    })
}

pub(crate) fn half_read(server: &ServerProcess) -> Result<(), Failed> {
    in_session(server, async |session| {
        session.run_command("head -c 50M /dev/zero > big").await?;
        for _ in 0..20 {
            let mut download = session.download_file("big").await?;
            assert!(download.chunk().await?.is_some());
        }
        let whole = session
            .download_file("big")
            .await?
            .write_to(&mut tokio::io::sink())
            .await?;
        assert_eq!(whole, 50 << 20);
        Ok(())
    })
}
