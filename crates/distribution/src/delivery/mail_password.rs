//! The password for a mail server, from the file that the configuration names.
//!
//! Whoever may change the configuration also says where the password is sent. So that this gives
//! nobody the secrets of the installation itself, no file in its directory is read, except those
//! put into `secrets` there, and nothing that is no password.

use std::io::Read;
use std::path::Path;

use evergate_model::Secret;

/// The directory below the installation's whose files may be named.
const SECRETS: &str = "secrets";
/// The longest password, in bytes.
const LONGEST: u64 = 512;

/// The password in `file`, for the installation whose directory is `installation`.
///
/// # Errors
/// Says why it cannot be read, or is not taken.
pub(super) fn read(file: &Path, installation: &Path) -> Result<Secret<String>, String> {
    let shown = file.display();
    let unread = |error: std::io::Error| format!("the password file `{shown}` cannot be read: {error}");
    // Links and `..` are resolved first: what counts is which file is opened.
    let real = file.canonicalize().map_err(unread)?;
    let own = installation.canonicalize().map_err(unread)?;
    if real.starts_with(&own) && !real.starts_with(own.join(SECRETS)) {
        return Err(format!(
            "the password file `{shown}` belongs to the installation: only files in its `{SECRETS}` may be named"
        ));
    }
    if !real.is_file() {
        return Err(format!("the password file `{shown}` is no file"));
    }
    let mut text = String::new();
    let opened = std::fs::File::open(&real).map_err(unread)?;
    opened.take(LONGEST + 1).read_to_string(&mut text).map_err(unread)?;
    let text = Secret::new(text);
    let password = text.expose().trim_end_matches(['\r', '\n']);
    if password.len() as u64 > LONGEST || password.contains(char::is_control) {
        return Err(format!("the password file `{shown}` does not hold one line of {LONGEST} bytes at most"));
    }
    Ok(Secret::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_installation_are_no_passwords_for_mail_servers() {
        let directory = tempfile::tempdir().unwrap();
        let (installation, outside) = (directory.path().join("data"), directory.path().join("mail-password"));
        std::fs::create_dir_all(installation.join("secrets")).unwrap();
        let put = |name: &str, text: &str| {
            std::fs::write(installation.join(name), text).unwrap();
            installation.join(name)
        };
        let (key, own) = (put("wrapping-key", "0123\n"), put("secrets/mail", "right\r\n"));
        std::fs::write(&outside, "right\n").unwrap();
        for good in [&own, &outside] {
            assert_eq!(read(good, &installation).unwrap().expose(), "right");
        }
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&key, &link).unwrap();
        for bad in [key, link, installation.join("secrets/../wrapping-key"), installation.join("none")] {
            assert!(read(&bad, &installation).is_err(), "{}", bad.display());
        }
    }

    #[test]
    fn what_is_no_password_is_not_sent_anywhere() {
        let (directory, installation) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = directory.path().join("file");
        for text in ["one\ntwo\n".to_owned(), "a".repeat(513)] {
            std::fs::write(&file, text).unwrap();
            let refused = read(&file, installation.path()).unwrap_err();
            assert!(refused.contains("does not hold one line"), "{refused}");
        }
        assert!(read(Path::new("/dev/zero"), installation.path()).unwrap_err().contains("is no file"));
    }
}
