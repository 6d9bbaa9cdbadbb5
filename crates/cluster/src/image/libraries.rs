//! The loader and all shared libraries of a program, found where the loader would find them (ld.so(8)); the program is
//! not run for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::elf::{Architecture, Needs, needs};
use super::{ImageError, read};

/// What this machine adds to the directories that loaders know by themselves.
const SETTINGS: &str = "/etc/ld.so.conf";
/// Loaded by the C library when a name is first resolved, where it is old (glibc before 2.34); taken if they are there.
const FOR_NAMES: [&str; 3] = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];
/// The library whose presence says that the C library is glibc.
const GLIBC: &str = "libc.so.6";
/// More than any program of ours needs.
const MOST: usize = 64;

/// Paths, without the first slash, and contents. The same path inside: where loaders look, or the one that is written
/// in the program.
pub(super) fn of(program: &Path, own: &Needs) -> Result<BTreeMap<String, Vec<u8>>, ImageError> {
    let directories = directories(own.architecture);
    let mut found = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut loader_name = None;
    if let Some(loader) = &own.loader {
        loader_name = Path::new(loader).file_name().and_then(|name| name.to_str()).map(str::to_owned);
        found.insert(loader.trim_start_matches('/').to_owned(), read(Path::new(loader))?);
    }
    seen.extend(loader_name);
    let mut wanted: VecDeque<(String, PathBuf)> =
        own.libraries.iter().map(|name| (name.clone(), program.to_owned())).collect();
    while let Some((library, user)) = wanted.pop_front() {
        if !seen.insert(library.clone()) {
            continue;
        }
        let lost = || ImageError::Library { library: library.clone(), program: user.clone() };
        if found.len() >= MOST {
            return Err(lost());
        }
        let (path, content, needed) = find(&directories, &library, own.architecture).ok_or_else(lost)?;
        wanted.extend(needed.into_iter().map(|name| (name, path.clone())));
        found.insert(inside(&path), content);
    }
    if seen.contains(GLIBC) {
        let for_names = FOR_NAMES.iter().filter(|name| !seen.contains(**name));
        let for_names = for_names.filter_map(|name| find(&directories, name, own.architecture));
        found.extend(for_names.map(|(path, content, _)| (inside(&path), content)));
    }
    Ok(found)
}

fn inside(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}

/// The first library of that name for this machine: its path, content and own needs.
fn find(
    directories: &[PathBuf],
    name: &str,
    architecture: Architecture,
) -> Option<(PathBuf, Vec<u8>, Vec<String>)> {
    // A name with a slash would be a path, and might lead anywhere.
    let name = Some(name).filter(|name| !name.contains('/') && *name != "..")?;
    directories.iter().map(|directory| directory.join(name)).find_map(|path| {
        let content = std::fs::read(&path).ok()?;
        let needs = needs(&content).ok().filter(|needs| needs.architecture == architecture)?;
        Some((path, content, needs.libraries))
    })
}

/// Directories that loaders know, then those that the machine's settings name.
fn directories(architecture: Architecture) -> Vec<PathBuf> {
    let triplet = architecture.triplet();
    let own = [
        format!("/lib/{triplet}"),
        format!("/usr/lib/{triplet}"),
        "/lib64".to_owned(),
        "/usr/lib64".to_owned(),
        "/lib".to_owned(),
        "/usr/lib".to_owned(),
    ];
    let mut directories: Vec<PathBuf> = own.map(PathBuf::from).to_vec();
    let settings = std::fs::read_to_string(SETTINGS).unwrap_or_default();
    for line in settings.lines().map(str::trim) {
        match line.strip_prefix("include ") {
            Some(pattern) => included(pattern.trim()).iter().for_each(|text| add(&mut directories, text)),
            None => add(&mut directories, line),
        }
    }
    directories
}

/// The texts of files that an `include DIRECTORY/*.conf` names.
fn included(pattern: &str) -> Vec<String> {
    let Some(directory) = pattern.strip_suffix("/*.conf") else { return Vec::new() };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

fn add(directories: &mut Vec<PathBuf>, text: &str) {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(PathBuf::from);
    for directory in lines {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
}
