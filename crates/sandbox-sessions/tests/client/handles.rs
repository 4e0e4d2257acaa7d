//! What can be shared between threads, and kept as long as one likes: checked by the compiler.

use sandbox_sessions::{
    CheckHealth, CommandResult, CreateSession, DeleteSession, Download, DownloadFile, Error, FileContent,
    FileInfo, GetSession, ListSessions, PauseSession, RequestFuture, ResumeSession, RunCode, RunCommand,
    Session, SessionGuard, SessionPage, SessionStream, SessionsClient, SessionsClientBuilder, UploadFile,
};

const fn shared<T: Send + Sync + 'static>() {}
const fn sent<T: Send + 'static>() {}

const _: () = {
    shared::<SessionsClient>();
    shared::<SessionsClientBuilder>();
    shared::<Session>();
    shared::<SessionGuard>();
    shared::<SessionPage>();
    shared::<CommandResult>();
    shared::<FileInfo>();
    shared::<FileContent>();
    shared::<Download>();
    shared::<Error>();

    shared::<CheckHealth>();
    shared::<CreateSession>();
    shared::<DeleteSession>();
    shared::<DownloadFile>();
    shared::<GetSession>();
    shared::<ListSessions>();
    shared::<PauseSession>();
    shared::<ResumeSession>();
    shared::<RunCode>();
    shared::<RunCommand>();
    shared::<UploadFile>();

    sent::<RequestFuture<Session>>();
    sent::<SessionStream>();
};

/// Futures that borrow a handle can be sent to other threads too.
#[test]
fn futures_of_methods_are_sent() {
    fn sent<T: Send>(_: impl FnOnce(&'static mut Session, &'static mut Download) -> T) {}
    sent(|session, _| session.refresh());
    sent(|session, _| session.pause());
    sent(|session, _| session.resume());
    sent(|session, _| IntoFuture::into_future(session.wait_until(|_| true)));
    sent(|_, download| download.chunk());
}
