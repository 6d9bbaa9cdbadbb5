//! Files that are either wholly written or not at all, also when the power fails half-way.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use data_encoding::HEXLOWER;

/// Replaces a file that only this user may read (mode 0600).
///
/// # Errors
/// When the directory is missing, not writable or full; the old file is then untouched.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, 0o600)
}

/// Replaces a file that everybody may read (mode 0644).
///
/// # Errors
/// As [`write_private`].
pub fn write_public(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, 0o644)
}

/// Makes a directory, and its parents, that only this user may enter (mode 0700).
///
/// # Errors
/// When it cannot be made.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The content of a file, or nothing where there is none.
///
/// # Errors
/// When it exists and cannot be read.
pub fn read_if_present(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let temporary = temporary_name(path)?;
    let written = write_new(&temporary, content, mode).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // The error of the write is the one to tell; a leftover stands in nobody's way.
        drop(std::fs::remove_file(&temporary));
    }
    written?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// A name beside `path` that nobody can foretell: whoever may write to the directory could otherwise
/// make the file first, and own what is written.
fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut chance = [0; 8];
    rand::fill(&mut chance).map_err(io::Error::other)?;
    Ok(path.with_file_name(format!(".{}.{}.new", name.display(), HEXLOWER.encode(&chance))))
}

/// Writes a file that was not there, nor a link of that name.
fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_private_file_is_replaced_whole_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn what_somebody_else_made_first_is_neither_written_to_nor_followed() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link, target] = ["file", "link", "target"].map(|name| directory.path().join(name));
        std::fs::write(&file, b"theirs").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        for path in [&file, &link] {
            let refused = write_new(path, b"key", 0o600).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists, "{}", path.display());
        }
        assert_eq!(std::fs::read(&file).unwrap(), b"theirs");
        assert!(!target.exists());
    }

    #[test]
    fn a_private_file_takes_the_place_of_an_open_file_or_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link, target] = ["file", "link", "target"].map(|name| directory.path().join(name));
        std::fs::write(&file, b"theirs").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        for path in [&file, &link] {
            write_private(path, b"key").unwrap();
            let metadata = std::fs::symlink_metadata(path).unwrap();
            assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o600);
        }
        assert!(!target.exists(), "nothing is written through the link");
    }

    #[test]
    fn the_name_of_a_file_in_the_making_cannot_be_foretold() {
        let path = Path::new("/tmp/policy2.json");
        assert_ne!(temporary_name(path).unwrap(), temporary_name(path).unwrap());
    }

    #[test]
    fn a_failed_write_leaves_no_temporary_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("name");
        std::fs::create_dir(&path).unwrap();
        assert!(write_public(&path, b"x").is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(read_if_present(&directory.path().join("absent")).unwrap(), None);
    }
}
