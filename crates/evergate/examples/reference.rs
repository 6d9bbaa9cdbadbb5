//! Prints what docs/reference is made of: `reference network|configuration|api`, for `cargo xtask reference`.

use anyhow::{Result, bail};
use evergate_cluster::network::NetworkFile;
use evergate_model::Configuration;

#[expect(clippy::print_stdout, reason = "it prints")]
fn main() -> Result<()> {
    let document = match std::env::args().nth(1).as_deref() {
        Some("network") => schemars::schema_for!(NetworkFile).to_value(),
        Some("configuration") => schemars::schema_for!(Configuration).to_value(),
        Some("api") => evergate_administration::api::description(),
        _ => bail!("usage: reference network|configuration|api"),
    };
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(())
}
