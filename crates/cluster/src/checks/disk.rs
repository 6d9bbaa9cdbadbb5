//! Whether there is space for images, data and logs.

use std::path::{Path, PathBuf};

use super::Line;

const CHECK: &str = "disk";
/// Below it images of the next release, beside this one's, may not find room.
const LITTLE: u64 = 2 << 30;
/// Below it a database or a log fills it soon.
const TOO_LITTLE: u64 = 512 << 20;

/// The free space of a directory.
#[derive(Debug, Clone)]
pub struct Space {
    /// What is kept there.
    pub of: &'static str,
    /// The directory.
    pub path: PathBuf,
    /// Bytes that are free; else why that is not known.
    pub free: Result<u64, String>,
}

/// What is to be said of it.
#[must_use]
pub fn line(space: &Space) -> Line {
    let (of, path) = (space.of, space.path.display());
    let free = match &space.free {
        Ok(free) => *free,
        Err(why) => {
            let seen = format!("the space of {of} in {path} is not known: {why}");
            return Line::warn(CHECK, seen, format!("df {path}"));
        }
    };
    let seen = format!("{} free for {of} in {path}", amount(free));
    let fix = fix(&space.path, of);
    match free {
        ..TOO_LITTLE => Line::fail(CHECK, format!("{seen}, less than {}", amount(TOO_LITTLE)), fix),
        TOO_LITTLE..LITTLE => Line::warn(CHECK, format!("{seen}, less than {}", amount(LITTLE)), fix),
        _ => Line::ok(CHECK, seen),
    }
}

fn fix(path: &Path, of: &str) -> String {
    match of {
        ENGINE => "docker image prune removes images that no container uses; else a larger disk".to_owned(),
        _ => format!("du -x {} | sort -n shows what fills it; else a larger disk", path.display()),
    }
}

/// What the engine's directory is called.
pub const ENGINE: &str = "the engine";
/// What `--data` is called.
pub const DATA: &str = "the installation";

fn amount(bytes: u64) -> String {
    let mebibytes = bytes >> 20;
    match mebibytes {
        ..1024 => format!("{mebibytes} MiB"),
        _ => format!("{}.{} GiB", mebibytes >> 10, ((mebibytes & 1023) * 10) >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn little_space_is_warned_of_and_too_little_fails() {
        let space = |of, free| line(&Space { of, path: "/var/lib/docker".into(), free });
        let all = [
            space(ENGINE, Ok(LITTLE)),
            space(ENGINE, Ok(LITTLE - 1)),
            space(ENGINE, Ok(TOO_LITTLE)),
            space(ENGINE, Ok(TOO_LITTLE - 1)),
            space(DATA, Ok(37 << 20)),
            space(DATA, Err("Permission denied".to_owned())),
        ];
        insta::assert_snapshot!(shown(&all));
    }
}
