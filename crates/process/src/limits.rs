//! The limits that the system puts on this process, raised as far as it allows.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the number of files and sockets this process may have open to its hard limit; says how
/// many that are.
///
/// # Errors
/// When the system refuses; the old limit then stands.
pub fn raise_open_files() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

/// Keeps the system from handing this process memory in pieces of 2 MiB. An instance needs some
/// 5 MiB; in large pieces it would be given 20. To be called before threads are started.
///
/// # Errors
/// When the system does not know how.
pub fn use_small_pages() -> nix::Result<()> {
    nix::sys::prctl::set_thp_disable(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_the_hard_one() {
        let hard = raise_open_files().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    }
}
