//! One trial for each probe in `probes/*.py`: a function that raises where the sandbox does not hold.

use std::sync::Arc;

use contract_tests::images;
use libtest_mimic::{Failed, Trial};
use sandbox_sessions::Language;

use crate::house::{House, IMAGE};

const PRELUDE: &str = include_str!("probes/prelude.py");

const FILES: [(&str, &str); 5] = [
    ("files", include_str!("probes/files.py")),
    ("kernel", include_str!("probes/kernel.py")),
    ("network", include_str!("probes/network.py")),
    ("privileges", include_str!("probes/privileges.py")),
    ("processes", include_str!("probes/processes.py")),
];

/// Printed by a probe that came to its end: silence is no success.
const HELD: &str = "held\n";

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    let probes = FILES
        .iter()
        .flat_map(|(group, source)| names(source).map(move |name| (*group, *source, name)));
    let with_image = images::can_be_made().then_some(("with_an_image::", IMAGE));
    if with_image.is_none() {
        println!("skipped: there is no umoci and no busybox to make images with");
    }
    let images: Vec<_> = [("", "host")].into_iter().chain(with_image).collect();
    probes
        .flat_map(|probe| images.iter().map(move |image| (probe, *image)))
        .map(|((group, source, name), (prefix, image))| {
            let house = house.clone();
            Trial::test(format!("{prefix}{group}::{name}"), move || {
                probe(&house, image, source, name)
            })
        })
        .collect()
}

fn names(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .filter_map(|line| line.strip_prefix("def probe_")?.strip_suffix("():"))
}

fn probe(house: &House, image: &str, source: &str, name: &str) -> Result<(), Failed> {
    let constants = house.constants();
    let code = format!("{PRELUDE}\n{constants}\n{source}\nprobe_{name}()\nprint('held')\n");
    let result = house.run(image, Language::Python, &code);
    if image != IMAGE && result.exit_code() == Some(127) {
        println!("skipped: {name}: this host has no python3 in /usr");
        return Ok(());
    }
    match (result.stdout(), result.exit_code()) {
        (HELD, Some(0)) => Ok(()),
        (stdout, code) => Err(format!("exit {code:?}\n{stdout}{}", result.stderr()).into()),
    }
}
