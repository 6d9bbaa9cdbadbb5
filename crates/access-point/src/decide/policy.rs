//! What is asked of the policy service, and its answers, checked: the one place that knows the
//! wire.

use std::sync::Arc;
use std::time::Duration;

use evergate_failover::shell::CallOptions;
use evergate_model::id::{Request, Session};
use evergate_model::{Host, Id, Name, Reads, RequestFacts, Timestamp};
use evergate_wire::convert::{self, ConvertError};
use evergate_wire::peers::{PeerError, Peers};
use evergate_wire::proto::{self, decide_reply::Verdict};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tonic::Code;

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
}

/// The revocation log from a position on, for as long as the stream stands.
pub(crate) type LogStream = BoxStream<'static, LogStep>;

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
    /// Ends the token's session.
    fn end_session(&self, token: String, host: Host) -> BoxFuture<'static, Result<(), NoAnswer>>;
    /// The revocation log after this position.
    fn follow_revocations(&self, after: i64) -> BoxFuture<'static, Result<LogStream, NoAnswer>>;
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
        Box::pin(async move {
            let call = |mut client: proto::policy_client::PolicyClient<_>| {
                let request = request.clone();
                async move { client.decide(request).await }
            };
            let reply = peers.policy(CallOptions::READ.within(limit), call).await?;
            Ok(answer(reply)?)
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

    fn end_session(&self, token: String, host: Host) -> BoxFuture<'static, Result<(), NoAnswer>> {
        let peers = self.clone();
        let message = proto::EndSessionRequest { token, host: host.to_string() };
        Box::pin(async move {
            let call = |mut client: proto::policy_client::PolicyClient<_>| {
                let message = message.clone();
                async move { client.end_session(message).await }
            };
            peers.policy(CallOptions::WRITE, call).await?;
            Ok(())
        })
    }

    fn follow_revocations(&self, after: i64) -> BoxFuture<'static, Result<LogStream, NoAnswer>> {
        let peers = self.clone();
        Box::pin(async move {
            let stream = peers
                .policy(CallOptions::READ, |mut client| async move {
                    client.follow_revocations(proto::FollowRevocationsRequest { after }).await
                })
                .await?;
            // A step that cannot be read ends the stream, as a break does: it is asked for again.
            Ok(stream.scan((), |(), batch| std::future::ready(batch.ok().and_then(log_step))).boxed())
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
    Some(LogStep { revocations, position: batch.position })
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
