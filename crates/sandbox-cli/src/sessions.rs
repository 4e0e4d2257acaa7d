//! All sessions there are.

use sandbox_sessions::{Session, SessionsClient};

/// The largest page there is.
const PAGE: u32 = 100;

/// Every session, the oldest first.
pub(crate) async fn all(client: &SessionsClient) -> Result<Vec<Session>, sandbox_sessions::Error> {
    let mut sessions = Vec::new();
    let mut offset = 0;
    loop {
        let page = client.list_sessions().limit(PAGE).offset(offset).await?;
        let (total, length) = (page.total(), page.sessions().len());
        sessions.extend(page);
        offset += PAGE;
        if u64::from(offset) >= total || length == 0 {
            return Ok(sessions);
        }
    }
}
