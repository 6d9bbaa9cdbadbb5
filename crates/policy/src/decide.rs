//! `Decide`: may this request pass?

use evergate_model::verdict::{Decision, Verdict};
use evergate_model::{Name, SessionFacts, Timestamp};
use evergate_wire::convert::{self, decision_to_proto};
use evergate_wire::proto::decide_reply::Verdict as VerdictReply;
use evergate_wire::proto::{DecideReply, DecideRequest, Permitted};

use crate::policy::Policy;
use crate::rules::{Rules, Target};
use crate::signer::{Signer, pseudonym};
use crate::{PolicyError, names};

/// Decides. `may_speak_for_portal`: the caller may bring the portal's token for a request to
/// another host.
pub(crate) async fn decide(
    policy: &Policy,
    request: DecideRequest,
    may_speak_for_portal: bool,
) -> Result<DecideReply, PolicyError> {
    if request.token_is_for_portal && !may_speak_for_portal {
        return Err(PolicyError::NotAllowed);
    }
    let name: Option<Name> = convert::parse_optional("resource", &request.resource)?;
    let facts = convert::request_facts(request.facts)?;
    let rules = policy.rules()?;
    let target = rules.target(name.as_ref(), &facts.host)?;
    let host = if request.token_is_for_portal { &rules.configuration.portal_host } else { &facts.host };
    // Before the session is looked at: the answer rests on at least that much of the log.
    let log_position = policy.0.log.position();
    let now = policy.now();
    let session = policy.session(&request.token, host, rules.grace(&target), now).await?;
    let decision = rules.decide(&target, session.as_ref(), &facts, now)?;
    metrics::counter!(names::DECISIONS, "verdict" => word(&decision.verdict), "cached" => "false")
        .increment(1);
    tracing::debug!(verdict = word(&decision.verdict), because = decision.because, "decided");
    let mut reply = reply(&*policy.signer()?, &rules, &target, &decision, session.as_ref(), now);
    reply.log_position = i64::try_from(log_position).unwrap_or(i64::MAX);
    Ok(reply)
}

/// The answer that tells a decision; of a permit with all that is told of the user.
pub(crate) fn reply(
    signer: &Signer,
    rules: &Rules,
    target: &Target,
    decision: &Decision,
    session: Option<&SessionFacts>,
    now: Timestamp,
) -> DecideReply {
    let mut reply = decision_to_proto(decision);
    reply.configuration = rules.version;
    if let Target::Resource(name) = target {
        reply.resource = name.to_string();
    }
    if decision.verdict == Verdict::Permit {
        let permitted = session.map(|session| permitted(signer, rules, target, session, now));
        let anonymous = || Permitted { is_anonymous: true, ..Permitted::default() };
        reply.verdict = Some(VerdictReply::Permit(permitted.unwrap_or_else(anonymous)));
    }
    reply
}

fn permitted(
    signer: &Signer,
    rules: &Rules,
    target: &Target,
    session: &SessionFacts,
    now: Timestamp,
) -> Permitted {
    let (pseudonym, assertion) = match target {
        Target::Portal => (String::new(), String::new()),
        Target::Resource(name) => {
            (pseudonym(session.session, name), signer.assertion(session, name, rules.issuer(), now))
        }
    };
    Permitted {
        session: session.session.to_string(),
        user: session.user.to_string(),
        user_name: session.user_name.clone(),
        email: session.email.clone().unwrap_or_default(),
        groups: session.groups.clone(),
        pseudonym,
        assertion,
        session_ends_at: session.ends_at.as_milliseconds(),
        is_anonymous: false,
    }
}

const fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Permit => "permit",
        Verdict::SignIn { .. } => "sign-in",
        Verdict::Deny { .. } => "deny",
    }
}
