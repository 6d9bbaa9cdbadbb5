//! `evergate mail`: reads the messages that were written to files.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use crate::cli::Installation;
use crate::failure::hinted;
use crate::output;

/// The arguments of `evergate mail`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  evergate mail list\n  evergate mail show")]
pub struct MailArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the messages, the newest last
    #[command(after_help = "Example:\n  evergate mail list --json")]
    List {
        #[command(flatten)]
        installation: Installation,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print one message
    #[command(after_help = "Example:\n  evergate mail show")]
    Show {
        /// The message's name, as `list` prints it; without it, the newest
        name: Option<String>,
        #[command(flatten)]
        installation: Installation,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// A message, as far as it is shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Message {
    name: String,
    date: String,
    to: String,
    subject: String,
    message_id: String,
    file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Lists or shows messages.
///
/// # Errors
/// When there is no such message, or the directory cannot be read.
pub fn mail(arguments: &MailArguments) -> anyhow::Result<()> {
    let text = match &arguments.action {
        Action::List { installation, json } => {
            let messages: Vec<Message> =
                files(&installation.data)?.iter().filter_map(|file| read(file, false).ok()).collect();
            if *json { serde_json::to_string_pretty(&messages)? } else { table(&messages) }
        }
        Action::Show { name, installation, json } => {
            let file = find(&installation.data, name.as_deref())?;
            let message = read(&file, true)?;
            if *json { serde_json::to_string_pretty(&message)? } else { whole(&message) }
        }
    };
    output::print(&text)
}

/// The files, the newest last.
fn files(data: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let directory = data.join("mail");
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .with_context(|| format!("cannot read `{}`", directory.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .filter_map(|path| Some((std::fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

fn find(data: &Path, name: Option<&str>) -> anyhow::Result<PathBuf> {
    let is_wanted = |path: &PathBuf| match name {
        Some(name) => path.file_stem().is_some_and(|stem| stem == name.trim_end_matches(".eml")),
        None => true,
    };
    files(data)?.into_iter().rfind(is_wanted).ok_or_else(|| {
        let text = name
            .map_or_else(|| "there is no mail".to_owned(), |name| format!("there is no message `{name}`"));
        hinted(text, "`evergate mail list` shows what there is")
    })
}

fn read(file: &Path, with_text: bool) -> anyhow::Result<Message> {
    let content = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let content = String::from_utf8_lossy(&content).replace("\r\n", "\n");
    let (head, body) = content.split_once("\n\n").unwrap_or((&content, ""));
    Ok(Message {
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        date: header(head, "date"),
        to: header(head, "to"),
        subject: header(head, "subject"),
        message_id: header(head, "message-id"),
        file: file.to_owned(),
        text: with_text.then(|| decode(head, body)),
    })
}

/// A header's value, its folded lines joined (RFC 5322, section 2.2.3).
fn header(head: &str, wanted: &str) -> String {
    let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
    unfolded
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim().to_owned())
        .unwrap_or_default()
}

/// The body as text; quoted-printable is read (RFC 2045, section 6.7), anything else left as it is.
fn decode(head: &str, body: &str) -> String {
    if !header(head, "content-transfer-encoding").eq_ignore_ascii_case("quoted-printable") {
        return body.to_owned();
    }
    let joined = body.replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'=');
        let value = escaped.and_then(|hex| data_encoding::HEXUPPER_PERMISSIVE.decode(hex).ok());
        rest = match value {
            Some(value) => {
                bytes.extend(value);
                after.get(2..).unwrap_or_default()
            }
            None => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn table(messages: &[Message]) -> String {
    let line = |message: &Message| {
        format!("{}  {}  {}  {}", message.name, message.date, message.to, message.subject)
    };
    if messages.is_empty() {
        "no mail".to_owned()
    } else {
        messages.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn whole(message: &Message) -> String {
    let text = message.text.as_deref().unwrap_or_default();
    format!("Date: {}\nTo: {}\nSubject: {}\n\n{text}", message.date, message.to, message.subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_with_folded_headers_and_quoted_text() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("mail")).unwrap();
        let content = "To: alice@example.com\r\nSubject: Your\r\n code\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nf=C3=BCr=\r\n dich: 123456=\r\n";
        std::fs::write(directory.path().join("mail/m1.eml"), content).unwrap();
        let file = find(directory.path(), None).unwrap();
        let message = read(&file, true).unwrap();
        assert_eq!((message.to.as_str(), message.subject.as_str()), ("alice@example.com", "Your code"));
        assert_eq!(message.text.as_deref(), Some("für dich: 123456"));
        assert!(find(directory.path(), Some("m2")).is_err());
        assert_eq!(find(directory.path(), Some("m1.eml")).unwrap(), file);
    }
}
