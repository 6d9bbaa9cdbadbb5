//! What is in an image besides the program: directories, the user, names, certificates.

use std::path::Path;

use super::archive::Archive;
use super::{ImageError, read};
use crate::render::{DATA, SQLITE, USER};

/// Where distributions keep the certificates that a machine believes, and where the access point looks for them.
const CERTIFICATES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Writes them.
pub(super) fn skeleton(layer: &mut Archive) -> Result<(), ImageError> {
    let user = USER.parse().unwrap_or(u32::from(u16::MAX));
    let text = |text: String| text.into_bytes();
    layer.file("etc/group", 0o644, &text(format!("root:x:0:\nevergate:x:{USER}:\n")))?;
    // The files first, and of the network's names those that an engine knows.
    layer.file("etc/nsswitch.conf", 0o644, b"hosts: files dns\n")?;
    let users =
        format!("root:x:0:0:root:/:/nonexistent\nevergate:x:{USER}:{USER}:Evergate:{DATA}:/nonexistent\n");
    layer.file("etc/passwd", 0o644, &text(users))?;
    if let Some(path) = CERTIFICATES.into_iter().find(|path| Path::new(path).is_file()) {
        layer.file(path.trim_start_matches('/'), 0o644, &read(Path::new(path))?)?;
    }
    layer.directory("tmp", 0o1777, 0)?;
    // A volume that is mounted here for the first time takes over whose they are.
    for data in [DATA, SQLITE] {
        layer.directory(data.trim_start_matches('/'), 0o700, user)?;
    }
    Ok(())
}
