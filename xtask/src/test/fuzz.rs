//! Builds the targets in `fuzz/` as libFuzzer wants them, with the toolchain that builds everything else, and runs each
//! for a while, beginning with the inputs in `fuzz/seeds`. What it finds worth keeping stays below the target directory.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, run as run_command};

/// What the compiler must be told, none of it unstable: counters at every branch, for libFuzzer; no sanitizer (that
/// wants a nightly compiler), as there is no unsafe code of ours to watch.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// Seconds for each target, unless the environment variable says otherwise.
const SECONDS: u32 = 30;
/// The environment variable with the seconds for each target.
const SECONDS_VARIABLE: &str = "EVERGATE_FUZZ_SECONDS";

/// Runs the targets whose name contains `filter`.
pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let seconds = match std::env::var_os(SECONDS_VARIABLE) {
        Some(text) => text
            .to_str()
            .and_then(|text| text.parse().ok())
            .with_context(|| format!("`{}` in {SECONDS_VARIABLE} is no number of seconds", text.display()))?,
        None => SECONDS,
    };
    let targets = targets(workspace, filter)?;
    if targets.is_empty() {
        bail!("no fuzz target has such a name");
    }
    let directory = workspace.target()?.join("fuzz");
    // Named, so that build scripts and macros are not built with the flags too.
    let host = host(workspace)?;
    let manifest = workspace.path("fuzz/Cargo.toml").display().to_string();
    let mut build = workspace.command("cargo", &["build", "--release", "--manifest-path", &manifest]);
    build.args(["--target", &host]).env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &directory);
    build.args(targets.iter().flat_map(|target| ["--bin", target]));
    run_command(build)?;
    for target in &targets {
        println!("fuzz {target}");
        let program = directory.join(&host).join("release").join(target);
        run_target(workspace, &program, &directory.join("corpus").join(target), target, seconds)?;
    }
    println!("xtask test: {} fuzz targets ran for {seconds} s each", targets.len());
    Ok(())
}

fn targets(workspace: &Workspace, filter: Option<&str>) -> Result<Vec<String>> {
    let name = |file: &str| {
        let name = file.strip_prefix("fuzz/fuzz_targets/")?.strip_suffix(".rs")?;
        filter.is_none_or(|filter| name.contains(filter)).then(|| name.to_owned())
    };
    Ok(workspace.files()?.iter().filter_map(|file| name(file)).collect())
}

/// The kind of machine that this is, as the compiler calls it.
fn host(workspace: &Workspace) -> Result<String> {
    let told = workspace.output("rustc", &["--version", "--verbose"])?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc --version --verbose` names no host")
}

fn run_target(
    workspace: &Workspace,
    program: &Path,
    corpus: &Path,
    target: &str,
    seconds: u32,
) -> Result<()> {
    std::fs::create_dir_all(corpus)?;
    let limits =
        [format!("-max_total_time={seconds}"), "-timeout=5".to_owned(), "-rss_limit_mb=1024".to_owned()];
    let mut fuzz = workspace.command(&program.display().to_string(), &["-print_final_stats=1"]);
    // libFuzzer adds to the first directory and only reads the others; what breaks lies where it runs.
    fuzz.args(limits).arg(corpus).current_dir(corpus);
    let seeds = workspace.path("fuzz/seeds").join(target);
    if seeds.is_dir() {
        fuzz.arg(seeds);
    }
    run_command(fuzz)
}
