//! The other services, as this one speaks to them. The wire's types stop here.

mod calls;

use std::fmt::Debug;
use std::net::IpAddr;

use evergate_model::factor::ProvenFactor;
use evergate_model::id::{Session, User};
use evergate_model::{Host, Id, RequestFacts, Timestamp, Verdict};
use futures_util::future::BoxFuture;

pub use calls::Calls;

/// Why another service has no good answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NeighbourError {
    /// Nobody answered, or nobody could.
    #[error("nobody answered: {0}")]
    Unavailable(String),
    /// The session token does not hold: the session has ended.
    #[error("the session has ended")]
    SessionGone,
    /// There is no such thing.
    #[error("there is no such thing: {0}")]
    NotFound(String),
    /// The state of things forbids it.
    #[error("it is not possible: {0}")]
    NotPossible(String),
    /// Anything else: a fault.
    #[error("a fault: {0}")]
    Fault(String),
}

/// The answer of a neighbour, later.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, NeighbourError>>;

/// A session to open.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Whose.
    pub user: Id<User>,
    /// What was proven.
    pub factors: Vec<ProvenFactor>,
    /// From where.
    pub client: IpAddr,
    /// With which browser, as it says.
    pub user_agent: String,
}

/// A session's token for the portal host.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub text: String,
    /// The session.
    pub session: Id<Session>,
}

/// A resource as a user meets it.
#[derive(Debug, Clone)]
pub struct Reachable {
    /// What it is called.
    pub title: String,
    /// Its address.
    pub url: String,
    /// What would be decided.
    pub verdict: Verdict,
}

/// One of a user's sessions.
#[derive(Debug, Clone)]
pub struct SessionSummary {
    /// Which.
    pub id: Id<Session>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ends whatever happens.
    pub ends_at: Timestamp,
    /// When it was seen last.
    pub last_seen_at: Timestamp,
    /// From where it was opened.
    pub client: String,
    /// What was proven, with the last times.
    pub factors: Vec<ProvenFactor>,
}

/// A mail to send.
#[derive(Debug, Clone)]
pub struct Mail {
    /// To whom.
    pub to: String,
    /// What.
    pub kind: MailKind,
    /// What its text is filled with.
    pub fields: Vec<(&'static str, String)>,
}

/// What mail it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// A code to sign in with.
    SignInCode,
    /// Something about the account has changed.
    Notice,
    /// None at all: the same work, and nothing is delivered. For names that nobody has.
    Nothing,
}

/// What came of confirming a soft token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// It is bound.
    Bound,
    /// Wrong code.
    WrongCode,
    /// The enrolment is no more.
    Gone,
}

/// What this service asks of policy and distribution. Writes carry the key of their effect.
pub trait Neighbours: Debug + Send + Sync {
    /// What policy says of a request, asked with the portal's token or none.
    fn decide<'a>(&'a self, token: &'a str, facts: &'a RequestFacts) -> Answer<'a, Verdict>;
    /// Opens a session.
    fn open_session(&self, effect: Vec<u8>, host: &Host, new: NewSession) -> Answer<'_, Token>;
    /// Adds factors to a session.
    fn add_factors(
        &self,
        effect: Vec<u8>,
        host: &Host,
        token: &str,
        factors: Vec<ProvenFactor>,
    ) -> Answer<'_, Token>;
    /// A one-use row that carries the session to another host.
    fn create_hand_over(
        &self,
        effect: Vec<u8>,
        token: &str,
        host: &Host,
        nonce_hash: Vec<u8>,
    ) -> Answer<'_, String>;
    /// Ends the token's session; the position in the revocation log from which on that is known.
    fn end_session(&self, host: &Host, token: &str) -> Answer<'_, i64>;
    /// The sessions of the token's user.
    fn list_sessions(&self, host: &Host, token: &str) -> Answer<'_, Vec<SessionSummary>>;
    /// Ends another session of the token's user; `None`: all but the token's own. The position as above.
    fn revoke_session(
        &self,
        effect: Vec<u8>,
        host: &Host,
        token: &str,
        session: Option<Id<Session>>,
    ) -> Answer<'_, i64>;
    /// What the token's user may reach.
    fn reachable<'a>(
        &'a self,
        host: &'a Host,
        token: &'a str,
        facts: &'a RequestFacts,
    ) -> Answer<'a, Vec<Reachable>>;
    /// Sends a mail.
    fn send_mail(&self, effect: Vec<u8>, mail: Mail) -> Answer<'_, ()>;
    /// Makes a soft token for a user: the enrolment's id and the `otpauth` address.
    fn begin_enrolment(&self, effect: Vec<u8>, user: Id<User>, account: &str)
    -> Answer<'_, (String, String)>;
    /// Binds a soft token by its first code.
    fn confirm_enrolment(
        &self,
        effect: Vec<u8>,
        user: Id<User>,
        enrolment: &str,
        code: &str,
    ) -> Answer<'_, Confirmation>;
}
