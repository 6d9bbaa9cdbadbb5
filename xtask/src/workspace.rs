//! What the checks ask of the repository: its root, its files, what cargo knows of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The repository that this program was built in.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace above this crate.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in no workspace")?;
        Ok(Self { root: root.to_owned() })
    }

    /// A path below the root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The text of a file below the root.
    pub(crate) fn read(&self, relative: &str) -> Result<String> {
        std::fs::read_to_string(self.path(relative)).with_context(|| format!("cannot read `{relative}`"))
    }

    /// The files that git knows or would add, relative to the root, in order; those deleted are left out.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let listed =
            self.output("git", &["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"])?;
        let mut files: Vec<String> =
            listed.lines().filter(|file| self.path(file).is_file()).map(str::to_owned).collect();
        files.sort();
        Ok(files)
    }

    /// `cargo metadata` of the workspace's own packages.
    pub(crate) fn metadata(&self) -> Result<Value> {
        let text = self.output("cargo", &["metadata", "--format-version", "1", "--no-deps"])?;
        serde_json::from_str(&text).context("`cargo metadata` printed no JSON")
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> Result<PathBuf> {
        let metadata = self.metadata()?;
        let target = metadata.get("target_directory").and_then(Value::as_str);
        Ok(PathBuf::from(target.context("`cargo metadata` names no target directory")?))
    }

    /// A command that will run at the root.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Runs a command whose output the caller of xtask should see.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        run(self.command(program, arguments))
    }

    /// Runs a command and returns what it printed.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self
            .command(program, arguments)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start `{program}`"))?;
        if !output.status.success() {
            bail!("`{program} {}` ended with {}", arguments.join(" "), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Runs a command to its end; an error if it fails.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}

/// Whether a program of that name stands in `PATH`.
pub(crate) fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|paths| std::env::split_paths(&paths).any(|directory| directory.join(program).is_file()))
}
