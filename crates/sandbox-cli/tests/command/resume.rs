//! `sandbox cp --resume`.

use std::fs;

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{Place, Serve, assert_output, eventually, send, stderr, stdout, trials, wait};
use crate::terminal::Terminal;

pub(crate) fn trials() -> Vec<Trial> {
    trials!("resume":
        an_interrupted_copy_is_gone_on_with,
        folders_are_completed,
    )
}

const SIZE: u64 = 200 << 20;

fn session(place: &Place) -> (Serve, String) {
    let serve = Serve::start(place, &["--disk", "1000", "--memory", "1000"]);
    let created = place.output(&["create", "--ttl", "600"]);
    assert!(created.status.success(), "{}", stderr(&created));
    (serve, stdout(&created).trim().to_owned())
}

fn an_interrupted_copy_is_gone_on_with() {
    let place = Place::new();
    let (_serve, id) = session(&place);
    let (folder, there) = (place.directory.path().join("here"), format!("{id}:big"));
    fs::create_dir(&folder).unwrap();
    let (source, back) = (folder.join("big"), folder.join("back"));
    // The last bytes tell it from one that is cut off.
    fs::write(&source, b"").unwrap();
    let file = fs::File::options().write(true).open(&source).unwrap();
    file.set_len(SIZE - 3).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", SIZE - 3).unwrap();
    let up = ["cp", "--resume", source.to_str().unwrap(), &there];
    let down = ["cp", "--resume", &there, back.to_str().unwrap()];
    let size = |pattern: &str| {
        let output = place.output(&["exec", &id, "--", &format!("stat -c %s {pattern} 2> /dev/null")]);
        stdout(&output).trim().parse::<u64>().unwrap_or(0)
    };
    let mut copying = place.command(&up).spawn().unwrap();
    eventually("some of it has arrived", || size(".upload-*") > SIZE / 4);
    send(&copying, Signal::INT);
    assert_eq!(wait(&mut copying).code(), Some(130));
    assert_eq!(size("big"), 0);
    let left = size(".upload-*");
    assert!((SIZE / 4..SIZE).contains(&left), "{left}");
    let (status, out, err) = Terminal::run(place.command(&up));
    assert!(status.success() && out.is_empty(), "{out}{err}");
    assert!(err.contains("big ["), "{err}");
    assert_output(
        &place.output(&["exec", &id, "stat -c %s big; tail -c 3 big"]),
        0,
        &format!("{SIZE}\nend"),
    );
    assert_output(&place.output(&["exec", &id, "ls -A"]), 0, "big\n");

    let mut copying = place.command(&down).spawn().unwrap();
    let left = || {
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
        let mut parts = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".download-"));
        parts.next().map_or(0, |part| part.metadata().unwrap().len())
    };
    eventually("some of it has arrived", || left() > SIZE / 4);
    send(&copying, Signal::TERM);
    assert_eq!(wait(&mut copying).code(), Some(143));
    assert!(left() > 0 && !back.exists());
    let output = place.output(&[&down[..], &["--json"]].concat());
    assert_output(
        &output,
        0,
        &format!("{{\"bytes\":{SIZE},\"sessionId\":\"{id}\"}}\n"),
    );
    assert_eq!(left(), 0);
    assert_eq!(fs::metadata(&back).unwrap().len(), SIZE);
    assert!(fs::read(&back).unwrap().ends_with(b"\0end"));
}

fn folders_are_completed() {
    let place = Place::new();
    let (_serve, id) = session(&place);
    let folder = place.directory.path().join("project");
    let (back, there) = (place.directory.path().join("back"), format!("{id}:copy"));
    fs::create_dir_all(folder.join("deeper")).unwrap();
    fs::write(folder.join("one"), "1").unwrap();
    let (local, returned) = (folder.to_str().unwrap(), back.to_str().unwrap());
    // Under the same name each time, and not into what the last time has made.
    assert_output(&place.output(&["cp", "--resume", local, &there]), 0, "");
    fs::write(folder.join("deeper/two"), "2").unwrap();
    assert_output(&place.output(&["cp", "--resume", local, &there]), 0, "");
    assert_output(
        &place.output(&["cp", "--resume", local, &format!("{id}:into/")]),
        0,
        "",
    );
    let listed = "cd copy && find . -type f | sort && ls ../into/project";
    assert_output(
        &place.output(&["exec", &id, listed]),
        0,
        "./deeper/two\n./one\ndeeper\none\n",
    );
    for _ in 0..2 {
        assert_output(&place.output(&["cp", "--resume", &there, returned]), 0, "");
    }
    assert_eq!(fs::read(back.join("deeper/two")).unwrap(), b"2");
    assert!(!back.join("copy").exists());
    assert_output(
        &place.output(&["cp", "--resume", &format!("{id}:nothing"), returned]),
        66,
        "",
    );
    assert_output(&place.output(&["cp", "--identity", "x", local, &there]), 2, "");
}
