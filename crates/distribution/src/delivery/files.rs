//! Mail as files, for an installation without a mail server: one `.eml` a message.

use std::path::{Path, PathBuf};

use evergate_model::Id;
use evergate_model::id::Message;
use evergate_process::files;

use super::carrier::Carried;

/// Writes the message as `ID.eml`, all of it or nothing; writing it twice is writing it once.
pub(super) async fn write(directory: &Path, id: Id<Message>, mail: Vec<u8>) -> Carried {
    let directory = directory.to_owned();
    let written = tokio::task::spawn_blocking(move || {
        files::make_private_directory(&directory)?;
        files::write_private(&path(&directory, id), &mail)
    });
    match written.await {
        Ok(Ok(())) => Carried::Delivered,
        Ok(Err(error)) => Carried::NotNow(format!("the file cannot be written: {error}")),
        Err(error) => Carried::NotNow(error.to_string()),
    }
}

fn path(directory: &Path, id: Id<Message>) -> PathBuf {
    directory.join(format!("{id}.eml"))
}
