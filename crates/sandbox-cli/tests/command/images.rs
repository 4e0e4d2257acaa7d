//! Images, from a layout to a session.

use contract_tests::images;
use libtest_mimic::Trial;

use crate::support::{Place, Serve, stderr, stdout, trials};

pub(crate) fn trials() -> Vec<Trial> {
    if !images::can_be_made() {
        println!("skipped: there is no umoci and no busybox to make images with");
        return Vec::new();
    }
    trials!("images": go_from_a_layout_to_a_session, are_refused_by_name)
}

#[track_caller]
fn succeeds(place: &Place, arguments: &[&str]) -> String {
    let output = place.output(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

fn go_from_a_layout_to_a_session() {
    let place = Place::new();
    let layout = images::make(images::busybox, &["--config.env", "MODE=image"]);
    let layout = layout.path().to_str().unwrap();
    let digest = succeeds(&place, &["image", "import", layout, "busybox:1"]);
    assert!(digest.starts_with("sha256:"), "{digest}");
    // With a server of its own, and with one that runs.
    let run = ["run", "--image", "busybox:1", "-l", "bash", "-c", "1"];
    let output = place.output(&run);
    assert_eq!(output.status.code(), Some(127), "{}", stderr(&output));
    assert!(stderr(&output).contains("bash is not installed in this image, which has sh"));
    let server = Serve::start(&place, &[]);
    let session = succeeds(&place, &["create", "--image", "busybox:1"]);
    assert_eq!(
        succeeds(&place, &["exec", session.trim(), "echo", "$MODE"]),
        "$MODE\n"
    );
    let script = ["exec", session.trim(), "sh", "-c", "echo $MODE"];
    assert_eq!(succeeds(&place, &script), "image\n");
    let listed = || {
        let listed = succeeds(&place, &["image", "ls", "--json"]);
        serde_json::from_str::<serde_json::Value>(&listed).unwrap()["images"].clone()
    };
    assert_eq!(listed()[0]["names"][0], "docker.io/library/busybox:1");
    assert_eq!(listed()[0]["inUse"], true);
    succeeds(&place, &["image", "rm", "busybox:1"]);
    succeeds(&place, &["rm", session.trim()]);
    succeeds(&place, &["image", "prune"]);
    assert_eq!(listed().as_array().map(Vec::len), Some(0));
    drop(server);
}

fn are_refused_by_name() {
    let place = Place::new();
    for (arguments, code, says) in [
        (
            &["image", "import", "/nonexistent", "a:1"][..],
            66,
            "/nonexistent",
        ),
        (&["image", "import", "/tmp", "A:1"], 2, "A:1"),
        (&["image", "rm", "nobody/has:this"], 66, "nobody/has:this"),
    ] {
        let output = place.output(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
}
