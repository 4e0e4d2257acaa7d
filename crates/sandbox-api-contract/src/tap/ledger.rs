//! What taps note.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Method;

use super::conversation::is_of_the_sdk;
use crate::coverage::{Coverage, note};
use crate::document::Contract;
use crate::exchange::{Body, Request, Response};
use crate::violation::{Place, Side, Violation};

/// What a tap is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hears {
    /// Both sides, of which the server is a real one.
    Exchanges,
    /// Clients only.
    Requests,
}

/// As many findings as anybody reads.
const MOST: usize = 100;

#[derive(Debug)]
pub(super) struct Ledger {
    contract: &'static Contract,
    base: String,
    hears: Hears,
    violations: Mutex<Vec<Violation>>,
    seen: Mutex<BTreeMap<(String, String), u64>>,
}

impl Ledger {
    pub(super) fn new(contract: &'static Contract, base: &str, hears: Hears) -> Self {
        Self {
            contract,
            base: base.to_owned(),
            hears,
            violations: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// The path below the base path. The health check is answered at the root, too.
    pub(super) fn path(&self, path: &str) -> Option<String> {
        let below = path.strip_prefix(&self.base);
        let below = below.filter(|below| below.is_empty() || below.starts_with('/'));
        below
            .or(Some(path).filter(|path| *path == "/health"))
            .map(str::to_owned)
    }

    pub(super) fn hear_request(&self, request: &Request) {
        if self.hears == Hears::Requests || is_of_the_sdk(request) {
            self.add(self.contract.check_request(request));
        }
    }

    pub(super) fn hear_response(&self, request: &Request, response: &Response) {
        if self.hears == Hears::Requests {
            return;
        }
        self.add(self.contract.check_response(request, response));
        if response.body != Body::Broken {
            self.count(request, response);
        }
    }

    fn count(&self, request: &Request, response: &Response) {
        let path = request.path.as_deref().unwrap_or_default();
        let Some(located) = self.contract.locate(&request.method, path) else {
            return;
        };
        let Some((status, _)) = located.operation.response(response.status.as_u16()) else {
            return;
        };
        let operation = located.operation.id();
        let pair = (operation.to_owned(), status.to_owned());
        *lock(&self.seen).entry(pair).or_default() += 1;
        if let Err(error) = note(operation, status) {
            self.fail(format!("what was seen cannot be noted: {error}"));
        }
    }

    fn add(&self, violations: Vec<Violation>) {
        let mut all = lock(&self.violations);
        let room = MOST.saturating_sub(all.len());
        all.extend(violations.into_iter().take(room));
    }

    /// Something that keeps this from judging. It must not pass for a verdict.
    pub(super) fn fail(&self, what: String) {
        self.add(vec![Violation {
            method: Method::GET,
            path: String::new(),
            status: None,
            side: Side::Response,
            place: Place::Operation,
            what,
        }]);
    }

    pub(super) fn take_violations(&self) -> Vec<Violation> {
        std::mem::take(&mut lock(&self.violations))
    }

    pub(super) fn coverage(&self) -> Coverage {
        let seen = lock(&self.seen);
        Coverage::counted(self.contract, |operation, status| {
            let pair = (operation.to_owned(), status.to_owned());
            seen.get(&pair).copied().unwrap_or_default()
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
