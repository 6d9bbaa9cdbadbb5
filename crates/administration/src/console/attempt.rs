//! An attempt at signing in to the console, with the same limits as users have: counted in one
//! transaction, hashed outside of any, judged in another, once however often its request arrives.

use std::net::IpAddr;

use data_encoding::BASE64;
use evergate_model::{Secret, Timestamp};
use evergate_store::attempts::{self, Counted, Limits, Reservation};
use evergate_store::groups::{self, ADMINISTRATORS};
use evergate_store::users::{self, State as UserState, User};
use evergate_store::{Actor, Connection, Tx, audit, configurations, credentials, effects};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::session::SignedIn;
use crate::Failure;
use crate::office::Office;

/// The fingerprint of these effects: their keys already hash everything that was typed.
const FINGERPRINT: &str = "console";

/// What was typed.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) name: String,
    pub(super) password: Secret<String>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// A session was opened; the cookie to set.
    SignedIn(String),
    /// Not an administrator's name and password.
    Wrong,
    /// Too many failures.
    Paused {
        /// For how long still.
        minutes: u64,
    },
}

/// Makes an attempt. `request` is the same when the same request comes again; with another name or
/// password it is another attempt.
pub(super) async fn make(
    office: &Office,
    client: IpAddr,
    request: Option<&str>,
    typed: Typed,
) -> Result<Outcome, Failure> {
    let Some(name) = users::normal_name(&typed.name) else { return Ok(Outcome::Wrong) };
    if typed.password.expose().is_empty() || typed.password.expose().len() > 1024 {
        return Ok(Outcome::Wrong);
    }
    let once = Once::of(office, request, &name, &typed.password);
    let mut tx = office.store.begin().await?;
    if let Some(outcome) = once.before(&mut tx).await? {
        return Ok(outcome);
    }
    let counted = match once.reserve(&mut tx, client).await? {
        Reservation::Reserved(counted) => counted,
        Reservation::Refused { until } => {
            let minutes = until.since(office.now()).as_secs().div_ceil(60).max(1);
            return Ok(Outcome::Paused { minutes });
        }
    };
    let found = find(&mut tx, &name).await?;
    tx.commit().await?;
    let is_right = office.passwords.verify(typed.password, found.phc.clone()).await?;
    let mut tx = office.store.begin().await?;
    if let Some(outcome) = once.before(&mut tx).await? {
        return Ok(outcome);
    }
    // What was changed while it was hashed, the password or who may sign in with it, is what holds.
    let now_found = find(&mut tx, &name).await?;
    let is_right = is_right && now_found.phc == found.phc;
    let outcome = judge(office, &mut tx, &name, client, counted, now_found, is_right).await?;
    once.keep(&mut tx, &outcome).await?;
    tx.commit().await?;
    Ok(outcome)
}

async fn judge(
    office: &Office,
    tx: &mut Tx,
    name: &str,
    client: IpAddr,
    counted: Counted,
    found: Found,
    is_right: bool,
) -> Result<Outcome, Failure> {
    match found.administrator.filter(|_| is_right) {
        Some(user) => {
            attempts::release(tx, office.now(), name, client, counted).await?;
            Ok(Outcome::SignedIn(SignedIn::open(tx, office.now(), user.id).await?))
        }
        // A name that nobody has may be a password in the wrong field, and strangers have many.
        None if !found.is_user => Ok(Outcome::Wrong),
        None => {
            let detail = json!({ "client": client });
            audit::append(tx, office.now(), &Actor::System, "console.refused", name, &detail).await?;
            Ok(Outcome::Wrong)
        }
    }
}

/// What makes an attempt happen once.
struct Once<'a> {
    office: &'a Office,
    name: &'a str,
    /// Of the request, the name and the password, made with a key since it is stored.
    hash: Option<String>,
}

impl<'a> Once<'a> {
    fn of(office: &'a Office, request: Option<&str>, name: &'a str, password: &Secret<String>) -> Self {
        let hash = |request: &str| {
            let password = password.expose().as_bytes();
            office.vault.hash(&[b"console attempt", request.as_bytes(), name.as_bytes(), password])
        };
        Self { office, name, hash: request.map(hash) }
    }

    fn key(&self, what: &str) -> Option<String> {
        self.hash.as_ref().map(|hash| format!("console {what} {hash}"))
    }

    /// What came of the same request before.
    async fn before(&self, tx: &mut Tx) -> Result<Option<Outcome>, Failure> {
        let Some(key) = self.key("judged") else { return Ok(None) };
        let Some(sealed) = effects::find::<String>(tx, &key, FINGERPRINT).await? else {
            return Ok(None);
        };
        let wrong = |error: &dyn std::fmt::Display| Failure::crypto("an answer")(error);
        let sealed = BASE64.decode(sealed.as_bytes()).map_err(|error| wrong(&error))?;
        let json = self.office.vault.open(&key, &sealed)?;
        serde_json::from_slice(json.expose()).map(Some).map_err(|error| wrong(&error))
    }

    /// Keeps what came of it, sealed: it may hold a session's cookie.
    async fn keep(&self, tx: &mut Tx, outcome: &Outcome) -> Result<(), Failure> {
        let Some(key) = self.key("judged") else { return Ok(()) };
        let json = serde_json::to_vec(outcome).map_err(|error| Failure::crypto("an answer")(&error))?;
        let sealed = BASE64.encode(&self.office.vault.seal(&key, &json));
        Ok(effects::remember(tx, &key, FINGERPRINT, &sealed, self.office.now()).await?)
    }

    /// Counts the attempt, unless the same request was counted before.
    async fn reserve(&self, tx: &mut Tx, client: IpAddr) -> Result<Reservation, Failure> {
        let (key, now) = (self.key("reserved"), self.office.now());
        if let Some(key) = &key
            && let Some(counted) = effects::find(tx, key, FINGERPRINT).await?
        {
            return Ok(Reservation::Reserved(counted));
        }
        let reservation = count(tx, now, self.name, client).await?;
        if let (Some(key), Reservation::Reserved(counted)) = (&key, reservation) {
            effects::remember(tx, key, FINGERPRINT, &counted, now).await?;
        }
        Ok(reservation)
    }
}

async fn count(tx: &mut Tx, now: Timestamp, name: &str, client: IpAddr) -> Result<Reservation, Failure> {
    let (_, configuration) = configurations::latest(tx).await?.ok_or(Failure::Missing("configuration"))?;
    let sign_in = configuration.sign_in;
    let limits = Limits {
        failures: sign_in.failures,
        failures_per_user: sign_in.failures_per_user,
        failures_per_address: Some(sign_in.of_an_address()),
        pause: sign_in.pause.as_duration(),
    };
    Ok(attempts::reserve(tx, now, name, client, limits).await?)
}

/// Who a name is.
#[derive(Default)]
struct Found {
    /// The active administrator of that name.
    administrator: Option<User>,
    /// Whether it is anybody's.
    is_user: bool,
    /// The PHC string to check against.
    phc: Option<String>,
}

async fn find(connection: &mut Connection, name: &str) -> Result<Found, Failure> {
    let Some(user) = users::find_by_name(connection, name).await? else { return Ok(Found::default()) };
    let is_administrator =
        groups::names_of(connection, user.id).await?.iter().any(|group| group == ADMINISTRATORS);
    let phc = credentials::find_password(connection, user.id).await?.map(|(_, phc)| phc);
    let may = is_administrator && user.state == UserState::Active && phc.is_some();
    Ok(Found { administrator: may.then_some(user), is_user: true, phc })
}
