//! Images from layouts: what is unpacked is what others unpack, nothing is left half-way, and nothing goes outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing
)]

mod crash;
mod layout;
mod layouts;
mod leases;
mod others;
mod tree;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use sandbox_images::{ImageName, Images};

/// Has this program import a layout rather than run trials: a store, a layout, and then whether to wait with the lease.
const IMPORT: &str = "import-and-be-killed";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, command, store, layout, rest @ ..] = arguments.as_slice()
        && command == IMPORT
    {
        return import(Path::new(store), Path::new(layout), !rest.is_empty());
    }
    let trials = [
        crash::trials(),
        layouts::trials(),
        leases::trials(),
        others::trials(),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit_code()
}

fn import(store: &Path, layout: &Path, wait: bool) -> ExitCode {
    let imported = Images::open(store, None).and_then(|images| images.import(layout, &name()));
    match imported {
        Ok(leased) => {
            if wait {
                // Tells that the lease is held.
                drop(std::fs::write(store.with_extension("leased"), ""));
                std::thread::park();
            }
            drop(leased);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}: {:?}", std::error::Error::source(&error));
            ExitCode::FAILURE
        }
    }
}

fn name() -> ImageName {
    "example".parse().unwrap()
}

fn trial(name: &'static str, run: fn()) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}
