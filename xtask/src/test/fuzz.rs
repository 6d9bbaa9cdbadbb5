//! Builds the targets in `fuzz/` as libFuzzer wants them, and runs each for a while.

use anyhow::{Result, bail};

use crate::workspace::{Workspace, run as run_command};

/// What the compiler must be told: counters at every branch, for libFuzzer; no sanitizer, as there is no unsafe code
/// of ours to watch.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// The one target, named so that build scripts are not built with [`FLAGS`].
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Seconds for each target.
const SECONDS: u32 = 30;

/// Runs the targets whose name contains `filter`.
pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let manifest = workspace.path("fuzz/Cargo.toml").display().to_string();
    let arguments = ["+nightly", "build", "--release", "--target", TARGET, "--manifest-path", &manifest];
    let mut build = workspace.command("cargo", &arguments);
    build.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", workspace.target()?.join("fuzz"));
    // Cargo tells the programs it starts which toolchain it is: the nightly one must not hear of it.
    build.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
    run_command(build)?;
    let programs = workspace.target()?.join("fuzz").join(TARGET).join("release");
    let mut ran = 0;
    for file in workspace.files()? {
        let Some(name) = file.strip_prefix("fuzz/fuzz_targets/").and_then(|name| name.strip_suffix(".rs"))
        else {
            continue;
        };
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        println!("fuzz {name}");
        let corpus = workspace.target()?.join("fuzz/corpus").join(name);
        std::fs::create_dir_all(&corpus)?;
        let limits =
            [format!("-max_total_time={SECONDS}"), "-timeout=5".to_owned(), "-rss_limit_mb=1024".to_owned()];
        let mut fuzz =
            workspace.command(&programs.join(name).display().to_string(), &["-print_final_stats=1"]);
        fuzz.args(limits).arg(&corpus).current_dir(&corpus);
        run_command(fuzz)?;
        ran += 1;
    }
    if ran == 0 {
        bail!("no fuzz target has such a name");
    }
    println!("xtask test: {ran} fuzz targets ran for {SECONDS} s each");
    Ok(())
}
