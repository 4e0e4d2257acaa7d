//! The SDK's examples, which are those of the Python SDK, against `sandbox serve`.

use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use crate::support::{Place, Serve, stderr, stdout};

/// Each with what it cannot print without having worked.
const EXAMPLES: [(&str, &[&str]); 15] = [
    ("basic_session", &["Created: ", "Status: running"]),
    ("listing_and_pagination", &["Total sessions: ", "Listed "]),
    ("error_handling", &[]),
    ("clean_up", &["Failed: code is empty", "Deleted ", "Detached "]),
    (
        "files",
        &[
            "Uploaded /workspace/data/in.csv",
            "Lines: 100000",
            "name,count",
            "Read 588890 bytes",
            "Not replaced",
        ],
    ),
    (
        "run_command",
        &["Hello, world!", "Exit code Some(2)", "Stopped after: started"],
    ),
    (
        "session_details",
        &[
            "Status: running",
            "User: \"alice\"",
            "\"sessionId\":",
            "(running)",
        ],
    ),
    ("tour", &["All is well"]),
    ("client_settings", &["Health: healthy", "Created: "]),
    ("blocking", &["Answer: 42", "Greeting: Hello!", "Live: session "]),
    ("retries", &["The same session: true"]),
    ("batch_operations", &["Processing "]),
    ("ssh_run_command", &["hello\nPython 3", "exit code: Some(0)"]),
    (
        "ssh_files",
        &[
            "Uploaded: 1 file, 6 bytes",
            "Listed: numbers.txt (6 bytes)",
            "Listed: sorted.txt (6 bytes)",
            "Downloaded: 1 2 3",
        ],
    ),
    (
        "run_code",
        &[
            "Python: completed",
            "Hello from Python!",
            "Bash: completed",
            "/bin/bash",
        ],
    ),
];

pub(crate) fn trials() -> Vec<Trial> {
    EXAMPLES
        .into_iter()
        .map(|(name, printed)| {
            Trial::test(format!("examples::{name}"), move || {
                runs(name, printed);
                Ok(())
            })
        })
        .collect()
}

fn runs(name: &str, printed: &[&str]) {
    let place = Place::new();
    let serve = Serve::start(&place, &["--image-alias", "python:3.11=host"]);
    let output = serve
        .reached_by(place.program(&program(name), &[]))
        .output()
        .unwrap();
    let text = stdout(&output);
    assert!(
        output.status.success(),
        "{}\n{text}{}",
        output.status,
        stderr(&output)
    );
    for expected in printed {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let page = stdout(&serve.output(&place, &["ls", "--json"]));
    assert!(page.contains(r#""total":0"#), "the example left sessions: {page}");
}

/// `cargo test --workspace` builds examples beside the command.
fn program(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_BIN_EXE_sandbox")).parent().unwrap();
    let program = directory.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is not built; `cargo build -p sandbox-sessions --examples` does",
        program.display()
    );
    program
}
