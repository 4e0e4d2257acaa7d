//! What whoever asked for sessions knows of them: what was answered, and what may have been done without an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use sandbox_sessions::SessionId;

/// Longer than anybody uses a session: one that has less left may end meanwhile.
const MARGIN: TimeDelta = TimeDelta::seconds(10);

/// What may be true of something: one thing after an answer, and more after a question without one.
#[derive(Clone, Debug)]
pub(crate) struct Belief<T>(BTreeSet<T>);

impl<T: Ord + Clone> Belief<T> {
    pub(crate) fn sure(value: T) -> Self {
        Self(BTreeSet::from([value]))
    }

    /// It was asked for, and may be so from now on.
    pub(crate) fn asked(&mut self, value: T) {
        self.0.insert(value);
    }

    /// It was answered, or seen.
    pub(crate) fn told(&mut self, value: T) {
        *self = Self::sure(value);
    }

    pub(crate) fn allows(&self, value: &T) -> bool {
        self.0.contains(value)
    }

    pub(crate) fn is(&self, value: &T) -> bool {
        self.0.len() == 1 && self.allows(value)
    }
}

/// What is known of one session.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) is_there: Belief<bool>,
    pub(crate) is_paused: Belief<bool>,
    /// What its file holds; nothing before the first upload.
    pub(crate) content: Belief<Option<u32>>,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Account {
    fn new(expires_at: DateTime<Utc>) -> Self {
        Self {
            is_there: Belief::sure(true),
            is_paused: Belief::sure(false),
            content: Belief::sure(None),
            expires_at,
        }
    }

    /// Whether it is surely there, and for some time.
    fn is_free(&self) -> bool {
        self.is_there.is(&true) && self.expires_at > Utc::now() + MARGIN
    }
}

/// Something that makes one session at most.
#[derive(Clone, Debug)]
pub(crate) struct Creation {
    /// With which it can be asked for again.
    pub(crate) key: Option<String>,
    pub(crate) ttl: Duration,
    pub(crate) made: Option<SessionId>,
}

/// All that is known. Everybody who asks writes into the same one.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Book>);

#[derive(Default)]
struct Book {
    accounts: BTreeMap<SessionId, Account>,
    /// By their numbers, which their sessions carry.
    creations: Vec<Creation>,
    /// Sessions that somebody is doing something with.
    busy: BTreeSet<SessionId>,
    /// What nobody should have been answered.
    surprises: Vec<String>,
}

impl Ledger {
    /// The number of a creation that is about to be asked for.
    pub(crate) fn creation(&self, key: Option<String>, ttl: Duration) -> usize {
        let mut book = self.book();
        book.creations.push(Creation { key, ttl, made: None });
        book.creations.len() - 1
    }

    /// A creation has made this session: that was answered, or is seen now.
    pub(crate) fn made(&self, number: usize, id: SessionId, expires_at: DateTime<Utc>) {
        let mut book = self.book();
        let account = Account::new(expires_at);
        book.accounts.entry(id).or_insert(account);
        let Some(creation) = book.creations.get_mut(number) else {
            book.surprises.push(format!("nobody has asked for {id}"));
            return;
        };
        let first = *creation.made.get_or_insert(id);
        if first != id {
            book.surprises
                .push(format!("creation {number} made both {first} and {id}"));
        }
    }

    /// The creations that were asked for and, as far as is known, made nothing.
    pub(crate) fn unanswered(&self) -> Vec<(usize, Creation)> {
        let book = self.book();
        let all = book.creations.iter().cloned().enumerate();
        all.filter(|(_, creation)| creation.made.is_none()).collect()
    }

    /// The creations that can be asked for again, and whose sessions are surely there.
    pub(crate) fn repeatable(&self) -> Vec<(usize, Creation)> {
        let book = self.book();
        let is_there = |id: &SessionId| book.accounts.get(id).is_some_and(|account| account.is_free());
        let all = book.creations.iter().cloned().enumerate();
        all.filter(|(_, creation)| creation.key.is_some() && creation.made.as_ref().is_some_and(is_there))
            .collect()
    }

    /// A session that is surely there and that nobody else is busy with.
    pub(crate) fn pick(&self, random: &mut Rng) -> Option<(SessionId, Account)> {
        let mut book = self.book();
        let free = |(id, account): &(&SessionId, &Account)| account.is_free() && !book.busy.contains(id);
        let free: Vec<_> = book.accounts.iter().filter(free).collect();
        let (id, account) = random.choice(free)?;
        let picked = (*id, account.clone());
        book.busy.insert(picked.0);
        Some(picked)
    }

    pub(crate) fn give_back(&self, id: SessionId) {
        self.book().busy.remove(&id);
    }

    /// Nobody is busy any more: the server is gone.
    pub(crate) fn nobody_is_busy(&self) {
        self.book().busy.clear();
    }

    pub(crate) fn change(&self, id: SessionId, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.book().accounts.get_mut(&id) {
            change(account);
        }
    }

    pub(crate) fn accounts(&self) -> BTreeMap<SessionId, Account> {
        self.book().accounts.clone()
    }

    pub(crate) fn living(&self) -> usize {
        let book = self.book();
        book.accounts
            .values()
            .filter(|account| account.is_there.allows(&true) && account.expires_at > Utc::now())
            .count()
    }

    pub(crate) fn surprise(&self, what: String) {
        self.book().surprises.push(what);
    }

    pub(crate) fn take_surprises(&self) -> Vec<String> {
        std::mem::take(&mut self.book().surprises)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
