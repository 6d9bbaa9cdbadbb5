//! `TestAccess`: what would be decided, for `resource test` and for the portal's list of
//! applications.

use evergate_model::factor::ProvenFactor;
use evergate_model::id::Session;
use evergate_model::{Factor, Host, Id, Name, NormalPath, RequestFacts, SessionFacts, Timestamp};
use evergate_store::{groups, users};
use evergate_wire::convert::{self, parse};
use evergate_wire::proto::{
    AccessTest, DecideReply, Denied, TestAccessReply, TestAccessRequest, decide_reply,
};

use crate::PolicyError;
use crate::policy::Policy;
use crate::rules::Rules;

pub(crate) async fn test(
    policy: &Policy,
    request: TestAccessRequest,
    is_administration: bool,
) -> Result<TestAccessReply, PolicyError> {
    let facts = convert::request_facts(request.facts)?;
    let now = policy.now();
    let at = if request.at == 0 { now } else { Timestamp::from_milliseconds(request.at) };
    let assumed: Vec<ProvenFactor> = request
        .factors
        .iter()
        .map(|factor| Ok(ProvenFactor { factor: parse::<Factor>("factors", factor)?, at }))
        .collect::<Result<_, convert::ConvertError>>()?;
    let rules = policy.rules()?;
    let (session, is_locked) = if is_administration {
        user(policy, &rules, &request.user_name, at).await?
    } else {
        let host: Host = parse("host", &request.host)?;
        let session =
            policy.session(&request.token, &host, None, now).await?.ok_or(PolicyError::NoSession)?;
        (Some(session), false)
    };
    let session = session.map(|session| SessionFacts {
        factors: evergate_store::sessions::merge(session.factors, &assumed),
        ..session
    });
    let mut tests = Vec::new();
    for name in resources(&rules, &request.resources)? {
        let facts = if is_administration { facts.clone() } else { front_page(&rules, &name, &facts) };
        let test = one(&rules, &name, session.as_ref(), &facts, at, is_administration)?;
        tests.push(if is_locked { locked(test) } else { test });
    }
    Ok(TestAccessReply { tests })
}

fn resources(rules: &Rules, names: &[String]) -> Result<Vec<Name>, PolicyError> {
    if names.is_empty() {
        return Ok(rules.configuration.resources.keys().cloned().collect());
    }
    names.iter().map(|name| Ok(parse("resources", name)?)).collect()
}

/// The same request for the front page of a resource: what the portal's links lead to.
fn front_page(rules: &Rules, name: &Name, facts: &RequestFacts) -> RequestFacts {
    let host = rules.configuration.resources.get(name).and_then(|resource| resource.hosts.first());
    let mut facts = facts.clone();
    facts.host = host.cloned().unwrap_or(facts.host);
    facts.path = NormalPath::new("/").unwrap_or(facts.path);
    facts
}

fn one(
    rules: &Rules,
    name: &Name,
    session: Option<&SessionFacts>,
    facts: &RequestFacts,
    at: Timestamp,
    is_administration: bool,
) -> Result<AccessTest, PolicyError> {
    let explanation = rules.explain(name, session, facts, at)?;
    let resource = rules.configuration.resources.get(name);
    let host = resource.and_then(|resource| resource.hosts.first());
    Ok(AccessTest {
        resource: name.to_string(),
        title: resource.and_then(|resource| resource.title.clone()).unwrap_or_else(|| name.to_string()),
        url: host.map(|host| format!("{}/", rules.url(host))).unwrap_or_default(),
        decision: Some(convert::decision_to_proto(&explanation.decision)),
        because: if is_administration { explanation.decision.because } else { String::new() },
    })
}

/// What a rule would say counts for nobody who cannot sign in.
fn locked(test: AccessTest) -> AccessTest {
    let denied = Denied { reason: "this account is locked".to_owned() };
    let verdict = Some(decide_reply::Verdict::Deny(denied));
    let decision = test.decision.map(|decision| DecideReply { verdict, ..decision });
    AccessTest { decision, because: "the account is locked, whatever the rule says".to_owned(), ..test }
}

/// A session such as that user would have at that moment, with nothing proven, and whether the account
/// is locked; no session where no user is named.
async fn user(
    policy: &Policy,
    rules: &Rules,
    name: &str,
    at: Timestamp,
) -> Result<(Option<SessionFacts>, bool), PolicyError> {
    if name.is_empty() {
        return Ok((None, false));
    }
    let store = policy.0.database.store()?;
    let mut connection = store.read().await?;
    let user = users::find_by_name(&mut connection, name).await?.ok_or(PolicyError::NoUser)?;
    let groups = groups::names_of(&mut connection, user.id).await?;
    let is_locked = user.state == users::State::Locked;
    let session = SessionFacts {
        session: Id::<Session>::new(at, [0; 10]),
        user: user.id,
        user_name: user.name,
        email: user.email,
        groups,
        factors: Vec::new(),
        opened_at: at,
        ends_at: at.plus(rules.configuration.sessions.absolute.as_duration()),
    };
    Ok((Some(session), is_locked))
}
