//! A mock of the API that only requests of the contract may reach.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use crate::tap::Tap;

/// An [`httpmock::MockServer`] behind [taps](Tap), which judge every request that it is sent.
pub struct MockServer {
    server: httpmock::MockServer,
    /// By the base path of the API that each is for.
    taps: Mutex<BTreeMap<String, Tap>>,
}

#[expect(clippy::disallowed_methods, reason = "this is what is to be used instead")]
impl MockServer {
    /// Starts one.
    pub async fn start_async() -> Self {
        Self::of(httpmock::MockServer::start_async().await)
    }

    /// Starts one, outside of `async` code.
    pub fn start() -> Self {
        Self::of(httpmock::MockServer::start())
    }

    fn of(server: httpmock::MockServer) -> Self {
        Self {
            server,
            taps: Mutex::default(),
        }
    }

    /// The address of the API with that base path.
    ///
    /// # Panics
    ///
    /// When there can be no tap.
    #[expect(clippy::expect_used, reason = "a test that has no tap has failed")]
    pub fn url(&self, base: &str) -> String {
        let mut taps = self.taps.lock().unwrap_or_else(PoisonError::into_inner);
        let tap = taps
            .entry(base.to_owned())
            .or_insert_with(|| Tap::before_mock(&self.server.url(base)).expect("a tap"));
        format!("http://{}{base}", tap.address())
    }
}

impl Deref for MockServer {
    type Target = httpmock::MockServer;

    fn deref(&self) -> &Self::Target {
        &self.server
    }
}
