//! Requests for certificates, which any instance may send to administration, also one that was taken over: what is
//! certified is the name that the caller of the authority says.
#![no_main]

use data_encoding::BASE64;
use evergate_keys::certificate_authority::Authority;
use evergate_model::{Service, Timestamp};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

thread_local! {
    static AUTHORITY: Authority = Authority::generate("fuzz", NOW).expect("an authority");
}

fn pem(der: &[u8]) -> String {
    let body = BASE64.encode(der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n")
}

fuzz_target!(|bytes: &[u8]| {
    let name = "access-point1".parse().expect("a name");
    AUTHORITY.with(|authority| {
        let issue = |request: &str| authority.issue_instance(request, &name, Service::AccessPoint, NOW);
        if let Ok(issued) = issue(&pem(bytes)) {
            assert_eq!(issued.expires_at.since(NOW).as_secs(), 30 * 86_400);
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            let _ = issue(text);
        }
    });
});
