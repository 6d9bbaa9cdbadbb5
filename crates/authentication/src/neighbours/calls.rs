//! The neighbours by gRPC, over the failover pools.

use evergate_failover::CallOptions;
use evergate_model::factor::ProvenFactor;
use evergate_model::id::{Session, User};
use evergate_model::{Host, Id, RequestFacts, Timestamp, Verdict};
use evergate_wire::peers::{PeerError, Peers};
use evergate_wire::{convert, proto};
use tonic::Code;

use super::{
    Answer, Confirmation, Mail, MailKind, NeighbourError, Neighbours, NewSession, Reachable, SessionSummary,
    Token,
};

const READ: CallOptions = CallOptions::READ;
const WRITE: CallOptions = CallOptions::WRITE;
/// The most sessions that are shown.
const MOST_SESSIONS: u32 = 200;

/// Asks whichever instance the pool chooses, and another with the same request where it must.
macro_rules! call {
    ($self:ident, $service:ident, $options:ident, $method:ident($request:ident)) => {
        $self
            .0
            .$service($options, |mut client| {
                let request = $request.clone();
                async move { client.$method(request).await }
            })
            .await
    };
}

/// The neighbours by gRPC.
#[derive(Debug, Clone)]
pub struct Calls(Peers);

impl Calls {
    /// Over these pools.
    #[must_use]
    pub const fn over(peers: Peers) -> Self {
        Self(peers)
    }
}

impl From<PeerError> for NeighbourError {
    fn from(error: PeerError) -> Self {
        let text = error.to_string();
        match error.code() {
            Code::Unauthenticated => Self::SessionGone,
            Code::NotFound => Self::NotFound(text),
            Code::FailedPrecondition => Self::NotPossible(text),
            _ if error.is_unavailable() => Self::Unavailable(text),
            _ => Self::Fault(text),
        }
    }
}

impl From<convert::ConvertError> for NeighbourError {
    fn from(error: convert::ConvertError) -> Self {
        Self::Fault(error.to_string())
    }
}

impl Neighbours for Calls {
    fn decide<'a>(&'a self, token: &'a str, facts: &'a RequestFacts) -> Answer<'a, Verdict> {
        let request = proto::DecideRequest {
            token: token.to_owned(),
            resource: String::new(),
            facts: Some(convert::request_facts_to_proto(facts)),
            token_is_for_portal: true,
        };
        Box::pin(async move {
            match call!(self, policy, READ, decide(request)).map_err(NeighbourError::from) {
                // Its configuration is older than ours: it will know the host in a moment.
                Err(NeighbourError::NotFound(why)) => Err(NeighbourError::Unavailable(why)),
                reply => verdict(reply?),
            }
        })
    }

    fn open_session(&self, effect: Vec<u8>, host: &Host, new: NewSession) -> Answer<'_, Token> {
        let request = proto::OpenSessionRequest {
            effect_key: effect.into(),
            user: new.user.to_string(),
            factors: convert::proven_factors_to_proto(&new.factors),
            client: new.client.to_string(),
            user_agent: new.user_agent,
            host: host.to_string(),
        };
        Box::pin(async move { token(call!(self, policy, WRITE, open_session(request))?) })
    }

    fn add_factors(
        &self,
        effect: Vec<u8>,
        host: &Host,
        session: &str,
        factors: Vec<ProvenFactor>,
    ) -> Answer<'_, Token> {
        let request = proto::AddFactorsRequest {
            effect_key: effect.into(),
            token: session.to_owned(),
            factors: convert::proven_factors_to_proto(&factors),
            host: host.to_string(),
        };
        Box::pin(async move { token(call!(self, policy, WRITE, add_factors(request))?) })
    }

    fn create_hand_over(
        &self,
        effect: Vec<u8>,
        session: &str,
        host: &Host,
        nonce_hash: Vec<u8>,
    ) -> Answer<'_, String> {
        let request = proto::CreateHandOverRequest {
            effect_key: effect.into(),
            token: session.to_owned(),
            host: host.to_string(),
            nonce_hash: nonce_hash.into(),
        };
        Box::pin(async move { Ok(call!(self, policy, WRITE, create_hand_over(request))?.hand_over) })
    }

    fn end_session(&self, host: &Host, session: &str) -> Answer<'_, i64> {
        let request = proto::EndSessionRequest { token: session.to_owned(), host: host.to_string() };
        Box::pin(async move { Ok(call!(self, policy, WRITE, end_session(request))?.position) })
    }

    fn list_sessions(&self, host: &Host, session: &str) -> Answer<'_, Vec<SessionSummary>> {
        let request = proto::ListSessionsRequest {
            token: session.to_owned(),
            host: host.to_string(),
            limit: MOST_SESSIONS,
            ..Default::default()
        };
        Box::pin(async move {
            call!(self, policy, READ, list_sessions(request))?.sessions.into_iter().map(summary).collect()
        })
    }

    fn revoke_session(
        &self,
        effect: Vec<u8>,
        host: &Host,
        own: &str,
        session: Option<Id<Session>>,
    ) -> Answer<'_, i64> {
        let request = proto::RevokeSessionsRequest {
            effect_key: effect.into(),
            token: own.to_owned(),
            host: host.to_string(),
            session: session.map_or_else(String::new, |session| session.to_string()),
            ..Default::default()
        };
        Box::pin(async move { Ok(call!(self, policy, WRITE, revoke_sessions(request))?.position) })
    }

    fn reachable<'a>(
        &'a self,
        host: &'a Host,
        session: &'a str,
        facts: &'a RequestFacts,
    ) -> Answer<'a, Vec<Reachable>> {
        let request = proto::TestAccessRequest {
            token: session.to_owned(),
            host: host.to_string(),
            facts: Some(convert::request_facts_to_proto(facts)),
            ..Default::default()
        };
        Box::pin(async move {
            call!(self, policy, READ, test_access(request))?.tests.into_iter().map(reachable).collect()
        })
    }

    fn send_mail(&self, effect: Vec<u8>, mail: Mail) -> Answer<'_, ()> {
        let kind = match mail.kind {
            MailKind::SignInCode => proto::MailKind::SignInCode,
            MailKind::Notice => proto::MailKind::Notice,
            MailKind::Nothing => proto::MailKind::Probe,
        };
        let request = proto::SendMailRequest {
            effect_key: effect.into(),
            to: mail.to,
            kind: kind.into(),
            fields: mail.fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        Box::pin(async move {
            call!(self, distribution, WRITE, send_mail(request))?;
            Ok(())
        })
    }

    fn begin_enrolment(
        &self,
        effect: Vec<u8>,
        user: Id<User>,
        account: &str,
    ) -> Answer<'_, (String, String)> {
        let request = proto::BeginEnrolmentRequest {
            effect_key: effect.into(),
            user: user.to_string(),
            account: account.to_owned(),
            issuer: "Evergate".to_owned(),
        };
        Box::pin(async move {
            let reply = call!(self, distribution, WRITE, begin_enrolment(request))?;
            Ok((reply.enrolment, reply.otpauth))
        })
    }

    fn confirm_enrolment(
        &self,
        effect: Vec<u8>,
        user: Id<User>,
        enrolment: &str,
        code: &str,
    ) -> Answer<'_, Confirmation> {
        let request = proto::ConfirmEnrolmentRequest {
            effect_key: effect.into(),
            user: user.to_string(),
            enrolment: enrolment.to_owned(),
            code: code.to_owned(),
            label: "Authenticator app".to_owned(),
        };
        Box::pin(async move {
            match call!(self, distribution, WRITE, confirm_enrolment(request))?.outcome() {
                proto::ConfirmOutcome::Bound => Ok(Confirmation::Bound),
                proto::ConfirmOutcome::WrongCode => Ok(Confirmation::WrongCode),
                proto::ConfirmOutcome::Gone => Ok(Confirmation::Gone),
                proto::ConfirmOutcome::Unspecified => Err(NeighbourError::Fault("no outcome".to_owned())),
            }
        })
    }
}

fn verdict(reply: proto::DecideReply) -> Result<Verdict, NeighbourError> {
    match reply.verdict {
        Some(proto::decide_reply::Verdict::Permit(_)) => Ok(Verdict::Permit),
        Some(proto::decide_reply::Verdict::Deny(denied)) => Ok(Verdict::Deny { reason: denied.reason }),
        Some(proto::decide_reply::Verdict::SignIn(sign_in)) => {
            Ok(Verdict::SignIn { sequences: convert::sequences(sign_in)? })
        }
        None => Err(NeighbourError::Fault("no verdict".to_owned())),
    }
}

fn token(reply: proto::TokenReply) -> Result<Token, NeighbourError> {
    Ok(Token { session: convert::parse("session", &reply.session)?, text: reply.token })
}

fn summary(summary: proto::SessionSummary) -> Result<SessionSummary, NeighbourError> {
    Ok(SessionSummary {
        id: convert::parse("session", &summary.session)?,
        opened_at: Timestamp::from_milliseconds(summary.opened_at),
        ends_at: Timestamp::from_milliseconds(summary.ends_at),
        last_seen_at: Timestamp::from_milliseconds(summary.last_seen_at),
        client: summary.client,
        factors: convert::proven_factors(summary.factors)?,
    })
}

fn reachable(test: proto::AccessTest) -> Result<Reachable, NeighbourError> {
    let decision = test.decision.ok_or_else(|| NeighbourError::Fault("no decision".to_owned()))?;
    Ok(Reachable { title: test.title, url: test.url, verdict: verdict(decision)? })
}
