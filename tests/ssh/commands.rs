//! Commands that run to their end.

use std::sync::Arc;

use contract_tests::trials;
use libtest_mimic::Trial;
use sandbox_sessions::ErrorKind;

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "commands":
        output_and_exit_codes_are_told,
        a_command_has_input_and_an_environment,
        output_is_kept_up_to_a_limit,
        two_hundred_commands_run_side_by_side,
        thousands_of_commands_run_one_after_the_other,
    ]
}

async fn output_and_exit_codes_are_told(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let output = ssh.run_command("echo out; echo err >&2; exit 3").await.unwrap();
    assert_eq!(
        (&*output.stdout(), &*output.stderr(), output.exit_code()),
        ("out\n", "err\n", Some(3))
    );
    assert!(!output.is_success() && output.exit_signal().is_none());
    let output = ssh.run_command("id -un; pwd; kill -TERM $$").await.unwrap();
    assert_eq!(
        (&*output.stdout(), output.exit_code()),
        ("sandbox\n/workspace\n", None)
    );
    assert_eq!(output.exit_signal(), Some("TERM"));
    assert!(!format!("{output:?}").contains("workspace"), "{output:?}");
    session.delete().await.unwrap();
}

async fn a_command_has_input_and_an_environment(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let output = ssh
        .run_command("cat; echo $GREETING")
        .env("GREETING", "hello")
        .stdin("from afar\n")
        .await
        .unwrap();
    assert_eq!(output.stdout(), "from afar\nhello\n");
    let error = ssh.run_command("true").env("A=B", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    session.delete().await.unwrap();
}

async fn output_is_kept_up_to_a_limit(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let output = ssh
        .run_command("head -c 1000000 /dev/zero")
        .output_limit(1000)
        .await
        .unwrap();
    assert_eq!(
        (
            output.stdout_bytes().len(),
            output.is_truncated(),
            output.exit_code()
        ),
        (1000, true, Some(0))
    );
    session.delete().await.unwrap();
}

async fn two_hundred_commands_run_side_by_side(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let running: Vec<_> = (0..200)
        .map(|n| {
            let ssh = ssh.clone();
            tokio::spawn(async move {
                ssh.run_command(format!("echo {n}"))
                    .await
                    .unwrap()
                    .stdout()
                    .into_owned()
            })
        })
        .collect();
    for (n, running) in running.into_iter().enumerate() {
        assert_eq!(running.await.unwrap(), format!("{n}\n"));
    }
    session.delete().await.unwrap();
}

/// Connections wear out: the protocol library remembers every channel.
async fn thousands_of_commands_run_one_after_the_other(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    // More channels than one connection is used for.
    for _ in 0..21 {
        let running: Vec<_> = (0..100)
            .map(|_| {
                let ssh = ssh.clone();
                tokio::spawn(async move { ssh.run_command(":").await.unwrap().is_success() })
            })
            .collect();
        for running in running {
            assert!(running.await.unwrap());
        }
    }
    session.delete().await.unwrap();
}
