//! What is asked of the policy service, and its answers, checked: the one place that knows the
//! wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evergate_failover::engine::State;
use evergate_failover::shell::CallOptions;
use evergate_model::id::{Request, Session};
use evergate_model::{Host, Id, Name, Reads, RequestFacts, Service, Timestamp};
use evergate_process::link::Link;
use evergate_wire::convert::{self, ConvertError};
use evergate_wire::peers::{NotOk, PeerError, Peers};
use evergate_wire::proto::{self, decide_reply::Verdict};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tonic::{Code, Status};

use super::sessions::Revocation;

/// May this request pass?
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The session token; empty: no session.
    pub(crate) token: Box<str>,
    /// The resource.
    pub(crate) resource: Name,
    /// The request.
    pub(crate) facts: RequestFacts,
    /// How far revocations are known here: a permit by anyone who lies behind it is not taken.
    pub(crate) known: i64,
}

/// What is known of the policy instances without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Someone serves.
    Serving,
    /// Nobody is known to serve, but someone may only be slow.
    Doubtful,
    /// Everybody refuses connections.
    Away,
}

/// Policy's answer to a question.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// May it pass?
    pub(crate) verdict: AnswerVerdict,
    /// What of the request the answer rests on.
    pub(crate) reads: Reads,
    /// The earliest moment at which it might be another.
    pub(crate) valid_until: Timestamp,
    /// How far the one who answered had followed the revocation log.
    pub(crate) log_position: i64,
    /// The configuration version that it went by.
    pub(crate) version: u64,
}

impl Answer {
    /// Whether it may pass.
    pub(crate) const fn is_permit(&self) -> bool {
        matches!(self.verdict, AnswerVerdict::Permit(_))
    }
}

/// May it pass?
#[derive(Debug, Clone)]
pub(crate) enum AnswerVerdict {
    /// Yes.
    Permit(Arc<User>),
    /// Not without signing in, or proving more.
    SignIn,
    /// No; the reason is what the user may know.
    Deny(String),
}

/// Who passes, as applications are told.
#[derive(Debug, Clone, Default)]
pub(crate) struct User {
    /// The session; absent where none was needed.
    pub(crate) session: Option<Id<Session>>,
    /// The name the user signs in by.
    pub(crate) name: String,
    /// The e-mail address, if known.
    pub(crate) email: String,
    /// The names of the groups.
    pub(crate) groups: Vec<String>,
    /// The user's pseudonym at the resource.
    pub(crate) pseudonym: String,
    /// A JWT for the resource.
    pub(crate) assertion: String,
}

/// A session token, fresh from policy.
#[derive(Debug, Clone)]
pub(crate) struct Redeemed {
    /// The token's text.
    pub(crate) token: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// No policy instance could answer now.
    #[error("no policy instance could answer: {0}")]
    Away(String),
    /// All who could have answered have too much to do.
    #[error("policy is too busy: {0}")]
    Busy(String),
    /// All who answered lie behind in the revocation log: their permits might be for sessions that
    /// have ended.
    #[error("whoever answers lies behind in the revocation log")]
    Behind,
    /// It answered that it will not: the request is at fault.
    #[error("policy refused: {0}")]
    Refused(String),
    /// It does not know the resource, because it has not heard of it yet, or no longer.
    #[error("policy goes by another configuration: {0}")]
    Unknown(String),
}

/// A step of the revocation log.
#[derive(Debug, Clone)]
pub(crate) struct LogStep {
    /// What was revoked since the last one.
    pub(crate) revocations: Vec<Revocation>,
    /// All numbers up to this one have been told.
    pub(crate) position: i64,
    /// Whoever tells it would not hear of a revocation now.
    pub(crate) is_stale: bool,
}

/// The revocation log from a position on, for as long as the stream stands.
pub(crate) struct LogStream {
    /// Who sends it.
    pub(crate) from: Name,
    /// Its steps.
    pub(crate) steps: BoxStream<'static, LogStep>,
}

/// A denial, to be audited.
#[derive(Debug, Clone)]
pub(crate) struct Denial {
    /// The request.
    pub(crate) request: Id<Request>,
    /// When.
    pub(crate) at: Timestamp,
    /// The user's name, if there was a session.
    pub(crate) user: String,
    /// The resource.
    pub(crate) resource: Name,
    /// The request's facts, and why it was denied.
    pub(crate) detail: String,
    /// The client's address.
    pub(crate) client: String,
}

/// The policy service, as an access point uses it. Tests put one of their own in its place.
pub(crate) trait Policy: Send + Sync + 'static {
    /// May this request pass? Answers within `limit`.
    fn decide(&self, question: Question, limit: Duration) -> BoxFuture<'static, Result<Answer, NoAnswer>>;
    /// The session token that a hand-over carries, for `host`.
    fn redeem(
        &self,
        request: Id<Request>,
        hand_over: String,
        host: Host,
        nonce: Vec<u8>,
    ) -> BoxFuture<'static, Result<Redeemed, NoAnswer>>;
    /// Ends the token's session; the position in the revocation log from which on that is known.
    fn end_session(&self, token: String, host: Host) -> BoxFuture<'static, Result<i64, NoAnswer>>;
    /// What is known of the instances now.
    fn presence(&self) -> Presence;
    /// The revocation log after this position; of another instance than `avoided`, if there is one.
    fn follow_revocations(
        &self,
        after: i64,
        avoided: Option<Name>,
    ) -> BoxFuture<'static, Result<LogStream, NoAnswer>>;
    /// Which sessions were used, and when last.
    fn report_activity(
        &self,
        activities: Vec<(Id<Session>, Timestamp)>,
    ) -> BoxFuture<'static, Result<(), NoAnswer>>;
    /// Denials, to be audited.
    fn record_audit(&self, denials: Vec<Denial>) -> BoxFuture<'static, Result<(), NoAnswer>>;
}

impl From<PeerError> for NoAnswer {
    fn from(error: PeerError) -> Self {
        if error.is_busy() {
            return Self::Busy(error.to_string());
        }
        match error.code() {
            Code::NotFound => Self::Unknown(error.to_string()),
            Code::InvalidArgument | Code::FailedPrecondition | Code::Unauthenticated => {
                Self::Refused(error.to_string())
            }
            _ => Self::Away(error.to_string()),
        }
    }
}

impl From<ConvertError> for NoAnswer {
    fn from(error: ConvertError) -> Self {
        Self::Away(error.to_string())
    }
}

impl Policy for Peers {
    fn decide(&self, question: Question, limit: Duration) -> BoxFuture<'static, Result<Answer, NoAnswer>> {
        let peers = self.clone();
        let request = proto::DecideRequest {
            token: question.token.into(),
            resource: question.resource.to_string(),
            facts: Some(convert::request_facts_to_proto(&question.facts)),
            token_is_for_portal: false,
        };
        let known = question.known;
        Box::pin(async move {
            let is_behind = Arc::new(AtomicBool::new(false));
            let call = |mut client: proto::policy_client::PolicyClient<_>| {
                let (request, is_behind) = (request.clone(), Arc::clone(&is_behind));
                async move {
                    let reply = client.decide(request).await?;
                    let is_permit = matches!(reply.get_ref().verdict, Some(Verdict::Permit(_)));
                    if is_permit && reply.get_ref().log_position < known {
                        is_behind.store(true, Ordering::Relaxed);
                        return Err(passed_over("it lies behind in the revocation log"));
                    }
                    Ok(reply)
                }
            };
            match peers.policy(CallOptions::READ.within(limit), call).await {
                Ok(reply) => Ok(answer(reply)?),
                Err(error) if error.is_busy() && is_behind.load(Ordering::Relaxed) => Err(NoAnswer::Behind),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn redeem(
        &self,
        request: Id<Request>,
        hand_over: String,
        host: Host,
        nonce: Vec<u8>,
    ) -> BoxFuture<'static, Result<Redeemed, NoAnswer>> {
        let peers = self.clone();
        let message = proto::RedeemHandOverRequest {
            effect_key: request.as_bytes().to_vec().into(),
            hand_over,
            host: host.to_string(),
            nonce: nonce.into(),
        };
        Box::pin(async move {
            let call = |mut client: proto::policy_client::PolicyClient<_>| {
                let message = message.clone();
                async move { client.redeem_hand_over(message).await }
            };
            let reply = peers.policy(CallOptions::WRITE, call).await?;
            Ok(Redeemed { token: reply.token })
        })
    }

    fn end_session(&self, token: String, host: Host) -> BoxFuture<'static, Result<i64, NoAnswer>> {
        let peers = self.clone();
        let message = proto::EndSessionRequest { token, host: host.to_string() };
        Box::pin(async move {
            let call = |mut client: proto::policy_client::PolicyClient<_>| {
                let message = message.clone();
                async move { client.end_session(message).await }
            };
            Ok(peers.policy(CallOptions::WRITE, call).await?.position)
        })
    }

    fn presence(&self) -> Presence {
        let states = self.pool(Service::Policy).map(|pool| pool.status().candidates).unwrap_or_default();
        let is_any = |wanted: &[State]| states.iter().any(|candidate| wanted.contains(&candidate.state));
        if is_any(&[State::Up, State::Draining]) {
            Presence::Serving
        } else if is_any(&[State::Suspect]) {
            Presence::Doubtful
        } else {
            Presence::Away
        }
    }

    fn follow_revocations(
        &self,
        after: i64,
        avoided: Option<Name>,
    ) -> BoxFuture<'static, Result<LogStream, NoAnswer>> {
        let peers = self.clone();
        Box::pin(async move {
            let pool =
                peers.pool(Service::Policy).ok_or_else(|| NoAnswer::Away("there is no pool".to_owned()))?;
            // Passed over once: where there is no other, it is better than nobody.
            let mut avoided = avoided;
            let call = |link: Link| {
                let from = link.peer().instance.clone();
                let is_avoided = avoided.take_if(|avoided| *avoided == from).is_some();
                async move {
                    if is_avoided {
                        return Err(NotOk(Box::new(passed_over("it has been silent"))));
                    }
                    let mut client = proto::policy_client::PolicyClient::new(link);
                    match client.follow_revocations(proto::FollowRevocationsRequest { after }).await {
                        Ok(stream) => Ok((from, stream.into_inner())),
                        Err(status) => Err(NotOk(Box::new(status))),
                    }
                }
            };
            let opened = pool.call(CallOptions::READ, call).await;
            let (from, stream) = opened.map_err(|error| NoAnswer::Away(error.to_string()))?;
            // A step that cannot be read ends the stream, as a break does: it is asked for again.
            let steps = stream.scan((), |(), batch| std::future::ready(batch.ok().and_then(log_step)));
            Ok(LogStream { from, steps: steps.boxed() })
        })
    }

    fn report_activity(
        &self,
        activities: Vec<(Id<Session>, Timestamp)>,
    ) -> BoxFuture<'static, Result<(), NoAnswer>> {
        let peers = self.clone();
        let activity = |(session, at): (Id<Session>, Timestamp)| proto::SessionActivity {
            session: session.to_string(),
            last_seen_at: at.as_milliseconds(),
        };
        let message =
            proto::ReportActivityRequest { activities: activities.into_iter().map(activity).collect() };
        Box::pin(async move {
            let call = |mut client: proto::policy_client::PolicyClient<_>| {
                let message = message.clone();
                async move { client.report_activity(message).await }
            };
            peers.policy(CallOptions::WRITE, call).await?;
            Ok(())
        })
    }

    fn record_audit(&self, denials: Vec<Denial>) -> BoxFuture<'static, Result<(), NoAnswer>> {
        let peers = self.clone();
        let message = proto::RecordAuditRequest { records: denials.into_iter().map(audit_record).collect() };
        Box::pin(async move {
            let call = |mut client: proto::policy_client::PolicyClient<_>| {
                let message = message.clone();
                async move { client.record_audit(message).await }
            };
            peers.policy(CallOptions::WRITE, call).await?;
            Ok(())
        })
    }
}

/// Makes the pool ask the next instance, as if this one had said that it was busy: it is not down.
fn passed_over(why: &'static str) -> Status {
    Status::resource_exhausted(why)
}

fn answer(reply: proto::DecideReply) -> Result<Answer, ConvertError> {
    let verdict = match reply.verdict.ok_or_else(|| ConvertError::new("verdict", "missing"))? {
        Verdict::Permit(permitted) => AnswerVerdict::Permit(Arc::new(user(permitted)?)),
        Verdict::SignIn(_) => AnswerVerdict::SignIn,
        Verdict::Deny(denied) => AnswerVerdict::Deny(denied.reason),
    };
    Ok(Answer {
        verdict,
        reads: convert::reads(reply.reads)?,
        valid_until: Timestamp::from_milliseconds(reply.valid_until),
        log_position: reply.log_position,
        version: reply.configuration,
    })
}

fn user(permitted: proto::Permitted) -> Result<User, ConvertError> {
    Ok(User {
        session: convert::parse_optional("session", &permitted.session)?,
        name: permitted.user_name,
        email: permitted.email,
        groups: permitted.groups,
        pseudonym: permitted.pseudonym,
        assertion: permitted.assertion,
    })
}

fn log_step(batch: proto::RevocationBatch) -> Option<LogStep> {
    let revocation = |revocation: proto::Revocation| {
        let forget_at = Timestamp::from_milliseconds(revocation.forget_at);
        Some(Revocation { session: revocation.session.parse().ok()?, forget_at })
    };
    let revocations = batch.revocations.into_iter().map(revocation).collect::<Option<Vec<_>>>()?;
    Some(LogStep { revocations, position: batch.position, is_stale: batch.is_stale })
}

fn audit_record(denial: Denial) -> proto::AuditRecord {
    proto::AuditRecord {
        request: denial.request.to_string(),
        at: denial.at.as_milliseconds(),
        action: "access.denied".to_owned(),
        user: denial.user,
        resource: denial.resource.to_string(),
        client: denial.client,
        detail: denial.detail,
    }
}
