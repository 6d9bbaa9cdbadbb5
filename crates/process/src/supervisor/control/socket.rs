//! Where the control socket is. Its path may be longer than the 108 bytes that the system allows a
//! socket's address (unix(7)), so the directory is named by an open descriptor.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The socket's name in the installation's directory.
pub const SOCKET: &str = "control.sock";

/// Makes the socket, in place of one that an earlier supervisor left. The caller must hold the lock
/// that says that no other supervisor lives.
///
/// # Errors
/// When the directory takes none.
pub fn bind(directory: &Path) -> io::Result<UnixListener> {
    let opened = File::open(directory)?;
    let path = within(&opened);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

pub(super) async fn connect(directory: &Path) -> io::Result<UnixStream> {
    let opened = File::open(directory)?;
    UnixStream::connect(within(&opened)).await
}

fn within(directory: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_path_is_no_hindrance_and_an_old_socket_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a-directory-with-a-long-name".repeat(6));
        std::fs::create_dir(&directory).unwrap();
        drop(bind(&directory).unwrap());
        let listener = bind(&directory).unwrap();
        let (client, server) = tokio::join!(connect(&directory), listener.accept());
        assert!(client.is_ok() && server.is_ok());
        let mode = std::fs::metadata(directory.join(SOCKET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
