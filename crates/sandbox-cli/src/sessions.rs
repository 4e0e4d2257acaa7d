//! All sessions there are.

use futures_util::TryStreamExt;
use sandbox_sessions::{Error, Session, SessionsClient};

/// The largest page there is.
const PAGE: u32 = 100;

/// Every session, the oldest first.
pub(crate) async fn all(client: &SessionsClient) -> Result<Vec<Session>, Error> {
    client.list_sessions().limit(PAGE).stream().try_collect().await
}
