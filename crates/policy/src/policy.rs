//! What a policy instance holds, and how it comes to know a session.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use evergate_keys::{KeyBundle, KeyError};
use evergate_model::factor::ProvenFactor;
use evergate_model::snapshot::Snapshot;
use evergate_model::{Host, SessionFacts, Timestamp};
use evergate_process::{Clock, Lifecycle, Readiness};
use evergate_store::Memory;
use evergate_store::sessions::{self, Session};
use evergate_tokens::Claims;

use crate::activity::Activity;
use crate::database::{Database, ReadError};
use crate::log::Log;
use crate::rules::{Rules, RulesError};
use crate::session_cache::SessionCache;
use crate::signer::Signer;
use crate::{PolicyError, names};

/// A policy instance. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Policy(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) clock: Clock,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) database: Database,
    pub(crate) log: Log,
    pub(crate) activity: Activity,
    pub(crate) cache: SessionCache,
    rules: ArcSwapOption<Rules>,
    signer: ArcSwapOption<Signer>,
}

/// Why new state was not taken; what was in force stays.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The rules cannot be used.
    #[error("the snapshot's rules cannot be used")]
    Rules(#[from] RulesError),
    /// The keys cannot be used.
    #[error("the internal keys cannot be used")]
    Keys(#[from] KeyError),
}

impl Policy {
    /// An instance that knows nothing yet but the revocations kept in `directory`, and the timeline of the
    /// database in `memory`.
    #[must_use]
    pub fn new(
        clock: Clock,
        lifecycle: Lifecycle,
        readiness: Readiness,
        directory: &Path,
        memory: Memory,
    ) -> Self {
        Self(Arc::new(Inner {
            database: Database::new(readiness, clock.clone(), memory),
            clock,
            lifecycle,
            log: Log::open(Some(directory)),
            activity: Activity::default(),
            cache: SessionCache::default(),
            rules: ArcSwapOption::empty(),
            signer: ArcSwapOption::empty(),
        }))
    }

    /// Goes by this snapshot and these keys from now on.
    ///
    /// # Errors
    /// When one of them cannot be used; then both stay as they were.
    pub fn apply(&self, snapshot: &Snapshot, keys: &KeyBundle) -> Result<(), ApplyError> {
        let rules = Rules::from_snapshot(snapshot, self.0.rules.load().as_deref())?;
        let signer = Signer::from_bundle(keys, &rules.public_keys)?;
        self.0.signer.store(Some(Arc::new(signer)));
        self.0.rules.store(Some(Arc::new(rules)));
        Ok(())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn rules(&self) -> Result<Arc<Rules>, PolicyError> {
        self.0.rules.load_full().ok_or(PolicyError::NotYet)
    }

    pub(crate) fn signer(&self) -> Result<Arc<Signer>, PolicyError> {
        self.0.signer.load_full().ok_or(PolicyError::NotYet)
    }

    /// The claims of a good token whose session is not known to have been revoked.
    pub(crate) fn claims(&self, token: &str, host: &Host, now: Timestamp) -> Result<Claims, PolicyError> {
        let verified = self.rules()?.verifier.verify(token, host, now).map_err(|error| {
            tracing::debug!(%error, "a session token was refused");
            PolicyError::NoSession
        })?;
        let claims = verified.into_claims();
        if self.0.log.holds(claims.facts.session) {
            return Err(PolicyError::NoSession);
        }
        Ok(claims)
    }

    /// The session of a token as it is now: as the database has it, or, where that is away, as the
    /// token has it, for `grace` (without one, until the session's end). `None` where the token is not
    /// good or the session has ended.
    pub(crate) async fn session(
        &self,
        token: &str,
        host: &Host,
        grace: Option<Duration>,
        now: Timestamp,
    ) -> Result<Option<SessionFacts>, PolicyError> {
        if token.is_empty() {
            return Ok(None);
        }
        let claims = match self.claims(token, host, now) {
            Err(PolicyError::NoSession) => return Ok(None),
            claims => claims?,
        };
        match self.0.cache.get(&self.0.database, claims.facts.session).await {
            Ok(Some(session)) => self.refreshed(claims, session, grace, now).await,
            Ok(None) => Ok(None),
            Err(_) => self.facts_of_token(claims, grace),
        }
    }

    /// The facts of a session by its row. Factors that the token proves count as well: the row may
    /// be remembered from before the step-up.
    async fn refreshed(
        &self,
        claims: Claims,
        mut session: Arc<Session>,
        grace: Option<Duration>,
        now: Timestamp,
    ) -> Result<Option<SessionFacts>, PolicyError> {
        let id = claims.facts.session;
        if self.is_idle(&session, now)? {
            session = match self.0.cache.read(&self.0.database, id).await {
                Ok(Some(session)) => session,
                Ok(None) => return Ok(None),
                Err(_) => return self.facts_of_token(claims, grace),
            };
            if self.is_idle(&session, now)? {
                tracing::debug!(session = %id, "a session has ended as idle");
                return Ok(None);
            }
        }
        if !session.is_alive_at(now) {
            return Ok(None);
        }
        self.0.activity.touch(id, now, Some(session.last_seen_at));
        let mut facts = session.facts.clone();
        facts.factors = sessions::merge(facts.factors, &claims.facts.factors);
        Ok(Some(facts))
    }

    /// Without the database the token says what is known, for as long as a good session stays good
    /// without being confirmed. One that had no room for the groups does not say enough.
    fn facts_of_token(
        &self,
        claims: Claims,
        grace: Option<Duration>,
    ) -> Result<Option<SessionFacts>, PolicyError> {
        let is_over = grace.is_some_and(|grace| grace.is_zero() || self.0.database.away_for() > grace);
        if claims.groups_left_out || is_over {
            return Err(PolicyError::DatabaseAway);
        }
        metrics::counter!(names::DECISIONS_WITHOUT_DATABASE).increment(1);
        Ok(Some(claims.facts))
    }

    /// Whether nobody has used a session for too long, by all that this instance has heard.
    pub(crate) fn is_idle(&self, session: &Session, now: Timestamp) -> Result<bool, PolicyError> {
        let limit = self.rules()?.configuration.sessions.idle.as_duration();
        let heard = self.0.activity.last_seen(session.facts.session).unwrap_or(Timestamp::MIN);
        Ok(now >= session.last_seen_at.max(heard).plus(limit))
    }

    /// The session of a good token by its row as it is in the database: for calls that write.
    pub(crate) async fn session_row(
        &self,
        connection: &mut evergate_store::Connection,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Session, PolicyError> {
        let session = sessions::get(connection, claims.facts.session).await?;
        let session = session.filter(|session| session.is_alive_at(now)).ok_or(PolicyError::NoSession)?;
        if self.is_idle(&session, now)? { Err(PolicyError::NoSession) } else { Ok(session) }
    }

    /// Factors as a caller says they were proven: never in the future.
    pub(crate) fn proven(factors: Vec<ProvenFactor>, now: Timestamp) -> Vec<ProvenFactor> {
        factors.into_iter().map(|proven| ProvenFactor { at: proven.at.min(now), ..proven }).collect()
    }
}

impl From<ReadError> for PolicyError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Away | ReadError::Slow => Self::DatabaseAway,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}
