//! OpenSSH's `scp` and `sftp`, and `rsync`.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{House, Test, Transport, noise, with_input};
use crate::support::{assert_output, installed, stderr};

pub(super) const TESTS: [Test; 3] = [
    ("scp_copies_both_ways", scp),
    ("sftp_does_what_a_batch_says", sftp),
    ("rsync_keeps_folders_the_same", rsync),
];

/// By SFTP, and by the protocol before it, which runs `scp` in the session.
fn scp(transport: Transport) {
    let house = House::open(transport, &[]);
    let (content, there) = (noise(3 << 20), format!("{}:there.bin", house.host()));
    let (up, down) = (house.path("up.bin"), house.path("down.bin"));
    fs::write(&up, &content).unwrap();
    for options in [&[][..], &["-O"]] {
        for pair in [[up.to_str().unwrap(), &there], [&there, down.to_str().unwrap()]] {
            let Some(mut scp) = house.openssh("scp", &[options, &pair].concat()) else {
                return;
            };
            assert_output(&scp.output().unwrap(), 0, "");
        }
        assert!(fs::read(&down).unwrap() == content, "{options:?}");
        fs::remove_file(&down).unwrap();
    }
}

fn sftp(transport: Transport) {
    let house = House::open(transport, &[]);
    let Some(sftp) = house.openssh("sftp", &["-b", "-", &house.host()]) else {
        return;
    };
    let content = noise(3 << 20);
    let (up, down) = (house.path("up.bin"), house.path("down.bin"));
    fs::write(&up, &content).unwrap();
    let batch = format!(
        "put {up} first.bin\nmkdir folder\nrename first.bin folder/second.bin\nln -s second.bin folder/link\n\
         chmod 600 folder/second.bin\nls -l folder\ndf\nget folder/link {down}\n\
         rm folder/link\nrm folder/second.bin\nrmdir folder\n",
        up = up.display(),
        down = down.display(),
    );
    let output = with_input(sftp, batch.as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("-rw-------"),
        "{output:?}"
    );
    assert!(fs::read(down).unwrap() == content);
    assert_output(&house.output(&["exec", &house.id, "ls"]), 0, "");
}

fn rsync(transport: Transport) {
    let house = House::open(transport, &[]);
    let (from, back) = (house.path("from"), house.path("back"));
    fs::create_dir_all(from.join("folder")).unwrap();
    fs::write(from.join("large.bin"), noise(3 << 20)).unwrap();
    fs::write(from.join("folder/gone.txt"), "gone").unwrap();
    std::os::unix::fs::symlink("../large.bin", from.join("folder/link")).unwrap();
    let (here, there) = (format!("{}/", from.display()), format!("{}:kept/", house.host()));
    let Some(mut up) = rsync_command(&house, &here, &there) else {
        return;
    };
    assert_output(&up.output().unwrap(), 0, "");
    // What changes here changes there, and what goes, goes.
    fs::remove_file(from.join("folder/gone.txt")).unwrap();
    fs::write(from.join("folder/new.txt"), "new").unwrap();
    assert_output(&up.output().unwrap(), 0, "");
    let mut down = rsync_command(&house, &there, back.to_str().unwrap()).unwrap();
    assert_output(&down.output().unwrap(), 0, "");
    let same = |name: &str| fs::read(from.join(name)).unwrap() == fs::read(back.join(name)).unwrap();
    assert!(same("large.bin") && same("folder/new.txt"));
    assert_eq!(
        fs::read_link(back.join("folder/link")).unwrap(),
        Path::new("../large.bin")
    );
    assert!(!back.join("folder/gone.txt").exists());
}

/// `None` where there is none. A session has the host's, so that one look is enough.
fn rsync_command(house: &House, from: &str, to: &str) -> Option<Command> {
    let ssh = house.openssh("ssh", &[]).filter(|_| installed("rsync"))?;
    let words: Vec<&str> = [ssh.get_program()]
        .into_iter()
        .chain(ssh.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let arguments = ["--archive", "--delete", "--rsh", &words.join(" "), from, to];
    let program = house.place.program("rsync".as_ref(), &arguments);
    Some(house.serve.reached_by(program))
}
