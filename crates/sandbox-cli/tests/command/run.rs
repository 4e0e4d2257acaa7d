//! `sandbox run` with a server of its own.

use std::process::Stdio;
use std::time::Duration;

use contract_tests::traces::Traces;
use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::leftovers::nothing_left;
use crate::support::{Place, assert_output, eventually, send, stderr, stdout, trials, wait};

pub(crate) fn trials() -> Vec<Trial> {
    trials!("run":
        prints_what_the_code_prints,
        exits_with_the_codes_exit_code,
        keeps_output_and_error_output_apart,
        runs_all_three_languages,
        reads_code_from_file_and_standard_input,
        runs_code_too_long_for_an_argument,
        stops_code_at_its_timeout,
        prints_json,
        refuses_an_image_that_is_not_there,
        refuses_bad_values_by_name_and_bound,
        leaves_nothing_when_interrupted,
        leaves_no_process_when_killed,
    )
}

fn prints_what_the_code_prints() {
    let (place, before) = (Place::new(), Traces::now());
    let output = place.output(&["run", "-c", "print(6 * 7)"]);
    assert_output(&output, 0, "42\n");
    assert_eq!(stderr(&output), "");
    nothing_left(&before, &place);
}

fn exits_with_the_codes_exit_code() {
    let place = Place::new();
    assert_output(&place.output(&["run", "-l", "bash", "-c", "exit 3"]), 3, "");
    assert_output(
        &place.output(&["run", "-c", "import sys; sys.exit(255)"]),
        255,
        "",
    );
    assert_output(
        &place.output(&["run", "-l", "bash", "-c", "kill -TERM $$"]),
        128 + 15,
        "",
    );
}

fn keeps_output_and_error_output_apart() {
    let output = Place::new().output(&["run", "-l", "bash", "-c", "printf out; printf err >&2"]);
    assert_eq!(
        (stdout(&output).as_str(), stderr(&output).as_str()),
        ("out", "err")
    );
}

fn runs_all_three_languages() {
    let place = Place::new();
    assert_output(
        &place.output(&["run", "-l", "python", "-c", "print('ü')"]),
        0,
        "ü\n",
    );
    assert_output(
        &place.output(&["run", "-l", "bash", "-c", "echo $0 | head -c 4; pwd"]),
        0,
        "bash/workspace\n",
    );
    let output = place.output(&["run", "-l", "javascript", "-c", "console.log(6 * 7)"]);
    if output.status.code() == Some(127) {
        println!("skipped: this host has no node in /usr");
        return;
    }
    assert_output(&output, 0, "42\n");
}

fn reads_code_from_file_and_standard_input() {
    let place = Place::new();
    let file = place.directory.path().join("hello.sh");
    std::fs::write(&file, "echo from a file").unwrap();
    assert_output(
        &place.output(&["run", file.to_str().unwrap()]),
        0,
        "from a file\n",
    );
    assert_output(
        &place.output_with_input(&["run", "-"], "print('from a pipe')"),
        0,
        "from a pipe\n",
    );
    let missing = place.output(&["run", "no-such-file.py"]);
    assert_output(&missing, 125, "");
    assert!(
        stderr(&missing).contains("no-such-file.py"),
        "{}",
        stderr(&missing)
    );
}

fn runs_code_too_long_for_an_argument() {
    let place = Place::new();
    for (language, code) in [
        (
            "python",
            format!(
                "x = '{}'\nprint(len(x))",
                "'\"".replace('\'', "\\'").repeat(150_000)
            ),
        ),
        ("bash", format!("x='{}'\necho ${{#x}}", "y".repeat(450_000))),
    ] {
        let output = place.output_with_input(&["run", "-l", language, "-"], &code);
        let expected = if language == "python" {
            "300000\n"
        } else {
            "450000\n"
        };
        assert_output(&output, 0, expected);
    }
}

fn stops_code_at_its_timeout() {
    let (place, before) = (Place::new(), Traces::now());
    let escape =
        "import os\nif os.fork() == 0:\n    os.setsid()\nprint('started', flush=True)\nwhile True: pass";
    let output = place.output(&["run", "-c", escape, "--timeout", "2"]);
    assert_eq!(output.status.code(), Some(124), "{output:?}");
    assert!(stdout(&output).starts_with("started"), "{output:?}");
    assert!(stderr(&output).contains("timed out after 2 s"), "{output:?}");
    nothing_left(&before, &place);
}

fn prints_json() {
    let output = Place::new().output(&["run", "--json", "-l", "bash", "-c", "echo out; exit 3"]);
    assert_eq!(output.status.code(), Some(3));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&result["status"], &result["exitCode"]),
        (&"failed".into(), &3.into()),
        "{result}"
    );
    assert_eq!(result["stdout"], "out\n");
    assert!(result["sessionId"].is_string(), "{result}");
}

fn refuses_an_image_that_is_not_there() {
    let output = Place::new().output(&["run", "--image", "localhost:1/python:3.11", "-c", "1"]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(125), "{message}");
    assert!(
        message.contains("IMAGE_UNAVAILABLE") && message.contains("localhost:1"),
        "{message}"
    );
}

fn refuses_bad_values_by_name_and_bound() {
    let (place, before) = (Place::new(), Traces::now());
    for (arguments, code, named) in [
        (&["--ttl", "59", "-c", "1"][..], 65, "60"),
        (&["--ttl", "28801", "-c", "1"], 65, "28800"),
        (&["--timeout", "0", "-c", "1"], 65, "1"),
        (&["--timeout", "301", "-c", "1"], 65, "300"),
        (&["-c", ""], 65, "code"),
        (&["--timeout", "soon", "-c", "1"], 2, "soon"),
        (&["-l", "cobol", "-c", "1"], 2, "cobol"),
        (&[], 2, "FILE"),
    ] {
        let output = place.output(&[&["run"], arguments].concat());
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(named),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    nothing_left(&before, &place);
}

fn leaves_nothing_when_interrupted() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let (place, before) = (Place::new(), Traces::now());
        let mut child = place
            .command(&["run", "-l", "bash", "-c", "sleep 600 & setsid sleep 600"])
            .spawn()
            .unwrap();
        eventually("the code runs", || {
            Traces::now().processes() >= before.processes() + 3
        });
        send(&child, signal);
        assert_eq!(wait(&mut child).code(), Some(code));
        nothing_left(&before, &place);
    }
    // At any moment, not only when all is set up.
    for delay in (0..60).step_by(4) {
        let (place, before) = (Place::new(), Traces::now());
        let mut child = place
            .command(&["run", "-l", "bash", "-c", "sleep 600"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        send(&child, Signal::TERM);
        wait(&mut child);
        nothing_left(&before, &place);
    }
}

fn leaves_no_process_when_killed() {
    let (place, before) = (Place::new(), Traces::now());
    let mut child = place
        .command(&["run", "-l", "bash", "-c", "sleep 600"])
        .spawn()
        .unwrap();
    eventually("the code runs", || {
        Traces::now().processes() >= before.processes() + 2
    });
    child.kill().unwrap();
    wait(&mut child);
    eventually("its processes end", || {
        Traces::now().processes() == before.processes()
    });
    // Nobody was left to remove its directory and cgroups: the next one does.
    assert_output(&place.output(&["run", "-c", "print(1)"]), 0, "1\n");
    nothing_left(&before, &place);
}
