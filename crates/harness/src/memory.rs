//! Looks for secrets in a process's memory and in files, in every form that a program might keep them in.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

/// Bytes of a page.
const PAGE: u64 = 4096;

/// A secret and the forms in which it is looked for.
pub struct Secret {
    /// What it is, for messages.
    pub name: String,
    forms: Vec<Vec<u8>>,
}

impl Secret {
    /// The secret's bytes: looked for as they are, in hex of both cases, and in base64 of both alphabets.
    #[must_use]
    pub fn new(name: &str, bytes: &[u8]) -> Self {
        // Without padding, and without the last character, whose spare bits depend on what follows.
        let standard = BASE64.encode(bytes);
        let url = BASE64URL_NOPAD.encode(bytes);
        let whole = bytes.len() / 3 * 4;
        let forms = vec![
            bytes.to_vec(),
            HEXLOWER.encode(bytes).into_bytes(),
            HEXUPPER.encode(bytes).into_bytes(),
            standard.as_bytes()[..whole].to_vec(),
            url.as_bytes()[..whole].to_vec(),
        ];
        Self { name: name.to_owned(), forms }
    }
}

/// The names of the secrets that stand in a process's memory.
///
/// # Errors
/// When the process is gone, or this one may not look.
pub fn found_in_process(pid: u32, secrets: &[Secret]) -> Result<BTreeSet<String>> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).context("no such process")?;
    let memory = File::open(format!("/proc/{pid}/mem")).context("not allowed to read the memory")?;
    let pages = File::open(format!("/proc/{pid}/pagemap")).context("not allowed to read the page map")?;
    let search = Search::new(secrets);
    let mut found = BTreeSet::new();
    let mut seen = 0;
    for (start, end) in maps.lines().filter_map(writable) {
        for (start, length) in present(&pages, start, end)? {
            let mut bytes = vec![0; length];
            // A page may have gone since.
            if memory.read_exact_at(&mut bytes, start).is_ok() {
                seen += length;
                search.run(&bytes, &mut found);
            }
        }
    }
    anyhow::ensure!(seen > 1_000_000, "only {seen} bytes of process {pid} could be read");
    Ok(found)
}

/// Runs of pages between `start` and `end` that exist, as address and length: allocators reserve far more than they
/// use. See proc(5) on `pagemap`: bit 63 is present, bit 62 swapped.
fn present(pages: &File, start: u64, end: u64) -> Result<Vec<(u64, usize)>> {
    let count = usize::try_from((end - start) / PAGE)?;
    let mut entries = vec![0; count * 8];
    pages.read_exact_at(&mut entries, start / PAGE * 8)?;
    let mut runs: Vec<(u64, usize)> = Vec::new();
    for (number, entry) in entries.chunks_exact(8).enumerate() {
        if entry[7] & 0b1100_0000 == 0 {
            continue;
        }
        let address = start + number as u64 * PAGE;
        match runs.last_mut() {
            Some((first, length)) if *first + *length as u64 == address => *length += PAGE as usize,
            _ => runs.push((address, PAGE as usize)),
        }
    }
    Ok(runs)
}

/// The names of the secrets that stand in a process's environment, as it was when it was started.
///
/// # Errors
/// When the process is gone, or this one may not look.
pub fn found_in_environment(pid: u32, secrets: &[Secret]) -> Result<BTreeSet<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).context("not allowed to read it")?;
    let mut found = BTreeSet::new();
    Search::new(secrets).run(&bytes, &mut found);
    Ok(found)
}

/// The names of the secrets that stand in the regular files below a directory; links are not followed.
///
/// # Errors
/// When a file cannot be read.
pub fn found_in_files(directory: &Path, secrets: &[Secret]) -> Result<BTreeSet<String>> {
    let search = Search::new(secrets);
    let mut found = BTreeSet::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                left.push(entry.path());
            } else if entry.file_type()?.is_file() {
                search.run(&std::fs::read(entry.path())?, &mut found);
            }
        }
    }
    Ok(found)
}

/// Start and end of a region, from a line of `/proc/PID/maps`, if the process can write there: what it cannot write
/// is the program itself.
fn writable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let is_writable = words.next()?.starts_with("rw");
    is_writable.then_some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
}

/// All forms of all secrets, found by their first two bytes.
struct Search<'a> {
    by_start: Vec<Vec<(&'a str, &'a [u8])>>,
}

impl<'a> Search<'a> {
    fn new(secrets: &'a [Secret]) -> Self {
        let mut by_start = vec![Vec::new(); 1 << 16];
        for secret in secrets {
            for form in secret.forms.iter().filter(|form| form.len() >= 2) {
                by_start[start(form)].push((secret.name.as_str(), form.as_slice()));
            }
        }
        Self { by_start }
    }

    fn run(&self, bytes: &[u8], found: &mut BTreeSet<String>) {
        for at in 0..bytes.len().saturating_sub(1) {
            for (name, form) in &self.by_start[start(&bytes[at..])] {
                if bytes[at..].starts_with(form) {
                    found.insert((*name).to_owned());
                }
            }
        }
    }
}

fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form_in_this_very_process() {
        let bytes: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(37) ^ 0x5a).collect();
        let kept = HEXLOWER.encode(&bytes);
        let other: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(91) ^ 0x33).collect();
        let secret = [Secret::new("kept", &bytes)];
        // A process as small as this one alone would be refused as unreadable.
        let room = std::hint::black_box(vec![1_u8; 2 << 20]);
        let found = found_in_process(std::process::id(), &secret).unwrap();
        drop(room);
        assert!(found.contains("kept"), "{kept}");
        let directory = tempfile::TempDir::new().unwrap();
        for text in [BASE64.encode(&bytes), BASE64URL_NOPAD.encode(&bytes), HEXUPPER.encode(&bytes), kept] {
            std::fs::write(directory.path().join("f"), format!("xx{text}yy")).unwrap();
            assert!(found_in_files(directory.path(), &secret).unwrap().contains("kept"), "{text}");
        }
        std::fs::write(directory.path().join("f"), other).unwrap();
        assert!(found_in_files(directory.path(), &secret).unwrap().is_empty());
    }
}
