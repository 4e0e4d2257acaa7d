//! The rounds: a server is killed while much goes on, and the next one is looked at.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use libtest_mimic::Trial;
use tokio::time::sleep;

use crate::audit::audit;
use crate::ledger::Ledger;
use crate::load::{Load, creation};
use crate::scene::{Scene, Stage, trial};

const ROUNDS: u64 = 50;

/// How long a server may serve before it is killed.
const LONGEST_LIFE: u64 = 400;

/// How long it takes a server to start, by far.
const LONGEST_START: u64 = 100;

/// Creations that are asked for again in each round, although they were answered.
const REPEATED: usize = 3;

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    vec![trial(
        stage,
        "rounds::what_was_answered_for_outlives_its_server_and_nothing_else_does",
        rounds,
    )]
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

async fn rounds(stage: Arc<Stage>) {
    let (seed, rounds) = (setting("CRASH_SEED", 1), setting("CRASH_ROUNDS", ROUNDS));
    let mut random = Rng::with_seed(seed);
    let ledger = Arc::new(Ledger::default());
    let mut scene = Scene::open().unwrap();
    for round in 1..=rounds {
        kill_under_load(&mut scene, &ledger, &mut random, stage.can_pause).await;
        if let Err(error) = scene.start() {
            panic!("CRASH_SEED={seed}, round {round}: no server after the kill: {error}");
        }
        let findings = audit(&scene, &ledger).await;
        assert!(
            findings.is_empty(),
            "CRASH_SEED={seed}, round {round}: {findings:#?}"
        );
        ask_again(&scene, &ledger, &mut random).await;
    }
    end_all(&scene, &ledger).await;
    let findings = audit(&scene, &ledger).await;
    assert!(
        findings.is_empty(),
        "CRASH_SEED={seed}, at the end: {findings:#?}"
    );
    assert_eq!(scene.directories().len(), 0);
    let (made, uncertain) = (ledger.accounts().len(), ledger.unanswered().len());
    println!("{rounds} kills, {made} sessions, {uncertain} creations that came to nothing");
    assert!(made as u64 >= rounds, "there was no load worth the name");
}

async fn kill_under_load(scene: &mut Scene, ledger: &Arc<Ledger>, random: &mut Rng, can_pause: bool) {
    let load = Load::start(scene.url(), ledger, random, can_pause);
    sleep(Duration::from_millis(random.u64(..=LONGEST_LIFE))).await;
    load.expect_the_end();
    scene.kill();
    load.end().await;
    ledger.nobody_is_busy();
    // The next one may be killed while it looks at what the first one has left.
    if random.u8(..4) == 0 {
        scene
            .start_in_vain(Duration::from_millis(random.u64(..=LONGEST_START)))
            .await;
    }
}

/// Whoever got no answer asks again; and so may whoever got one.
async fn ask_again(scene: &Scene, ledger: &Ledger, random: &mut Rng) {
    let client = scene.client();
    let mut answered = ledger.repeatable();
    random.shuffle(&mut answered);
    answered.truncate(REPEATED);
    for (number, asked) in ledger.unanswered().into_iter().chain(answered) {
        let Some(key) = asked.key else { continue };
        match creation(&client, number, asked.ttl).idempotency_key(key).await {
            Ok(session) => ledger.made(number, session.id(), session.expires_at()),
            Err(error) => ledger.surprise(format!("creation {number}, once more: {error}")),
        }
    }
}

async fn end_all(scene: &Scene, ledger: &Ledger) {
    let client = scene.client();
    for (id, account) in ledger.accounts() {
        if account.is_there.is(&true) {
            let deleted = client.delete_session(&id).await;
            if let Err(error) = deleted.as_ref()
                && account.expires_at > chrono::Utc::now()
            {
                panic!("{id} cannot be deleted: {error}");
            }
            ledger.change(id, |account| account.is_there.told(false));
        }
    }
}
