//! `evergate user`: the people who sign in.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use evergate_cluster::api_client::segment;
use fast_qr::QRBuilder;
use serde_json::{Value, json};

use super::people;
use crate::api_client::Target;
use crate::failure::{Usage, hinted};
use crate::output;

/// The arguments of `evergate user`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  evergate user add bob --email bob@example.com --group staff --password-file pw\n  \
                        evergate user list\n  evergate user totp bob"
)]
pub struct UserArguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user
    #[command(
        after_help = "Examples:\n  evergate user add bob --password-file pw --group staff\n  evergate user add bob --invite"
    )]
    Add {
        /// The name to sign in by
        name: String,
        /// The e-mail address, for codes and notices
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// A group the user belongs to; may be repeated
        #[arg(long, value_name = "GROUP")]
        group: Vec<String>,
        /// A file whose first line is the password; `-` reads standard input
        #[arg(long, value_name = "FILE", required_unless_present = "invite")]
        password_file: Option<PathBuf>,
        /// Set no password; print a link by which the user sets one
        #[arg(long, conflicts_with = "password_file")]
        invite: bool,
    },
    /// List the users
    #[command(after_help = "Example:\n  evergate user list")]
    List,
    /// Show one user
    #[command(after_help = "Example:\n  evergate user show bob")]
    Show {
        /// The user
        name: String,
    },
    /// Print a link by which the user sets a password and enrols further factors
    #[command(after_help = "Example:\n  evergate user invite bob")]
    Invite {
        /// The user
        name: String,
    },
    /// End the user's sessions and let the user sign in no more
    #[command(after_help = "Example:\n  evergate user lock bob")]
    Lock {
        /// The user
        name: String,
    },
    /// Let a locked user sign in again
    #[command(after_help = "Example:\n  evergate user unlock bob")]
    Unlock {
        /// The user
        name: String,
    },
    /// Remove a user, with sessions and credentials
    #[command(after_help = "Example:\n  evergate user remove bob")]
    Remove {
        /// The user
        name: String,
    },
    /// Give a user another password, and end all sessions
    #[command(
        after_help = "Examples:\n  evergate user reset bob\n  evergate user reset bob --factors --password-file pw"
    )]
    Reset {
        /// The user
        name: String,
        /// A file whose first line is the new password; `-` reads standard input; without it, one is made and printed
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Take soft tokens and recovery codes away too, so that new ones can be enrolled
        #[arg(long)]
        factors: bool,
    },
    /// Enrol a soft token for a user, shown as a QR code
    #[command(after_help = "Examples:\n  evergate user totp bob\n  evergate user totp bob --otpauth\n  \
                            evergate user totp bob --add")]
    Totp {
        /// The user
        name: String,
        /// Beside the soft token that the user has: both will do
        #[arg(long)]
        add: bool,
        /// Print only the key URI (`otpauth://totp/...`)
        #[arg(long)]
        otpauth: bool,
    },
}

pub(super) async fn user(arguments: &UserArguments) -> anyhow::Result<()> {
    let (target, client) = (&arguments.target, arguments.target.client()?);
    let at = |name: &str| format!("/users/{}", segment(name));
    match &arguments.action {
        Action::Add { name, email, group, password_file, invite } => {
            let password = password_file.as_deref().map(people::password).transpose()?;
            let body = json!({ "name": name, "email": email, "groups": group, "password": password });
            let added = client.post("/users", &body).await?;
            if !invite {
                return target.done(&added, &format!("added user {name}"));
            }
            let invited = client.post(&format!("{}/invite", at(name)), &json!({})).await?;
            target.show(&invited, |answer| output::field(answer, "url"))
        }
        Action::List => {
            let columns = ["name", "email", "groups", "state", "credentials"];
            target.show(&client.get("/users").await?, |answer| output::list(answer, "users", &columns))
        }
        Action::Show { name } => target.show(&client.get(&at(name)).await?, output::record),
        Action::Invite { name } => {
            let answer = client.post(&format!("{}/invite", at(name)), &json!({})).await?;
            target.show(&answer, |answer| output::field(answer, "url"))
        }
        Action::Lock { name } => {
            let answer = client.post(&format!("{}/lock", at(name)), &json!({})).await?;
            target.done(&answer, &format!("locked user {name}"))
        }
        Action::Unlock { name } => {
            let answer = client.post(&format!("{}/unlock", at(name)), &json!({})).await?;
            target.done(&answer, &format!("unlocked user {name}"))
        }
        Action::Remove { name } => {
            target.done(&client.delete(&at(name)).await?, &format!("removed user {name}"))
        }
        Action::Reset { name, password_file, factors } => {
            let password = password_file.as_deref().map(people::password).transpose()?;
            let body = json!({ "password": password, "factors": factors });
            let answer = client.post(&format!("{}/reset", at(name)), &body).await?;
            target.show(&answer, |answer| match answer.get("password") {
                Some(_) => output::field(answer, "password"),
                None => format!("reset user {name}"),
            })
        }
        Action::Totp { name, add, otpauth } => {
            if *otpauth && target.json {
                return Err(Usage("--otpauth and --json exclude each other".to_owned()).into());
            }
            if !add {
                refuse_second_totp(name, &client.get(&at(name)).await?)?;
            }
            let answer = client.post(&format!("{}/totp", at(name)), &json!({})).await?;
            let uri = output::field(&answer, "otpauth");
            let text = if *otpauth { uri } else { format!("{}\n{uri}", qr(&uri)?) };
            target.show(&answer, |_| text)
        }
    }
}

/// Nobody gets a second soft token without having been asked for: the first would still do.
fn refuse_second_totp(name: &str, user: &Value) -> anyhow::Result<()> {
    let credentials = user.get("credentials").and_then(Value::as_array);
    if credentials.is_some_and(|all| all.iter().any(|credential| credential == "totp")) {
        return Err(hinted(
            format!("user `{name}` has a soft token already"),
            format!(
                "--add binds another one beside it; `evergate user reset {name} --factors` takes all away, \
                 and gives another password"
            ),
        ));
    }
    Ok(())
}

/// A QR code of blocks, for terminals.
fn qr(text: &str) -> anyhow::Result<String> {
    let code = QRBuilder::new(text).build().map_err(|error| anyhow!("no QR code can be made: {error}"))?;
    Ok(code.to_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_soft_token_must_be_asked_for() {
        let user = |credentials: Value| json!({ "name": "bob", "credentials": credentials });
        assert!(refuse_second_totp("bob", &user(json!([]))).is_ok());
        assert!(refuse_second_totp("bob", &user(json!(["password", "recovery-codes"]))).is_ok());
        let refusal = refuse_second_totp("bob", &user(json!(["password", "totp"]))).unwrap_err().to_string();
        assert!(refusal.contains("`bob` has a soft token already") && refusal.contains("--add"), "{refusal}");
    }
}
