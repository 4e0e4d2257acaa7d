//! What one session takes, it takes from itself: another goes on answering meanwhile.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use sandbox_sessions::{CommandResult, Language};

use crate::house::{House, run};

const MEMORY_BOMB: &str = "
blocks = []
while True:
    blocks.append(bytearray(8 << 20))
";

const FORK_BOMB: &str = "
import os, time
made = 0
try:
    for _ in range(100_000):
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        made += 1
except BlockingIOError as error:
    print('refused', made)
";

const FULL_DISK: &str = "
import errno, os
written = 0
for directory in ['/workspace', '/home/sandbox', '/tmp', '/dev/shm']:
    try:
        with open(directory + '/filler', 'wb', buffering=0) as file:
            while written < 1 << 30:
                written += file.write(bytes(1 << 20))
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
print('full' if written < 200 << 20 else 'no limit', written >> 20)
";

const MANY_FILES: &str = "
import errno
try:
    for number in range(10_000_000):
        open(f'/workspace/{number}', 'w').close()
except OSError as error:
    assert error.errno == errno.ENOSPC, error
    print('full')
";

const OUTPUT_FLOOD: &str = "
import sys
block = 'x' * (1 << 16)
for _ in range(1 << 10):
    sys.stdout.write(block)
    sys.stderr.write(block)
";

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    type Check = fn(&CommandResult) -> bool;
    let cases: [(&str, &'static str, Check); 5] = [
        ("memory_bomb", MEMORY_BOMB, |result| result.exit_code() != Some(0)),
        ("fork_bomb", FORK_BOMB, |result| {
            result.stdout().starts_with("refused")
        }),
        ("full_disk", FULL_DISK, |result| {
            result.stdout().starts_with("full")
        }),
        ("many_files", MANY_FILES, |result| {
            result.stdout().starts_with("full")
        }),
        ("output_flood", OUTPUT_FLOOD, |result| {
            result.exit_code() == Some(0) && result.stdout_truncated() && result.stderr_truncated()
        }),
    ];
    cases
        .into_iter()
        .map(|(name, code, holds)| {
            let house = house.clone();
            Trial::test(format!("limits::{name}_hurts_only_its_own_session"), move || {
                contained(&house, code, holds)
            })
        })
        .collect()
}

/// Runs the code in one session while a second one answers, and looks at what came of it.
fn contained(house: &House, code: &'static str, holds: fn(&CommandResult) -> bool) -> Result<(), Failed> {
    house.runtime().block_on(async {
        let (hostile, neighbour) = (house.session().await, house.session().await);
        let attack = tokio::spawn({
            let hostile = hostile.clone();
            async move { run(&hostile, Language::Python, code).await }
        });
        let mut answers = 0;
        while !attack.is_finished() || answers == 0 {
            let answer = run(&neighbour, Language::Bash, "echo well").await;
            if answer.stdout() != "well\n" {
                return Err(format!("the neighbour answered {answer:?}").into());
            }
            answers += 1;
        }
        let result = attack.await?;
        hostile.delete().await?;
        neighbour.delete().await?;
        if result.exit_code() == Some(127) {
            println!("skipped: this host has no python3 in /usr");
            return Ok(());
        }
        holds(&result)
            .then_some(())
            .ok_or_else(|| format!("it ended with {result:?}").into())
    })
}
