//! Many calls on one client at the same time.

use std::sync::Arc;

use contract_tests::trials;
use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;

use contract_tests::OwnersHouse;

const CALLS: usize = 1000;
/// Both ends of each call's connection are in this process; the rest is for everything else.
const DESCRIPTORS: u64 = 2 * CALLS as u64 + 500;

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "parallel": a_thousand_calls_at_once_on_one_client]
}

async fn a_thousand_calls_at_once_on_one_client(house: Arc<OwnersHouse>) {
    if !raise_descriptor_limit() {
        println!("skipped: this host does not allow {DESCRIPTORS} open files to a process");
        return;
    }
    let owner = house.owner();
    let session = owner.client.create_session().await.expect("a session");
    let id = session.id();
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let client = owner.client.clone();
        calls.spawn(async move { client.get_session(&id).await.map(|session| session.id()) });
    }
    while let Some(call) = calls.join_next().await {
        assert_eq!(call.expect("no panic").expect("an answer"), id);
    }
    session.delete().await.expect("it is deleted");
}

/// Many hosts allow 1024 until more is asked for.
fn raise_descriptor_limit() -> bool {
    let now = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= DESCRIPTORS);
    is_enough(now.current)
        || is_enough(now.maximum)
            && setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: Some(DESCRIPTORS),
                    maximum: now.maximum,
                },
            )
            .is_ok()
}
