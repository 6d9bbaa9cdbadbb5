//! Writes every sample page and the assets below a directory, to be looked at in a browser:
//! `cargo run -p evergate-pages --example samples -- DIR`, then serve DIR.
#![allow(clippy::print_stdout, reason = "a tool for looking at pages")]

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "samples".to_owned()));
    std::fs::create_dir_all(&directory)?;
    for sample in evergate_pages::all_samples() {
        std::fs::write(directory.join(format!("{}.html", sample.name)), sample.html)?;
        println!("{}", sample.name);
    }
    for path in evergate_pages::assets::paths() {
        let file = directory.join(path.trim_start_matches('/'));
        if let (Some(parent), Some(served)) = (file.parent(), evergate_pages::assets::lookup(path)) {
            std::fs::create_dir_all(parent)?;
            std::fs::write(file, served.bytes)?;
        }
    }
    Ok(())
}
