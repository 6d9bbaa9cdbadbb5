//! The one door between protobuf and the model. Whatever comes in is checked here: a peer's
//! certificate proves who it is, not that it sends sense.

use std::collections::BTreeMap;
use std::net::IpAddr;

use evergate_model::factor::{ProvenFactor, WantedFactor};
use evergate_model::reads::{HeaderRead, PathRead};
use evergate_model::verdict::{Decision, Verdict};
use evergate_model::{DatabaseTimeline, Factor, Name, NormalPath, Period, Reads, RequestFacts, Timestamp};
use tonic::Status;

use crate::proto;

/// A field that cannot be what it says.
#[derive(Debug, thiserror::Error)]
#[error("field `{field}`: {problem}")]
pub struct ConvertError {
    /// The field's name in the protobuf file.
    field: &'static str,
    /// What is wrong with it.
    problem: String,
}

impl ConvertError {
    /// The field `field` has this problem.
    #[must_use]
    pub fn new(field: &'static str, problem: impl ToString) -> Self {
        Self { field, problem: problem.to_string() }
    }
}

impl From<ConvertError> for Status {
    fn from(error: ConvertError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

impl From<DatabaseTimeline> for proto::SeenTimeline {
    fn from(seen: DatabaseTimeline) -> Self {
        Self { system_identifier: seen.system_identifier, timeline: seen.timeline }
    }
}

impl From<proto::SeenTimeline> for DatabaseTimeline {
    fn from(seen: proto::SeenTimeline) -> Self {
        Self { system_identifier: seen.system_identifier, timeline: seen.timeline }
    }
}

/// Parses a field that travels as text.
///
/// # Errors
/// When the text is not one of its kind; the field is named.
pub fn parse<T>(field: &'static str, text: &str) -> Result<T, ConvertError>
where
    T: std::str::FromStr,
    T::Err: ToString,
{
    text.parse().map_err(|problem: T::Err| ConvertError::new(field, problem))
}

/// Parses a field that may be absent, which travels as the empty text.
///
/// # Errors
/// When the text is neither empty nor one of its kind.
pub fn parse_optional<T>(field: &'static str, text: &str) -> Result<Option<T>, ConvertError>
where
    T: std::str::FromStr,
    T::Err: ToString,
{
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

/// The most headers a request's facts may hold.
const HEADERS_MAX: usize = 64;

/// The facts of a request, checked.
///
/// # Errors
/// When a field is missing or is not of its kind.
pub fn request_facts(facts: Option<proto::RequestFacts>) -> Result<RequestFacts, ConvertError> {
    let facts = facts.ok_or_else(|| ConvertError::new("facts", "missing"))?;
    if facts.headers.len() > HEADERS_MAX {
        return Err(ConvertError::new("facts.headers", format!("more than {HEADERS_MAX}")));
    }
    if facts.headers.keys().any(|name| !is_token(name) || name.bytes().any(|c| c.is_ascii_uppercase())) {
        return Err(ConvertError::new("facts.headers", "a name is no header's in lower case"));
    }
    if !is_token(&facts.method) {
        return Err(ConvertError::new("facts.method", "no request method"));
    }
    let path = NormalPath::new(&facts.path).map_err(|e| ConvertError::new("facts.path", e))?;
    if path.path_and_query() != facts.path {
        return Err(ConvertError::new("facts.path", "it is not normalised"));
    }
    Ok(RequestFacts {
        method: facts.method,
        host: parse("facts.host", &facts.host)?,
        path,
        client: parse::<IpAddr>("facts.client", &facts.client)?,
        access_point: parse::<Name>("facts.access_point", &facts.access_point)?,
        headers: facts.headers.into_iter().collect::<BTreeMap<_, _>>(),
    })
}

/// Whether it is a token (RFC 9110 section 5.6.2), as methods and headers' names are.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c))
}

/// The facts of a request, to be sent.
#[must_use]
pub fn request_facts_to_proto(facts: &RequestFacts) -> proto::RequestFacts {
    proto::RequestFacts {
        method: facts.method.clone(),
        host: facts.host.to_string(),
        path: facts.path.path_and_query().to_owned(),
        client: facts.client.to_string(),
        access_point: facts.access_point.to_string(),
        headers: facts.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
    }
}

/// Proven factors, checked.
///
/// # Errors
/// When a factor is none.
pub fn proven_factors(factors: Vec<proto::ProvenFactor>) -> Result<Vec<ProvenFactor>, ConvertError> {
    factors
        .into_iter()
        .map(|proven| {
            let factor = parse::<Factor>("factors.factor", &proven.factor)?;
            Ok(ProvenFactor { factor, at: Timestamp::from_milliseconds(proven.at) })
        })
        .collect()
}

/// Proven factors, to be sent.
#[must_use]
pub fn proven_factors_to_proto(factors: &[ProvenFactor]) -> Vec<proto::ProvenFactor> {
    let to_proto = |proven: &ProvenFactor| proto::ProvenFactor {
        factor: proven.factor.to_string(),
        at: proven.at.as_milliseconds(),
    };
    factors.iter().map(to_proto).collect()
}

/// Sequences of wanted factors, checked.
///
/// # Errors
/// When there is none, one is empty, or a factor is none.
pub fn sequences(sign_in: proto::SignIn) -> Result<Vec<Vec<WantedFactor>>, ConvertError> {
    let wanted = |wanted: proto::WantedFactor| {
        let within =
            (wanted.within_milliseconds > 0).then(|| Period::from_milliseconds(wanted.within_milliseconds));
        Ok(WantedFactor { factor: parse("sequences.factor", &wanted.factor)?, within })
    };
    let sequences = sign_in
        .sequences
        .into_iter()
        .map(|sequence| sequence.factors.into_iter().map(wanted).collect::<Result<Vec<_>, _>>())
        .collect::<Result<Vec<_>, _>>()?;
    if sequences.is_empty() || sequences.iter().any(Vec::is_empty) {
        return Err(ConvertError::new("sequences", "empty"));
    }
    Ok(sequences)
}

/// What an answer rests on, checked.
///
/// # Errors
/// When it is missing or an address or name is none.
pub fn reads(reads: Option<proto::Reads>) -> Result<Reads, ConvertError> {
    let reads = reads.ok_or_else(|| ConvertError::new("reads", "missing"))?;
    Ok(Reads {
        method: reads.method,
        paths: reads
            .paths
            .into_iter()
            .map(|read| PathRead { prefix: read.prefix, is_under: read.is_under })
            .collect(),
        client: reads.client.map(|client| parse("reads.client", &client)).transpose()?,
        access_point: reads.access_point.map(|name| parse("reads.access_point", &name)).transpose()?,
        headers: reads
            .headers
            .into_iter()
            .map(|read| HeaderRead { name: read.name, value: read.value })
            .collect(),
    })
}

/// What an answer rests on, to be sent.
#[must_use]
pub fn reads_to_proto(reads: &Reads) -> proto::Reads {
    proto::Reads {
        method: reads.method.clone(),
        paths: reads
            .paths
            .iter()
            .map(|read| proto::PathRead { prefix: read.prefix.clone(), is_under: read.is_under })
            .collect(),
        client: reads.client.map(|client| client.to_string()),
        access_point: reads.access_point.as_ref().map(ToString::to_string),
        headers: reads
            .headers
            .iter()
            .map(|read| proto::HeaderRead { name: read.name.clone(), value: read.value.clone() })
            .collect(),
    }
}

/// A decision that is no permit, to be sent; of a permit the caller fills in the user.
#[must_use]
pub fn decision_to_proto(decision: &Decision) -> proto::DecideReply {
    let verdict = match &decision.verdict {
        Verdict::Permit => proto::decide_reply::Verdict::Permit(proto::Permitted::default()),
        Verdict::Deny { reason } => {
            proto::decide_reply::Verdict::Deny(proto::Denied { reason: reason.clone() })
        }
        Verdict::SignIn { sequences } => {
            proto::decide_reply::Verdict::SignIn(proto::SignIn { sequences: sequences_to_proto(sequences) })
        }
    };
    proto::DecideReply {
        verdict: Some(verdict),
        reads: Some(reads_to_proto(&decision.reads)),
        valid_until: decision.valid_until.as_milliseconds(),
        ..proto::DecideReply::default()
    }
}

fn sequences_to_proto(sequences: &[Vec<WantedFactor>]) -> Vec<proto::FactorSequence> {
    let wanted = |wanted: &WantedFactor| proto::WantedFactor {
        factor: wanted.factor.to_string(),
        within_milliseconds: wanted.within.map_or(0, Period::as_milliseconds),
    };
    sequences
        .iter()
        .map(|sequence| proto::FactorSequence { factors: sequence.iter().map(wanted).collect() })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn facts() -> RequestFacts {
        RequestFacts {
            method: "GET".to_owned(),
            host: "wiki.example.com".parse().unwrap(),
            path: NormalPath::new("/a?b=c").unwrap(),
            client: "2001:db8::1".parse().unwrap(),
            access_point: "access-point1".parse().unwrap(),
            headers: BTreeMap::from([("x-team".to_owned(), "red".to_owned())]),
        }
    }

    #[test]
    fn request_facts_survive_the_wire() {
        assert_eq!(request_facts(Some(request_facts_to_proto(&facts()))).unwrap(), facts());
    }

    #[test]
    fn a_path_that_is_not_normal_is_refused() {
        let mut sent = request_facts_to_proto(&facts());
        sent.path = "/a/../b".to_owned();
        let error = request_facts(Some(sent)).unwrap_err().to_string();
        assert!(error.contains("facts.path"), "{error}");
    }

    #[test]
    fn what_no_access_point_sends_is_refused_by_the_name_of_its_field() {
        type Spoil = fn(&mut proto::RequestFacts);
        let table: [(&str, Spoil); 9] = [
            ("facts.method", |sent| sent.method.clear()),
            ("facts.method", |sent| sent.method = "GET / HTTP/1.1\r\nHost: x".to_owned()),
            ("facts.host", |sent| sent.host = "two hosts".to_owned()),
            ("facts.path", |sent| sent.path = "*".to_owned()),
            ("facts.client", |sent| sent.client = "somewhere".to_owned()),
            ("facts.access_point", |sent| sent.access_point.clear()),
            ("facts.headers", |sent| drop(sent.headers.insert("X-Team".to_owned(), String::new()))),
            ("facts.headers", |sent| drop(sent.headers.insert("a: b\n".to_owned(), String::new()))),
            ("facts.headers", |sent| {
                sent.headers.extend((0..64).map(|n| (format!("x-{n}"), String::new())));
            }),
        ];
        for (field, spoil) in table {
            let mut sent = request_facts_to_proto(&facts());
            spoil(&mut sent);
            let error = request_facts(Some(sent)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("field `{field}`: ")), "{error}");
        }
        assert!(request_facts(None).is_err());
    }

    #[test]
    fn a_sign_in_without_a_way_is_refused() {
        let empty = proto::FactorSequence { factors: Vec::new() };
        assert!(sequences(proto::SignIn { sequences: Vec::new() }).is_err());
        assert!(sequences(proto::SignIn { sequences: vec![empty] }).is_err());
        let unknown = proto::WantedFactor { factor: "no factor".to_owned(), within_milliseconds: u64::MAX };
        let sequence = proto::FactorSequence { factors: vec![unknown] };
        assert!(sequences(proto::SignIn { sequences: vec![sequence] }).is_err());
    }

    #[test]
    fn a_decision_survives_the_wire() {
        let wanted = WantedFactor { factor: Factor::Totp, within: Some(Period::from_seconds(600)) };
        let decision = Decision {
            verdict: Verdict::SignIn { sequences: vec![vec![wanted.clone()]] },
            reads: Reads {
                paths: vec![PathRead { prefix: "/admin".to_owned(), is_under: true }],
                headers: vec![HeaderRead { name: "x-team".to_owned(), value: None }],
                client: Some("10.0.0.1".parse().unwrap()),
                ..Reads::default()
            },
            valid_until: Timestamp::from_seconds(5),
            because: String::new(),
        };
        let sent = decision_to_proto(&decision);
        assert_eq!(reads(sent.reads).unwrap(), decision.reads);
        let Some(proto::decide_reply::Verdict::SignIn(sign_in)) = sent.verdict else { panic!() };
        assert_eq!(sequences(sign_in).unwrap(), vec![vec![wanted]]);
    }

    fn client() -> impl Strategy<Value = IpAddr> {
        let four = any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits)));
        prop_oneof![four, any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from(bits)))]
    }

    fn any_facts() -> impl Strategy<Value = RequestFacts> {
        let headers = prop::collection::btree_map("[a-z0-9-]{1,20}", "\\PC{0,40}", 0..8);
        let path = "/[ -~]{0,40}".prop_filter_map("no path", |text| NormalPath::new(&text).ok());
        ("[A-Z]{1,10}", path, client(), headers).prop_map(|(method, path, client, headers)| RequestFacts {
            method,
            path,
            client,
            headers,
            ..facts()
        })
    }

    fn any_reads() -> impl Strategy<Value = Reads> {
        let path = ("\\PC{0,20}", any::<bool>()).prop_map(|(prefix, is_under)| PathRead { prefix, is_under });
        let value = prop::option::of("\\PC{0,20}");
        let header = ("\\PC{0,20}", value).prop_map(|(name, value)| HeaderRead { name, value });
        let lists = (prop::collection::vec(path, 0..4), prop::collection::vec(header, 0..4));
        let name = prop::option::of("[a-z]{1,9}");
        (prop::option::of("\\PC{0,9}"), prop::option::of(client()), name, lists).prop_map(
            |(method, client, name, (paths, headers))| Reads {
                method,
                paths,
                client,
                access_point: name.map(|name| name.parse().unwrap()),
                headers,
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_an_access_point_says_of_a_request_survives_the_wire(facts in any_facts()) {
            prop_assert_eq!(request_facts(Some(request_facts_to_proto(&facts))).unwrap(), facts);
        }

        #[test]
        fn whatever_an_answer_rests_on_survives_the_wire(sent in any_reads()) {
            prop_assert_eq!(reads(Some(reads_to_proto(&sent))).unwrap(), sent);
        }
    }
}
