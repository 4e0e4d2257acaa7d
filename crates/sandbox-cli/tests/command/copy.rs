//! `sandbox cp`, both ways.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{Place, Serve, assert_output, eventually, send, stderr, stdout, trials, wait};

pub(crate) fn trials() -> Vec<Trial> {
    trials!("copy":
        files_arrive_as_they_were,
        folders_arrive_as_they_were,
        targets_are_names_or_folders,
        folders_replace_nothing,
        only_files_are_replaced_by_files,
        a_hostile_folder_stays_inside,
        what_is_interrupted_leaves_nothing,
        failures_are_told_apart,
    )
}

/// A session, and a folder of this machine beside it.
struct Copying {
    place: Place,
    _serve: Serve,
    id: String,
}

impl Copying {
    fn new() -> Self {
        let place = Place::new();
        let serve = Serve::start(&place, &[]);
        let created = place.output(&["create", "--ttl", "600"]);
        assert!(created.status.success(), "{}", stderr(&created));
        let id = stdout(&created).trim().to_owned();
        fs::create_dir(place.directory.path().join("here")).unwrap();
        Self {
            place,
            _serve: serve,
            id,
        }
    }

    fn here(&self, name: &str) -> PathBuf {
        self.place.directory.path().join("here").join(name)
    }

    fn local(&self, name: &str) -> String {
        self.here(name).to_str().unwrap().to_owned()
    }

    fn remote(&self, path: &str) -> String {
        format!("{}:{path}", self.id)
    }

    #[track_caller]
    fn copy(&self, from: &str, to: &str) {
        assert_output(&self.place.output(&["cp", from, to]), 0, "");
    }

    /// What a shell in the session prints.
    #[track_caller]
    fn shell(&self, line: &str) -> String {
        let output = self.place.output(&["exec", &self.id, "--", line]);
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        stdout(&output)
    }

    /// Names of what copies make on their way, on either side.
    fn leftovers(&self) -> Vec<String> {
        let here = names(&self.here("")).into_iter();
        let there = self.shell("ls -A /tmp /workspace");
        here.chain(there.lines().map(str::to_owned))
            .filter(|name| name.contains("sandbox-cp"))
            .collect()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn files_arrive_as_they_were() {
    let copying = Copying::new();
    let content: Vec<u8> = (0..3_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fs::write(copying.here("data"), &content).unwrap();
    copying.copy(&copying.local("data"), &copying.remote("new/folder/ü data"));
    copying.copy(
        &copying.remote("/workspace/new/folder/ü data"),
        &copying.local("back"),
    );
    assert_eq!(fs::read(copying.here("back")).unwrap(), content);

    fs::write(copying.here("empty"), "").unwrap();
    copying.copy(&copying.local("empty"), &copying.remote("empty"));
    copying.copy(&copying.remote("empty"), &copying.local("data"));
    assert_eq!(
        fs::read(copying.here("data")).unwrap(),
        b"",
        "a file that is there is replaced"
    );

    fs::write(copying.here("tool"), "#!/bin/sh\necho works").unwrap();
    fs::set_permissions(copying.here("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    copying.copy(&copying.local("tool"), &copying.remote(""));
    assert_eq!(copying.shell("./tool"), "works\n");
    copying.copy(&copying.remote("tool"), &copying.local("tool2"));
    let mode = |name: &str| fs::metadata(copying.here(name)).unwrap().permissions().mode() & 0o111;
    assert!(mode("tool2") & 0o100 != 0 && mode("back") == 0);
    assert_eq!(copying.leftovers(), [""; 0]);
}

fn folders_arrive_as_they_were() {
    let copying = Copying::new();
    let deep = copying.here("project/a/very deep");
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir(copying.here("project/empty")).unwrap();
    fs::write(deep.join("-rf 'x'\n$HOME"), "odd").unwrap();
    fs::write(copying.here("project/.hidden"), "hidden").unwrap();
    fs::write(copying.here("project/run.sh"), "echo ran").unwrap();
    fs::set_permissions(copying.here("project/run.sh"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("a/very deep", copying.here("project/link")).unwrap();
    for n in 0..300 {
        fs::write(copying.here("project/a").join(n.to_string()), n.to_string()).unwrap();
    }
    copying.copy(&copying.local("project"), &copying.remote("up/there"));
    assert_eq!(
        copying.shell("cd up/there; ls -A; cat link/*; ls a | wc -l; test -x run.sh"),
        ".hidden\na\nempty\nlink\nrun.sh\nodd301\n"
    );
    copying.copy(&copying.remote("up/there/"), &copying.local(""));
    let compared = std::process::Command::new("diff")
        .args(["-r", "--no-dereference"])
        .args([copying.here("project"), copying.here("there")])
        .output()
        .unwrap();
    assert_output(&compared, 0, "");
    assert_eq!(copying.leftovers(), [""; 0]);
}

fn targets_are_names_or_folders() {
    let copying = Copying::new();
    fs::write(copying.here("f"), "f").unwrap();
    fs::create_dir(copying.here("d")).unwrap();
    fs::write(copying.here("d/in"), "in").unwrap();
    copying.shell("mkdir there");
    copying.copy(&copying.local("f"), &copying.remote("there"));
    copying.copy(&copying.local("f"), &copying.remote("made/"));
    copying.copy(&copying.local("d/."), &copying.remote("there"));
    copying.copy(&copying.local("d"), &copying.remote("as/other"));
    assert_eq!(
        copying.shell("find . -type f | sort"),
        "./as/other/in\n./made/f\n./there/d/in\n./there/f\n"
    );
    copying.copy(&copying.remote("there/f"), &copying.local("d"));
    assert_eq!(names(&copying.here("d")), ["f", "in"]);
    let missing = copying
        .place
        .output(&["cp", &copying.remote("there/f"), &copying.local("no/")]);
    assert_output(&missing, 125, "");
    let beginning = copying.id.get(..8).unwrap();
    let output = copying.place.output(&[
        "cp",
        "--json",
        &format!("{beginning}:made/f"),
        &copying.local("g"),
    ]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told, serde_json::json!({ "sessionId": copying.id, "bytes": 1 }));
}

fn folders_replace_nothing() {
    let copying = Copying::new();
    fs::create_dir(copying.here("d")).unwrap();
    fs::write(copying.here("d/in"), "in").unwrap();
    copying.copy(&copying.local("d"), &copying.remote(""));
    for (from, to) in [
        (copying.local("d"), copying.remote("")),
        (copying.local("d"), copying.remote("d/in")),
        (copying.remote("d"), copying.local("")),
        (copying.remote("d"), copying.local("d/in")),
    ] {
        let refused = copying.place.output(&["cp", &from, &to]);
        assert_output(&refused, 125, "");
        assert!(
            stderr(&refused).contains("is there already"),
            "{}",
            stderr(&refused)
        );
    }
    assert_eq!(copying.leftovers(), [""; 0]);
}

fn only_files_are_replaced_by_files() {
    let copying = Copying::new();
    copying.shell("echo new > f");
    fs::write(copying.here("real"), "old").unwrap();
    symlink("real", copying.here("link")).unwrap();
    copying.copy(&copying.remote("f"), &copying.local("link"));
    assert_eq!(fs::read_to_string(copying.here("real")).unwrap(), "new\n");
    assert!(copying.here("link").is_symlink());
    let device = copying.place.output(&["cp", &copying.remote("f"), "/dev/null"]);
    assert_output(&device, 125, "");
    assert!(stderr(&device).contains("is not a file"), "{}", stderr(&device));
    copying.shell("mkfifo pipe");
    for from in ["pipe", "/dev/null"] {
        assert_output(
            &copying
                .place
                .output(&["cp", &copying.remote(from), &copying.local("x")]),
            125,
            "",
        );
    }
    assert_eq!(names(&copying.here("")), ["link", "real"]);
}

/// Whatever is in a session, and whatever its `tar` makes of it: nothing is written outside of the target.
fn a_hostile_folder_stays_inside() {
    let copying = Copying::new();
    copying.shell(
        "mkdir evil; cd evil; ln -s /etc/passwd p; ln -s ../../.. up; ln -s .. d; echo x > f; mkfifo q",
    );
    let output = copying
        .place
        .output(&["cp", &copying.remote("evil"), &copying.local("")]);
    assert_output(&output, 0, "");
    assert!(stderr(&output).contains("left out"), "{}", stderr(&output));
    assert_eq!(names(&copying.here("evil")), ["f"]);

    // Somebody in the session puts an archive that leads out in the place of the one that tar makes.
    copying.shell(
        "python3 - <<'E'
import io, tarfile
with tarfile.open('evil.tar', 'w', format=tarfile.GNU_FORMAT) as tar:
    for name in ['./ok', '../escaped']:
        info = tarfile.TarInfo(name); info.size = 1; tar.addfile(info, io.BytesIO(b'x'))
E
head -c 60M /dev/zero > evil/zeros",
    );
    let exchange =
        r#"until set -- /tmp/.sandbox-cp-*.tar; [ -e "$1" ] && mv evil.tar "$1"; do sleep 0.01; done"#;
    let mut exchanging = copying
        .place
        .command(&["exec", &copying.id, exchange])
        .spawn()
        .unwrap();
    let output = copying
        .place
        .output(&["cp", &copying.remote("evil"), &copying.local("again")]);
    assert!(wait(&mut exchanging).success());
    assert_output(&output, 125, "");
    assert!(
        stderr(&output).contains("leads out of the folder"),
        "{}",
        stderr(&output)
    );
    assert_eq!(names(&copying.here("")), ["evil"]);
    assert_eq!(copying.leftovers(), [""; 0]);
}

fn what_is_interrupted_leaves_nothing() {
    let copying = Copying::new();
    copying.shell("mkdir big; head -c 60M /dev/zero > big/zeros; cp big/zeros f");
    for from in ["f", "big"] {
        let mut child = copying
            .place
            .command(&["cp", &copying.remote(from), &copying.local("out")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("the copy has begun, or is over", || {
            !names(&copying.here("")).is_empty() || child.try_wait().unwrap().is_some()
        });
        send(&child, Signal::TERM);
        let status = wait(&mut child);
        if status.code() == Some(143) {
            assert_eq!(names(&copying.here("")), [""; 0]);
        } else {
            // It was faster than the signal.
            assert!(status.success(), "{status}");
            let _ = fs::remove_file(copying.here("out"));
            let _ = fs::remove_dir_all(copying.here("out"));
        }
        assert_eq!(copying.leftovers(), [""; 0]);
    }
}

fn failures_are_told_apart() {
    let copying = Copying::new();
    let fails = |from: &str, to: &str, code: i32, named: &str| {
        let output = copying.place.output(&["cp", from, to]);
        assert_output(&output, code, "");
        assert!(stderr(&output).contains(named), "{}", stderr(&output));
    };
    fails(
        &copying.remote("nothing"),
        &copying.local("x"),
        66,
        "there is no /workspace/nothing",
    );
    fails(
        &copying.local("nothing"),
        &copying.remote("x"),
        125,
        "here/nothing",
    );
    fails("a", "b", 2, "ID:PATH");
    fails(
        &copying.remote("a"),
        &copying.remote("b"),
        2,
        "copy to this machine first",
    );
    fails("no-session:a", "b", 2, "./NAME");
    fails(
        "00000000-0000-0000-0000-000000000000:a",
        "b",
        66,
        "SESSION_NOT_FOUND",
    );
    fails(
        "/dev/null",
        &copying.remote("x"),
        125,
        "neither a file nor a folder",
    );
    fs::write(copying.here("f"), "f").unwrap();
    fails(&copying.local("f"), &copying.remote("/usr/f"), 125, "/usr");
}
