//! Messages of a peer whose certificate is good and whose sense is not: what the door into the model lets
//! through goes back as it came.
#![no_main]

use evergate_model::reads::{HeaderRead, PathRead};
use evergate_wire::convert;
use evergate_wire::proto::{DecideReply, DecideRequest, OpenSessionRequest, decide_reply};
use evergate_wire::report::InstanceReport;
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = DecideRequest::decode(bytes)
        && let Ok(facts) = convert::request_facts(request.facts)
    {
        let sent = convert::request_facts_to_proto(&facts);
        assert_eq!(convert::request_facts(Some(sent)).ok().as_ref(), Some(&facts));
        assert!(facts.path.path().starts_with('/') && !facts.method.contains(char::is_whitespace));
    }
    if let Ok(reply) = DecideReply::decode(bytes) {
        if let Ok(reads) = convert::reads(reply.reads) {
            let again = convert::reads(Some(convert::reads_to_proto(&reads)));
            assert_eq!(again.ok().as_ref(), Some(&reads));
            let _: (&[PathRead], &[HeaderRead]) = (&reads.paths, &reads.headers);
        }
        if let Some(decide_reply::Verdict::SignIn(sign_in)) = reply.verdict
            && let Ok(sequences) = convert::sequences(sign_in)
        {
            assert!(!sequences.is_empty() && sequences.iter().all(|sequence| !sequence.is_empty()));
        }
    }
    if let Ok(request) = OpenSessionRequest::decode(bytes)
        && let Ok(factors) = convert::proven_factors(request.factors)
    {
        let again = convert::proven_factors(convert::proven_factors_to_proto(&factors));
        assert_eq!(again.ok().as_ref(), Some(&factors));
    }
    let _ = serde_json::from_slice::<InstanceReport>(bytes);
});
