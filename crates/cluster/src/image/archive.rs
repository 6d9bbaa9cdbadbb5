//! A tar archive in memory, of files that have no owner but root or Evergate's user, and no age (POSIX.1-1988 `ustar`).

use std::collections::BTreeSet;
use std::path::Path;

use super::ImageError;

const BLOCK: usize = 512;
/// The most that the header's 11 octal digits say.
const LARGEST: usize = 0o777_7777_7777;

/// An archive that is being written. Directories above a file come before it by themselves.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
}

/// What an entry is; the value is the header's type flag.
#[derive(Debug, Clone, Copy)]
enum Kind {
    File = b'0' as isize,
    Link = b'2' as isize,
    Directory = b'5' as isize,
}

impl Archive {
    /// A directory of an owner (user and group).
    pub(super) fn directory(&mut self, path: &str, mode: u32, owner: u32) -> Result<(), ImageError> {
        self.above(path)?;
        if self.directories.insert(path.to_owned()) {
            self.header(Kind::Directory, &format!("{path}/"), mode, owner, 0, "")?;
        }
        Ok(())
    }

    /// A file of root's.
    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<(), ImageError> {
        self.above(path)?;
        self.bytes.reserve(content.len() + 4 * BLOCK);
        self.header(Kind::File, path, mode, 0, content.len(), "")?;
        self.bytes.extend_from_slice(content);
        self.fill();
        Ok(())
    }

    /// A symbolic link of root's.
    pub(super) fn link(&mut self, path: &str, to: &str) -> Result<(), ImageError> {
        self.above(path)?;
        self.header(Kind::Link, path, 0o777, 0, 0, to)
    }

    /// The whole.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.bytes.extend([0; 2 * BLOCK]);
        self.bytes
    }

    fn above(&mut self, path: &str) -> Result<(), ImageError> {
        match Path::new(path).parent().and_then(Path::to_str) {
            Some(parent) if !parent.is_empty() => self.directory(parent, 0o755, 0),
            _ => Ok(()),
        }
    }

    fn header(
        &mut self,
        kind: Kind,
        path: &str,
        mode: u32,
        owner: u32,
        size: usize,
        to: &str,
    ) -> Result<(), ImageError> {
        if path.len() > 100 || to.len() > 100 || size > LARGEST || path.starts_with('/') {
            return Err(ImageError::Unfit(path.to_owned()));
        }
        let mut header = Vec::with_capacity(BLOCK);
        let mut field = |text: String, width: usize| {
            header.extend(text.bytes().chain(std::iter::repeat(0)).take(width));
        };
        field(path.to_owned(), 100);
        field(format!("{mode:07o}"), 8);
        field(format!("{owner:07o}"), 8);
        field(format!("{owner:07o}"), 8);
        field(format!("{size:011o}"), 12);
        field(format!("{:011o}", 0), 12);
        field(" ".repeat(8), 8);
        field(char::from(kind as u8).to_string(), 1);
        field(to.to_owned(), 100);
        field("ustar".to_owned(), 6);
        field("00".to_owned(), BLOCK - 263);
        // The sum of all bytes, itself taken as spaces.
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header.splice(148..156, format!("{sum:06o}\0 ").into_bytes());
        self.bytes.append(&mut header);
        Ok(())
    }

    /// Entries begin at a block's begin.
    fn fill(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }
}
