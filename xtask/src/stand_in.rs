//! This program in the place of another one, which cargo or a build script would start.

use std::{
    env,
    ffi::OsString,
    fs,
    process::{Command, ExitCode},
};

use anyhow::Context;

/// Says for which program, by one of the names below.
const VARIABLE: &str = "XTASK_STANDS_IN_FOR";
const RUSTDOC: &str = "rustdoc";
const C_COMPILER: &str = "c-compiler";

/// Has a command's cargo use rustdoc with the features of nightly.
///
/// The variable that allows them must be seen by rustdoc alone: many build scripts look at it, and everything that
/// depends on them would be built again.
pub(crate) fn for_rustdoc(command: &mut Command) -> anyhow::Result<()> {
    command.env("RUSTDOC", this_program()?).env(VARIABLE, RUSTDOC);
    Ok(())
}

/// Has build scripts do without a C compiler for a target: what is only checked is never linked.
pub(crate) fn for_c_compiler(command: &mut Command, target: &str) -> anyhow::Result<()> {
    let suffix = target.replace('-', "_");
    for tool in ["CC", "AR"] {
        command.env(format!("{tool}_{suffix}"), this_program()?);
    }
    command.env(VARIABLE, C_COMPILER);
    Ok(())
}

fn this_program() -> anyhow::Result<OsString> {
    Ok(env::current_exe().context("cannot find this program")?.into())
}

/// Does what the other program should, if this one was started in its place.
pub(crate) fn run_if_asked() -> Option<anyhow::Result<ExitCode>> {
    let program = env::var_os(VARIABLE)?;
    Some(match program.to_str() {
        Some(RUSTDOC) => rustdoc(),
        Some(C_COMPILER) => c_compiler(),
        _ => Err(anyhow::anyhow!("{VARIABLE} is {program:?}, which is not known")),
    })
}

fn rustdoc() -> anyhow::Result<ExitCode> {
    let mut rustdoc = Command::new("rustdoc");
    rustdoc
        .args(env::args_os().skip(1))
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove(VARIABLE)
        .env_remove("RUSTDOC");
    let status = rustdoc.status().context("cannot run rustdoc")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Makes empty objects and archives.
fn c_compiler() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some(output) = output_of(&arguments) {
        fs::write(output, "").with_context(|| format!("cannot write {output}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn output_of(arguments: &[String]) -> Option<&str> {
    let after_o = arguments.iter().skip_while(|argument| *argument != "-o").nth(1);
    let archive = || arguments.iter().find(|argument| argument.ends_with(".a"));
    after_o.or_else(archive).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_compiler_should_write() {
        let output = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
            output_of(&arguments).map(ToOwned::to_owned)
        };
        assert_eq!(output(&["-c", "-o", "a.o", "a.c"]).as_deref(), Some("a.o"));
        assert_eq!(output(&["cq", "libx.a", "a.o"]).as_deref(), Some("libx.a"));
        assert_eq!(output(&["-E", "a.c"]), None);
    }
}
