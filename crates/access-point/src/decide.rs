//! Phase 3: may this request pass? A permit seen before answers, else policy does. What comes out
//! is a [`Permit`], without which nothing can be forwarded, and which only this file makes.

pub(crate) mod flights;
pub(crate) mod permits;
pub(crate) mod policy;
pub(crate) mod revocations;
pub(crate) mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use evergate_model::configuration::UserFact;
use evergate_model::{RequestFacts, Timestamp};
use evergate_process::{Clock, Lifecycle};
use http::{HeaderName, HeaderValue};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::identify::Caller;
use crate::record::counts::{self, Counts};
use crate::site::{BuiltIn, Resource};
use flights::{Flights, Judgement, Outcome};
use permits::{Beginning, Grant, Moment, Pair, Permits};
use policy::{Answer, AnswerVerdict, NoAnswer, Policy, Presence, Question, User};
use revocations::Log;
use sessions::{Life, Sessions, Tether};

/// How long policy may take, all instances together.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// The same while no instance is known to serve: enough to outlive a restart.
const ANSWER_LIMIT_IN_DOUBT: Duration = Duration::from_secs(1);
/// The same when a question was not answered in that time either.
const ANSWER_LIMIT_IN_SILENCE: Duration = Duration::from_millis(500);
/// How long a request waits for policy where grace would stand in for the answer. Twice the time
/// after which a second instance is asked, and less than anybody notices. The question goes on, and
/// its answer counts for the next request.
const ANSWER_LIMIT_IN_GRACE: Duration = Duration::from_millis(300);
/// After a question without answer, grace stands in at once for so long, while questions go on;
/// longer than a question takes to fail, and over with the first answer.
const SILENT_FOR: Duration = Duration::from_secs(3);
/// The most questions on their way: a tenth of a second's work for policy.
const QUESTIONS: usize = 512;
/// Beyond it a question waits its turn, as long as an instance that hangs may hold those before it;
/// if it has none by then, policy is too busy.
const TURN_LIMIT: Duration = Duration::from_millis(250);
/// An answer from an instance that lies behind in the revocation log, or has not heard of the
/// resource, is asked for again: for a second, by which it should have heard.
const BEHIND_ATTEMPTS: u32 = 25;
/// Between two of those.
const BEHIND_PAUSE: Duration = Duration::from_millis(40);

/// Leave to forward one request.
#[derive(Debug)]
pub(crate) struct Permit {
    leave: Leave,
}

#[derive(Debug)]
enum Leave {
    Resource(Arc<Resource>, Arc<Grant>),
    BuiltIn(BuiltIn),
}

/// Where a permit leads.
#[derive(Debug)]
pub(crate) enum Destination<'a> {
    /// To an application.
    Resource(&'a Arc<Resource>),
    /// To pages of ours.
    BuiltIn(BuiltIn),
}

impl Permit {
    /// Leave for pages of ours: their rule is `anyone`, they decide for themselves.
    #[must_use]
    pub(crate) const fn for_built_in(pages: BuiltIn) -> Self {
        Self { leave: Leave::BuiltIn(pages) }
    }

    /// Where it leads.
    #[must_use]
    pub(crate) const fn destination(&self) -> Destination<'_> {
        match &self.leave {
            Leave::Resource(resource, _) => Destination::Resource(resource),
            Leave::BuiltIn(pages) => Destination::BuiltIn(*pages),
        }
    }

    /// The headers that tell the application who the user is.
    #[must_use]
    pub(crate) fn identity(&self) -> &[(HeaderName, HeaderValue)] {
        match &self.leave {
            Leave::Resource(_, grant) => &grant.identity,
            Leave::BuiltIn(_) => &[],
        }
    }

    /// The session's life, if there is a session.
    #[must_use]
    pub(crate) fn life(&self) -> Option<&Life> {
        match &self.leave {
            Leave::Resource(_, grant) => grant.life.as_ref(),
            Leave::BuiltIn(_) => None,
        }
    }

    /// What ties a stream to the session, if there is one.
    #[must_use]
    pub(crate) fn tether(&self) -> Option<Tether> {
        self.life().map(Life::tether)
    }

    /// How long the session still lives, at most `longest`.
    #[must_use]
    pub(crate) fn remaining(&self, now: Timestamp, longest: Duration) -> Duration {
        match &self.leave {
            Leave::Resource(_, grant) => grant.ends_at.since(now).min(longest),
            Leave::BuiltIn(_) => longest,
        }
    }

    /// The user's name, if there is a session.
    #[must_use]
    pub(crate) fn user(&self) -> Option<Arc<str>> {
        match &self.leave {
            Leave::Resource(_, grant) => Some(Arc::clone(&grant.user)),
            Leave::BuiltIn(_) => None,
        }
    }
}

/// What is decided of a request.
#[derive(Debug)]
pub(crate) enum Ruling {
    /// It passes.
    Permitted(Permit),
    /// Not without signing in, or proving more.
    SignIn,
    /// It does not pass; the reason is what the user may know.
    Denied(String),
    /// Nobody can say now.
    Unconfirmed,
}

/// A request to be decided on.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The resource that it is for.
    pub(crate) resource: Arc<Resource>,
    /// Whose it is, if there is a session.
    pub(crate) caller: Option<Arc<Caller>>,
    /// The request.
    pub(crate) facts: Arc<RequestFacts>,
    /// The configuration version in force.
    pub(crate) version: u64,
}

/// Decides; shared by all serving threads.
pub(crate) struct Decider {
    policy: Arc<dyn Policy>,
    permits: Permits,
    flights: Arc<Flights>,
    /// How far revocations are known.
    pub(crate) log: Arc<Log>,
    /// The sessions seen.
    pub(crate) sessions: Arc<Sessions>,
    clock: Clock,
    lifecycle: Lifecycle,
    /// Questions are carried here, so that they outlive the request that asked first.
    control: Handle,
    counts: Counts,
    silent_until: AtomicI64,
    /// Grace has stood in since the last answer.
    is_standing_in: AtomicBool,
    room: Semaphore,
}

impl std::fmt::Debug for Decider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decider")
    }
}

impl Decider {
    /// One that asks `policy` on the present runtime.
    #[must_use]
    pub(crate) fn new(policy: Arc<dyn Policy>, clock: Clock, lifecycle: Lifecycle) -> Self {
        Self {
            policy,
            permits: Permits::default(),
            flights: Arc::default(),
            log: Arc::default(),
            sessions: Arc::default(),
            clock,
            lifecycle,
            control: Handle::current(),
            counts: Counts::default(),
            silent_until: AtomicI64::new(i64::MIN),
            is_standing_in: AtomicBool::new(false),
            room: Semaphore::new(QUESTIONS),
        }
    }

    /// Decides on a request.
    pub(crate) async fn decide(self: &Arc<Self>, case: Case) -> Ruling {
        let moment = self.moment(&case);
        let pair = pair(&case);
        let known = self.permits.find(&pair, &case.facts);
        let may_repeat = !case.resource.permit_cache.is_zero();
        if may_repeat && let Some(grant) = known.as_ref().filter(|grant| grant.is_fresh(moment)) {
            self.counts.decided(counts::Verdict::Permit, true);
            if grant.is_aging(moment) && self.flights.current(&pair).is_none() {
                drop(self.ask(&pair, &case, true));
            }
            return permitted(&case, Arc::clone(grant));
        }
        let grace = case.resource.grace.as_duration();
        let stand_in = known.filter(|grant| grant.is_in_grace(grace, moment));
        let outcome = match &stand_in {
            None => self.answer(&pair, &case).await,
            Some(_) => self.answer_soon(&pair, &case, moment.now).await,
        };
        match (outcome, stand_in) {
            (Ok(judgement), _) => self.ruling(&case, &judgement),
            (Err(NoAnswer::Away(_) | NoAnswer::Behind), Some(grant))
                if grant.is_in_grace(grace, self.moment(&case)) =>
            {
                self.counts.grace();
                if !self.is_standing_in.swap(true, Ordering::Relaxed) {
                    tracing::warn!("policy does not answer: permits that were seen are repeated");
                }
                permitted(&case, grant)
            }
            (Err(no_answer), _) => {
                self.unconfirmed(&case, &no_answer);
                Ruling::Unconfirmed
            }
        }
    }

    /// Nobody can say, and nothing stands in. Busy is not away: grace would let an attacker who
    /// keeps policy busy keep permits that were taken back.
    fn unconfirmed(&self, case: &Case, no_answer: &NoAnswer) {
        self.counts.decided(counts::Verdict::Unconfirmed, false);
        let resource = &case.resource.name;
        match no_answer {
            NoAnswer::Refused(reason) | NoAnswer::Unknown(reason) => {
                tracing::warn!(reason, %resource, "policy refused the question");
            }
            // Many at once; the link tells that nobody answers.
            NoAnswer::Away(_) | NoAnswer::Busy(_) | NoAnswer::Behind => {
                tracing::debug!(reason = %no_answer, %resource, "request not confirmed");
            }
        }
    }

    fn moment(&self, case: &Case) -> Moment {
        let now = self.clock.now();
        Moment { now, version: case.version, is_unheard: self.log.is_silent(now) }
    }

    /// Policy's answer: of a question on its way if that fits, else of an own one.
    async fn answer(self: &Arc<Self>, pair: &Pair, case: &Case) -> Outcome {
        if !case.resource.permit_cache.is_zero()
            && let Some(flight) = self.flights.current(pair)
        {
            match flight.clone().outcome().await {
                Ok(judgement) if flight.answers(&judgement.answer, &case.facts) => return Ok(judgement),
                // To ask for oneself would not make it less busy.
                Err(busy @ NoAnswer::Busy(_)) => return Err(busy),
                Ok(_) | Err(_) => {}
            }
        }
        self.ask(pair, case, !case.resource.permit_cache.is_zero()).outcome().await
    }

    /// The same where grace can stand in: not waited for long, and not at all while nobody answers.
    async fn answer_soon(self: &Arc<Self>, pair: &Pair, case: &Case, now: Timestamp) -> Outcome {
        let no_answer = |why: &str| Err(NoAnswer::Away(why.to_owned()));
        if self.policy.presence() == Presence::Away {
            // Heartbeats find whoever comes back.
            return no_answer("no instance takes connections");
        }
        if self.is_silent(now) {
            if self.flights.current(pair).is_none() {
                drop(self.ask(pair, case, true));
            }
            return no_answer("the last question was not answered");
        }
        let answer = tokio::time::timeout(ANSWER_LIMIT_IN_GRACE, self.answer(pair, case)).await;
        answer.unwrap_or_else(|_| {
            if self.policy.presence() != Presence::Serving {
                self.note_silence();
            }
            no_answer("no answer so soon")
        })
    }

    /// Whether the last question was not answered, and that not long ago.
    fn is_silent(&self, now: Timestamp) -> bool {
        now < Timestamp::from_milliseconds(self.silent_until.load(Ordering::Relaxed))
    }

    fn note_silence(&self) {
        let until = self.clock.now().plus(SILENT_FOR);
        self.silent_until.store(until.as_milliseconds(), Ordering::Relaxed);
    }

    fn note_answer(&self) {
        self.silent_until.store(i64::MIN, Ordering::Relaxed);
        if self.is_standing_in.swap(false, Ordering::Relaxed) {
            tracing::info!("policy answers again");
        }
    }

    /// Sends policy a question, which goes on even if nobody waits for it; if it is open, it is the
    /// one for its pair while it lasts.
    fn ask(self: &Arc<Self>, pair: &Pair, case: &Case, is_open: bool) -> flights::Flight {
        let (flight, landing) = self.flights.begin(pair, Arc::clone(&case.facts), is_open);
        let Some(landing) = landing else { return flight };
        let (this, pair, case) = (Arc::clone(self), pair.clone(), case.clone());
        let _on_control = self.control.enter();
        self.lifecycle.spawn("decide", async move {
            let Ok(Ok(_room)) = tokio::time::timeout(TURN_LIMIT, this.room.acquire()).await else {
                return landing.land(Err(NoAnswer::Busy("too many questions are on their way".to_owned())));
            };
            let (asked_at, begun) = (this.clock.now(), this.permits.begin());
            let outcome = match this.question(&case).await {
                Ok(answer) => {
                    this.note_answer();
                    Ok(Arc::new(this.judge(pair, &case, answer, asked_at, begun)))
                }
                Err(no_answer) => {
                    this.learn_of_silence(&pair, &case, &no_answer);
                    Err(no_answer)
                }
            };
            landing.land(outcome);
        });
        flight
    }

    /// Asks until someone answers who has followed the revocation log as far as we have, and knows
    /// the resource.
    async fn question(&self, case: &Case) -> Result<Answer, NoAnswer> {
        let token = case.caller.as_ref().map_or_else(|| "".into(), |caller| caller.token.clone());
        let facts = RequestFacts::clone(&case.facts);
        let known = self.log.position();
        let mut question = Question { token, resource: case.resource.name.clone(), facts, known };
        let limit = match self.policy.presence() {
            Presence::Serving => ANSWER_LIMIT,
            Presence::Doubtful | Presence::Away if self.is_silent(self.clock.now()) => {
                ANSWER_LIMIT_IN_SILENCE
            }
            Presence::Doubtful | Presence::Away => ANSWER_LIMIT_IN_DOUBT,
        };
        let mut last = NoAnswer::Away("nobody was asked".to_owned());
        for attempt in 0..BEHIND_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(BEHIND_PAUSE).await;
                question.known = self.log.position();
            }
            last = match self.policy.decide(question.clone(), limit).await {
                Ok(answer) if !is_for(&answer, case) => {
                    return Err(NoAnswer::Away("the answer is about another session".to_owned()));
                }
                Ok(answer) if !answer.is_permit() || answer.log_position >= question.known => {
                    return Ok(answer);
                }
                Ok(_) => NoAnswer::Behind,
                Err(again @ (NoAnswer::Unknown(_) | NoAnswer::Behind)) => again,
                Err(no_answer) => return Err(no_answer),
            };
        }
        Err(last)
    }

    /// Remembers what an answer teaches: a permit is kept, anything else forgets it.
    fn judge(
        &self,
        pair: Pair,
        case: &Case,
        answer: Answer,
        asked_at: Timestamp,
        begun: Beginning,
    ) -> Judgement {
        let grant = match &answer.verdict {
            AnswerVerdict::Permit(user) => Some(Arc::new(grant(case, &answer, user, asked_at))),
            AnswerVerdict::SignIn | AnswerVerdict::Deny(_) => None,
        };
        match &grant {
            Some(grant) => self.permits.keep(pair, &case.facts, Arc::clone(grant), begun),
            None => self.permits.forget(&pair, &case.facts),
        }
        Judgement { answer, grant }
    }

    fn learn_of_silence(&self, pair: &Pair, case: &Case, no_answer: &NoAnswer) {
        match no_answer {
            NoAnswer::Refused(_) | NoAnswer::Unknown(_) => self.permits.forget(pair, &case.facts),
            NoAnswer::Away(_) => self.note_silence(),
            NoAnswer::Busy(_) | NoAnswer::Behind => {}
        }
    }

    fn ruling(&self, case: &Case, judgement: &Judgement) -> Ruling {
        // Revoked while the answer was on its way.
        let has_ended = case.caller.as_ref().is_some_and(|caller| caller.life.has_ended());
        match (&judgement.answer.verdict, &judgement.grant) {
            (AnswerVerdict::Permit(_), Some(grant)) if !has_ended => {
                self.counts.decided(counts::Verdict::Permit, false);
                permitted(case, Arc::clone(grant))
            }
            (AnswerVerdict::Deny(reason), _) => {
                self.counts.decided(counts::Verdict::Deny, false);
                Ruling::Denied(reason.clone())
            }
            (AnswerVerdict::SignIn | AnswerVerdict::Permit(_), _) => {
                self.counts.decided(counts::Verdict::SignIn, false);
                Ruling::SignIn
            }
        }
    }
}

/// Whether a permit is for the session that was asked about, or for anyone.
fn is_for(answer: &Answer, case: &Case) -> bool {
    let AnswerVerdict::Permit(user) = &answer.verdict else { return true };
    let asked = case.caller.as_ref().map(|caller| caller.claims.facts.session);
    user.session.is_none() || user.session == asked
}

fn grant(case: &Case, answer: &Answer, user: &User, asked_at: Timestamp) -> Grant {
    let caller = case.caller.as_ref();
    Grant {
        identity: identity(&case.resource, user),
        user: user.name.as_str().into(),
        life: caller.map(|caller| caller.life.clone()),
        ends_at: caller.map_or(Timestamp::MAX, |caller| caller.ends_at()),
        reads: answer.reads.clone(),
        version: answer.version,
        made_at: asked_at,
        valid_until: answer.valid_until,
        lifetime: permits::lifetime(case.resource.permit_cache.as_duration(), rand::random()),
    }
}

fn permitted(case: &Case, grant: Arc<Grant>) -> Ruling {
    Ruling::Permitted(Permit { leave: Leave::Resource(Arc::clone(&case.resource), grant) })
}

fn pair(case: &Case) -> Pair {
    let token = case.caller.as_ref().map_or([0; 32], |caller| caller.digest);
    Pair { token, resource: case.resource.name.clone() }
}

/// The headers that tell an application who the user is; what is not known is left out.
fn identity(resource: &Resource, user: &User) -> Vec<(HeaderName, HeaderValue)> {
    let groups = user.groups.join(",");
    let ours = [
        ("x-evergate-user", user.name.as_str()),
        ("x-evergate-email", &user.email),
        ("x-evergate-groups", &groups),
        ("x-evergate-session", &user.pseudonym),
        ("x-evergate-assertion", &user.assertion),
    ];
    let ours = ours.map(|(name, value)| (HeaderName::from_static(name), value));
    let extra = resource.extra_headers.iter().map(|(name, fact)| {
        let value = match fact {
            UserFact::User => user.name.as_str(),
            UserFact::Groups => &groups,
            UserFact::Email => &user.email,
        };
        (name.clone(), value)
    });
    ours.into_iter()
        .chain(extra)
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?)))
        .collect()
}
