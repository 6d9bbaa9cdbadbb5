//! What is in the certificates, read back by another library.

use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn authority() -> Authority {
    Authority::generate("Evergate identity CA", NOW).unwrap()
}

fn with_certificate<T>(pem: &str, look: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
    let (_, block) = parse_x509_pem(pem.as_bytes()).unwrap();
    let certificate = block.parse_x509().unwrap();
    look(&certificate)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().unwrap().unwrap();
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) => (*text).to_owned(),
        other => panic!("{other:?}"),
    };
    extension.value.general_names.iter().map(text).collect()
}

fn verifies(certificate: &X509Certificate<'_>, authority: &Authority) -> bool {
    with_certificate(authority.certificate_pem(), |root| {
        let signed_by = certificate.verify_signature(Some(root.public_key())).is_ok();
        signed_by && certificate.issuer() == root.subject()
    })
}

#[test]
fn an_instance_gets_the_name_that_the_authority_says_for_thirty_days() {
    let authority = authority();
    let wanted = request().unwrap();
    let name = "policy1".parse().unwrap();
    let issued = authority.issue_instance(&wanted.request, &name, Service::Policy, NOW).unwrap();
    with_certificate(&issued.chain, |certificate| {
        assert_eq!(names(certificate), ["policy1.policy.evergate.internal"]);
        assert!(verifies(certificate, &authority) && !certificate.is_ca());
        assert!(!verifies(certificate, &self::authority()));
        assert_eq!(certificate.validity().not_after.timestamp(), issued.expires_at.as_seconds());
        assert_eq!(issued.expires_at.since(NOW).as_secs(), 30 * 86_400);
        let own = KeyPair::from_pem(wanted.key.expose()).unwrap();
        assert_eq!(certificate.public_key().subject_public_key.data.as_ref(), own.public_key_raw());
        let uses = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(uses.server_auth && uses.client_auth && !uses.any);
    });
    let (_, block) = parse_x509_pem(issued.chain.as_bytes()).unwrap();
    assert_eq!(issued.fingerprint, fingerprint(&block.contents));
}

#[test]
fn what_a_request_asks_for_is_not_what_it_gets() {
    let key = new_key().unwrap();
    let name = "access-point1".parse().unwrap();
    let issue = |wanted: &CertificateParams| {
        let request = wanted.serialize_request(&key).unwrap().pem().unwrap();
        authority().issue_instance(&request, &name, Service::AccessPoint, NOW)
    };
    let greedy = CertificateParams::new(["administration1.administration.evergate.internal".to_owned()]);
    let mut greedy = greedy.unwrap();
    greedy.distinguished_name.push(DnType::CommonName, "administration1");
    greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    with_certificate(&issue(&greedy).unwrap().chain, |certificate| {
        assert_eq!(names(certificate), ["access-point1.access-point.evergate.internal"]);
        assert_eq!(certificate.subject().to_string(), "CN=access-point1.access-point.evergate.internal");
        assert!(
            !certificate.is_ca() && !certificate.extended_key_usage().unwrap().unwrap().value.code_signing
        );
    });
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    with_certificate(&issue(&greedy).unwrap().chain, |certificate| assert!(!certificate.is_ca()));
}

#[test]
fn a_request_that_its_own_key_did_not_sign_is_refused() {
    let pem = request().unwrap().request;
    let (_, block) = parse_x509_pem(pem.as_bytes()).unwrap();
    let mut der = block.contents;
    let last = der.len() - 1;
    der[last] ^= 1;
    let body = data_encoding::BASE64.encode(&der);
    let forged = format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n");
    let name = "policy1".parse().unwrap();
    let refused = authority().issue_instance(&forged, &name, Service::Policy, NOW);
    assert!(matches!(refused, Err(CertificateError::Request(_))));
    assert!(authority().issue_instance("rubbish", &name, Service::Policy, NOW).is_err());
}

#[test]
fn a_host_gets_a_certificate_that_browsers_bear() {
    let authority = authority();
    let pair = authority.issue_host(&"welcome.localhost".parse().unwrap(), NOW).unwrap();
    with_certificate(&pair.certificate.chain, |certificate| {
        assert_eq!(names(certificate), ["welcome.localhost"]);
        assert!(verifies(certificate, &authority));
        let validity = certificate.validity();
        assert!(validity.not_after.timestamp() - validity.not_before.timestamp() <= 397 * 86_400);
        assert!(validity.not_before.timestamp() < NOW.as_seconds());
    });
    let again = authority.issue_host(&"welcome.localhost".parse().unwrap(), NOW).unwrap();
    assert_ne!(pair.certificate.fingerprint, again.certificate.fingerprint);
    assert!(KeyPair::from_pem(pair.key.expose()).is_ok());
}

#[test]
fn an_authority_comes_back_from_its_pem_and_signs_under_the_same_root() {
    let first = authority();
    let second = Authority::from_pem(first.certificate_pem(), first.key_pem()).unwrap();
    let pair = second.issue_host(&"a.localhost".parse().unwrap(), NOW).unwrap();
    with_certificate(&pair.certificate.chain, |certificate| assert!(verifies(certificate, &first)));
    with_certificate(first.certificate_pem(), |root| {
        assert!(root.is_ca());
        assert_eq!(root.validity().not_after.timestamp() - NOW.as_seconds(), 3650 * 86_400);
    });
    assert!(!format!("{first:?}").contains("PRIVATE KEY"));
}

#[test]
fn the_longest_names_fit() {
    let long: Name = "a".repeat(63).parse().unwrap();
    let wanted = request().unwrap().request;
    assert!(authority().issue_instance(&wanted, &long, Service::AccessPoint, NOW).is_ok());
    let host: Host = [&"b".repeat(63), "b".repeat(63).as_str(), "localhost"].join(".").parse().unwrap();
    assert!(authority().issue_host(&host, NOW).is_ok());
}
