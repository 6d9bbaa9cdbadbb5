//! Users and what they sign in with. Whoever is locked, removed or given another password is signed
//! out everywhere in the same transaction.

mod show;
mod totp;

use axum::extract::Path;
use axum::http::Method;
use evergate_keys::{new_id, password, random};
use evergate_model::{Secret, Timestamp};
use evergate_store::groups::{self, ADMINISTRATORS};
use evergate_store::users::{self, State, User};
use evergate_store::{attempts, configurations, console_sessions, credentials, invitations, sessions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::write::Write;
use super::{Answer, Call, Route, Stop};
use crate::configuration::is_address;
use crate::names::check_is_seen;
use crate::setup::new_password;
use crate::{Failure, Privilege};

pub(super) use show::UserView;

/// How long an invitation can be followed.
const INVITATION: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);

pub(super) fn routes() -> Vec<Route> {
    let (read, write) = (Privilege::ReadUsers, Privilege::WriteUsers);
    vec![
        Route::new(Method::GET, "/users", read, "users by name", show::list)
            .query::<show::Page>()
            .gives::<show::List>(),
        Route::new(Method::POST, "/users", write, "adds a user", add).takes::<New>().gives::<UserView>(),
        Route::new(Method::GET, "/users/{name}", read, "one user", show::show).gives::<UserView>(),
        Route::new(Method::PATCH, "/users/{name}", write, "changes the e-mail address", change)
            .takes::<Change>()
            .gives::<UserView>(),
        Route::new(Method::DELETE, "/users/{name}", write, "removes a user", remove),
        Route::new(Method::POST, "/users/{name}/lock", write, "locks a user out", lock),
        Route::new(Method::POST, "/users/{name}/unlock", write, "lets a user in again", unlock),
        Route::new(Method::POST, "/users/{name}/reset", write, "gives a user another password", reset)
            .takes::<Reset>()
            .gives::<ResetDone>(),
        Route::new(Method::POST, "/users/{name}/invite", write, "makes a link to begin with", invite)
            .gives::<Invited>(),
        Route::new(Method::POST, "/users/{name}/totp", write, "enrols a soft token", totp::enrol)
            .gives::<totp::Enrolled>(),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct New {
    /// The name to sign in by.
    name: String,
    email: Option<String>,
    /// Absent: the user cannot sign in before an invitation or a reset.
    password: Option<String>,
    /// Groups to be in; they must be there.
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// The address; `null` forgets it.
    email: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reset {
    /// The new password; absent: one is made.
    password: Option<String>,
    /// Whether soft tokens and recovery codes go too, so that the user may enrol new ones.
    #[serde(default)]
    factors: bool,
}

#[derive(Serialize, JsonSchema)]
struct ResetDone {
    /// The password that was made; shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Invited {
    /// The link; shown once.
    url: String,
    expires_at: i64,
}

async fn add(call: Call) -> Result<Answer, Stop> {
    let new: New = call.json()?;
    check_is_seen("name", new.name.trim())?;
    let name = users::normal_name(&new.name)
        .ok_or_else(|| Failure::invalid("name", format!("`{}` cannot be a name", new.name.escape_debug())))?;
    check_email(new.email.as_deref())?;
    if new.groups.iter().any(|group| group == ADMINISTRATORS) {
        call.caller.require(Privilege::ManageAdministrators)?;
    }
    let phc = match new.password {
        Some(password) => Some(hash(&call, password.into(), &name).await?),
        None => None,
    };
    let mut write = call.begin().await?;
    if users::find_by_name(&mut write, &name).await?.is_some() {
        return Err(Failure::Conflict(format!("there is a user `{name}` already")).into());
    }
    let (actor, now) = (write.actor.clone(), write.now);
    let user = User {
        id: new_id(now),
        name,
        email: new.email,
        state: State::Active,
        created_at: now,
        invited_at: None,
    };
    users::add(&mut write, &actor, now, &user).await?;
    if let Some(phc) = phc {
        credentials::set_password(&mut write, &actor, now, user.id, new_id(now), &phc).await?;
    }
    for group in &new.groups {
        if !groups::exists(&mut write, group).await? {
            return Err(Failure::invalid("groups", format!("there is no group `{group}`")).into());
        }
        groups::add_member(&mut write, &actor, now, group, user.id).await?;
    }
    let view = UserView::load(&mut write, user).await?;
    write.finish(Answer::created(&view)).await
}

async fn change(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let change: Change = call.json()?;
    check_email(change.email.as_deref())?;
    let (mut write, user) = begin(&call, &name).await?;
    let (actor, now) = (write.actor.clone(), write.now);
    users::set_email(&mut write, &actor, now, user.id, change.email.as_deref()).await?;
    let view = UserView::load(&mut write, User { email: change.email, ..user }).await?;
    write.finish(Answer::ok(&view)).await
}

async fn remove(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let (mut write, user) = begin(&call, &name).await?;
    refuse_last_administrator(&mut write, &user).await?;
    sign_out(&mut write, &user).await?;
    let (actor, now) = (write.actor.clone(), write.now);
    // Whoever has the name next is known nowhere.
    attempts::clear(&mut write, &user.name).await?;
    users::remove(&mut write, &actor, now, user.id).await?;
    write.finish(Answer::nothing()).await
}

async fn lock(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let (mut write, user) = begin(&call, &name).await?;
    refuse_last_administrator(&mut write, &user).await?;
    let (actor, now) = (write.actor.clone(), write.now);
    sign_out(&mut write, &user).await?;
    users::set_state(&mut write, &actor, now, user.id, State::Locked).await?;
    write.finish(Answer::nothing()).await
}

async fn unlock(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let (mut write, user) = begin(&call, &name).await?;
    let (actor, now) = (write.actor.clone(), write.now);
    users::set_state(&mut write, &actor, now, user.id, State::Active).await?;
    attempts::clear(&mut write, &user.name).await?;
    write.finish(Answer::nothing()).await
}

async fn reset(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let reset: Reset = call.json()?;
    let made = reset.password.is_none().then(new_password);
    let chosen = reset.password.map(Secret::new).or_else(|| made.clone());
    let phc = hash(&call, chosen.unwrap_or_else(new_password), &name).await?;
    let (mut write, user) = begin(&call, &name).await?;
    let (actor, now) = (write.actor.clone(), write.now);
    credentials::set_password(&mut write, &actor, now, user.id, new_id(now), &phc).await?;
    if reset.factors {
        for sort in [credentials::Sort::Totp, credentials::Sort::RecoveryCodes] {
            credentials::forget_all(&mut write, &actor, now, user.id, sort).await?;
        }
    }
    attempts::clear(&mut write, &user.name).await?;
    sign_out(&mut write, &user).await?;
    let done = ResetDone { password: made.map(|password| password.expose().clone()) };
    write.finish(Answer::ok(&done)).await
}

async fn invite(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let (mut write, user) = begin(&call, &name).await?;
    let (actor, now) = (write.actor.clone(), write.now);
    let (token, hash) = random_token();
    let expires_at: Timestamp = now.plus(INVITATION);
    invitations::add(&mut write, &actor, now, user.id, &hash, expires_at).await?;
    let (_, configuration) =
        configurations::latest(&mut write).await?.ok_or(Failure::Missing("configuration"))?;
    let port = configuration.public_port.map(|port| format!(":{port}")).unwrap_or_default();
    let url = format!("https://{}{port}/invitation?token={}", configuration.portal_host, token.expose());
    let invited = Invited { url, expires_at: expires_at.as_milliseconds() };
    write.finish(Answer::created(&invited)).await
}

/// A secret of 256 bits in text, and the hash that is kept of it.
pub(crate) fn random_token() -> (Secret<String>, String) {
    let token = data_encoding::BASE64URL_NOPAD.encode(&random::bytes::<32>());
    let hash = token_hash(&token);
    (Secret::new(token), hash)
}

/// What is kept of such a secret.
pub(crate) fn token_hash(token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    data_encoding::HEXLOWER.encode(digest.as_ref())
}

/// A write about a user that the caller may change.
async fn begin(call: &Call, name: &str) -> Result<(Write, User), Stop> {
    let mut write = call.begin().await?;
    let user = users::find_by_name(&mut write, name).await?.ok_or_else(|| not_found(name))?;
    if groups::names_of(&mut write, user.id).await?.iter().any(|group| group == ADMINISTRATORS) {
        call.caller.require(Privilege::ManageAdministrators)?;
    }
    Ok((write, user))
}

/// Ends the user's sessions, also those in the console.
async fn sign_out(write: &mut Write, user: &User) -> Result<(), Failure> {
    let (actor, now) = (write.actor.clone(), write.now);
    sessions::revoke_user(write, &actor, now, user.id).await?;
    console_sessions::end_all_of(write, user.id).await?;
    Ok(())
}

async fn refuse_last_administrator(write: &mut Write, user: &User) -> Result<(), Failure> {
    let mut others = 0_usize;
    let mut is_one = false;
    for (id, _) in groups::members(write, ADMINISTRATORS).await? {
        let is_active = users::get(write, id).await?.is_some_and(|member| member.state == State::Active);
        is_one |= id == user.id;
        others += usize::from(id != user.id && is_active);
    }
    if is_one && others == 0 {
        return Err(Failure::Conflict(format!("`{}` is the last administrator", user.name)));
    }
    Ok(())
}

async fn hash(call: &Call, new: Secret<String>, name: &str) -> Result<String, Failure> {
    password::check_new(&new, name).map_err(|error| Failure::invalid("password", error.to_string()))?;
    call.office.passwords.hash(new).await
}

fn check_email(email: Option<&str>) -> Result<(), Failure> {
    match email {
        Some(email) if !is_address(email) => {
            Err(Failure::invalid("email", format!("`{}` is not an e-mail address", email.escape_debug())))
        }
        _ => Ok(()),
    }
}

fn not_found(name: &str) -> Failure {
    Failure::NotFound(format!("user `{name}`"))
}
