//! Generates the client from the OpenAPI document, if the feature `build-time-codegen` asks for it.

// What a build script prints are its instructions to cargo.
#![allow(
    clippy::print_stdout,
    reason = "cargo reads the instructions of a build script from its standard output"
)]

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    generate()
}

#[cfg(not(feature = "build-time-codegen"))]
fn generate() -> Result<(), Box<dyn Error>> {
    Ok(())
}

#[cfg(feature = "build-time-codegen")]
fn generate() -> Result<(), Box<dyn Error>> {
    use std::{env, fs, path::Path};

    // A symbolic link in the repository and a file in the published crate: a crate cannot reach outside its folder.
    const DOCUMENT: &str = "sandbox-api-spec.yaml";

    println!("cargo::rerun-if-changed={DOCUMENT}");
    let code = sandbox_api_codegen::generate_from_file(Path::new(DOCUMENT))?;
    let folder = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR for build scripts")?;
    fs::write(Path::new(&folder).join("generated.rs"), code)?;
    Ok(())
}
