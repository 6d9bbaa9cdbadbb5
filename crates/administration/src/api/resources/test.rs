//! What policy would decide on a request by a user, and which condition decides.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::Path;
use evergate_failover::shell::CallOptions;
use evergate_model::{Factor, Name, NormalPath, RequestFacts, Service};
use evergate_store::installation;
use evergate_wire::convert;
use evergate_wire::proto::decide_reply::Verdict;
use evergate_wire::proto::{AccessTest, FactorSequence, TestAccessRequest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Answer, Call, Stop};
use super::{not_found, published};
use crate::Failure;
use crate::api::audit::moment;

/// The request to test.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Test {
    /// The user's name; absent: nobody signed in.
    user: Option<String>,
    /// The client's address; `127.0.0.1` where it is not said.
    from: Option<IpAddr>,
    /// The moment: RFC 3339, or milliseconds since 1970 UTC; now where it is not said.
    at: Option<String>,
    /// The path; `/` where it is not said.
    path: Option<String>,
    /// The method; `GET` where it is not said.
    method: Option<String>,
    /// What the user has just proven: `password`, `totp`.
    #[serde(default)]
    factors: Vec<String>,
}

/// What would be decided.
#[derive(Serialize, JsonSchema)]
pub(in crate::api) struct Tested {
    /// `permit`, `sign-in` or `deny`.
    verdict: &'static str,
    /// Of a denial: what the user would be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Of a sign-in: each of these would do, such as `password, totp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sequences: Vec<String>,
    /// Which condition decided.
    because: String,
}

pub(super) async fn test(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let test: Test = call.json()?;
    let request = request(&call, &name, test).await?;
    let reply = call
        .office
        .joined
        .peers
        .policy(CallOptions::READ, move |mut client| {
            let request = request.clone();
            async move { client.test_access(request).await }
        })
        .await?;
    let tested = reply.tests.into_iter().next().ok_or_else(|| not_found(&name))?;
    Ok(Answer::ok(&view(tested)))
}

async fn request(call: &Call, name: &str, test: Test) -> Result<TestAccessRequest, Failure> {
    let resources = published(call).await?.resources;
    let found = name.parse::<Name>().ok().and_then(|key| resources.get(&key).cloned());
    let host = found.and_then(|resource| resource.hosts.into_iter().next()).ok_or_else(|| not_found(name))?;
    let path = test.path.unwrap_or_else(|| "/".to_owned());
    let facts = RequestFacts {
        method: test.method.unwrap_or_else(|| "GET".to_owned()).to_ascii_uppercase(),
        host,
        path: NormalPath::new(&path).map_err(|error| Failure::invalid("path", error.to_string()))?,
        client: test.from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        access_point: access_point(call).await?,
        headers: Default::default(),
    };
    for factor in &test.factors {
        factor.parse::<Factor>().map_err(|error| Failure::invalid("factors", error.to_string()))?;
    }
    let at = test.at.as_deref().map(|text| moment("at", text, call.office.now())).transpose()?;
    Ok(TestAccessRequest {
        user_name: test.user.unwrap_or_default(),
        token: String::new(),
        host: String::new(),
        resources: vec![name.to_owned()],
        facts: Some(convert::request_facts_to_proto(&facts)),
        at: at.map_or(0, evergate_model::Timestamp::as_milliseconds),
        factors: test.factors,
    })
}

/// The access point that the request is said to come by: the first.
async fn access_point(call: &Call) -> Result<Name, Failure> {
    let installation = installation::get(&mut *call.read().await?).await?;
    let topology = installation.ok_or(Failure::Missing("installation"))?.topology;
    let first = topology.of(Service::AccessPoint).next().map(|instance| instance.name.clone());
    first.ok_or(Failure::Missing("access point"))
}

fn view(test: AccessTest) -> Tested {
    let because = test.because;
    match test.decision.and_then(|decision| decision.verdict) {
        Some(Verdict::Permit(_)) => {
            Tested { verdict: "permit", reason: None, sequences: Vec::new(), because }
        }
        Some(Verdict::SignIn(sign_in)) => {
            let sequences = sign_in.sequences.iter().map(words).collect();
            Tested { verdict: "sign-in", reason: None, sequences, because }
        }
        Some(Verdict::Deny(denied)) => {
            Tested { verdict: "deny", reason: Some(denied.reason), sequences: Vec::new(), because }
        }
        None => Tested { verdict: "deny", reason: None, sequences: Vec::new(), because },
    }
}

fn words(sequence: &FactorSequence) -> String {
    let factors: Vec<&str> = sequence.factors.iter().map(|wanted| wanted.factor.as_str()).collect();
    factors.join(", ")
}
