//! Round trips, and that nothing which differs by a bit, a byte or a host passes.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::HEXLOWER;
use evergate_model::factor::ProvenFactor;
use evergate_model::id::Key;
use evergate_model::snapshot::{KeyPurpose, PublicKey};
use evergate_model::{Factor, Host, Id, SessionFacts, Timestamp};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn key_id(byte: u8) -> Id<Key> {
    Id::new(NOW, [byte; 10])
}

fn pair(byte: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[byte; 32]).unwrap()
}

fn public(byte: u8) -> PublicKey {
    let key = HEXLOWER.encode(pair(byte).public_key().as_ref());
    PublicKey { id: key_id(byte), purpose: KeyPurpose::SessionToken, key }
}

fn verifier() -> Verifier {
    Verifier::from_public_keys(&[public(1), public(2)]).unwrap()
}

fn sign(claims: &Claims, byte: u8) -> String {
    let unsigned = to_be_signed(claims, key_id(byte)).unwrap();
    let signature = pair(byte).sign(unsigned.message()).as_ref().try_into().unwrap();
    unsigned.assemble(&signature)
}

fn claims() -> Claims {
    let facts = SessionFacts {
        session: Id::new(NOW, [3; 10]),
        user: Id::new(NOW, [4; 10]),
        user_name: "älice".to_owned(),
        email: Some("alice@example.com".to_owned()),
        groups: vec!["staff".to_owned()],
        factors: vec![
            ProvenFactor { factor: Factor::Password, at: NOW },
            ProvenFactor { factor: Factor::Method("badge".parse().unwrap()), at: NOW },
        ],
        opened_at: NOW,
        ends_at: Timestamp::from_seconds(NOW.as_seconds() + 3600),
    };
    let (host, expires_at) = ("wiki.localhost".parse().unwrap(), facts.ends_at);
    Claims { facts, host, issued_at: NOW, expires_at, log_position: 7, groups_left_out: false }
}

fn verify(text: &str) -> Result<Claims, TokenError> {
    verifier().verify(text, &claims().host, NOW).map(VerifiedToken::into_claims)
}

#[test]
fn tokens_of_several_generations_of_keys_are_believed() {
    for byte in [1, 2] {
        assert_eq!(verify(&sign(&claims(), byte)), Ok(claims()));
    }
    assert_eq!(verify(&sign(&claims(), 3)), Err(TokenError::UnknownKey(key_id(3))));
}

#[test]
fn a_token_for_another_host_or_after_its_end_is_refused() {
    let text = sign(&claims(), 1);
    let other: Host = "other.localhost".parse().unwrap();
    assert_eq!(verifier().verify(&text, &other, NOW), Err(TokenError::OtherHost(claims().host)));
    let end = claims().expires_at;
    assert_eq!(verifier().verify(&text, &claims().host, end), Err(TokenError::Expired(end)));
    let mut longer = claims();
    longer.expires_at = Timestamp::MAX;
    let verdict = verifier().verify(&sign(&longer, 1), &claims().host, end);
    assert_eq!(verdict, Err(TokenError::Expired(end)), "never after the session's end");
}

#[test]
fn every_flipped_bit_is_refused() {
    let text = sign(&claims(), 1);
    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(flipped) = String::from_utf8(bytes) {
            assert!(verify(&flipped).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn every_truncation_and_every_addition_is_refused() {
    let text = sign(&claims(), 1);
    for length in 0..text.len() {
        assert!(verify(&text[..length]).is_err(), "{length} bytes");
    }
    for more in ["A", "AA", "AAAA", "=", " ", "."] {
        assert!(verify(&format!("{text}{more}")).is_err(), "{more}");
    }
}

#[test]
fn another_keys_signature_is_refused() {
    let unsigned = to_be_signed(&claims(), key_id(1)).unwrap();
    let signature = pair(2).sign(unsigned.message()).as_ref().try_into().unwrap();
    assert_eq!(verify(&unsigned.assemble(&signature)), Err(TokenError::Forged));
}

#[test]
fn a_key_for_something_else_verifies_no_token() {
    let mut key = public(1);
    key.purpose = KeyPurpose::Snapshot;
    let verifier = Verifier::from_public_keys(&[key]).unwrap();
    let verdict = verifier.verify(&sign(&claims(), 1), &claims().host, NOW);
    assert_eq!(verdict, Err(TokenError::UnknownKey(key_id(1))));
}

#[test]
fn too_many_groups_do_not_fit_and_leaving_them_out_does() {
    let mut crowded = claims();
    crowded.facts.groups = (0..300).map(|n| format!("group-{n}")).collect();
    assert!(matches!(to_be_signed(&crowded, key_id(1)), Err(EncodeError::TooLong(_))));
    let spare = crowded.without_groups();
    assert_eq!(verify(&sign(&spare, 1)), Ok(spare));
}

#[test]
fn the_longest_token_is_believed_and_a_longer_text_not_looked_at() {
    let mut long = claims();
    long.facts.groups = (0..18).map(|_| "g".repeat(110)).collect();
    let text = sign(&long, 1);
    assert!(text.len() <= LONGEST_TEXT && text.len() > LONGEST_TEXT - 200, "{}", text.len());
    assert_eq!(verify(&text), Ok(long));
    assert_eq!(verify(&"v1.".repeat(2000)), Err(TokenError::TooLong));
    assert_eq!(verify("v2.AAAA"), Err(TokenError::UnknownVersion));
}

#[test]
fn a_public_key_of_another_length_is_refused() {
    let mut key = public(1);
    key.key.truncate(62);
    assert!(Verifier::from_public_keys(&[key]).is_err());
}

fn factor() -> impl Strategy<Value = Factor> {
    prop_oneof![
        Just(Factor::Password),
        Just(Factor::Totp),
        Just(Factor::EmailCode),
        Just(Factor::RecoveryCode),
        Just(Factor::Passkey),
        Just(Factor::Certificate),
        "m[a-z0-9]{0,20}".prop_map(|name| Factor::Method(name.parse().unwrap())),
    ]
}

fn any_claims() -> impl Strategy<Value = Claims> {
    let times = (any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>(), any::<u64>());
    let ids = (any::<[u8; 16]>(), any::<[u8; 16]>());
    let texts = ("\\PC{0,60}", proptest::option::of("\\PC{0,60}"), "[a-z]{1,20}\\.localhost");
    let groups = proptest::collection::vec("\\PC{0,30}", 0..10);
    let factors = proptest::collection::vec((factor(), any::<i64>()), 0..6);
    (times, ids, texts, groups, factors, any::<bool>()).prop_map(
        |(times, ids, texts, groups, factors, out)| {
            let factors = factors.into_iter();
            let at = Timestamp::from_milliseconds;
            Claims {
                facts: SessionFacts {
                    session: Id::from_bytes(ids.0),
                    user: Id::from_bytes(ids.1),
                    user_name: texts.0,
                    email: texts.1,
                    groups,
                    factors: factors.map(|(factor, time)| ProvenFactor { factor, at: at(time) }).collect(),
                    opened_at: at(times.0),
                    ends_at: at(times.1),
                },
                host: texts.2.parse().unwrap(),
                issued_at: at(times.2),
                expires_at: at(times.3),
                log_position: times.4,
                groups_left_out: out,
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_signed_comes_back(claims in any_claims()) {
        let before = Timestamp::MIN;
        let verified = verifier().verify(&sign(&claims, 1), &claims.host, before);
        if claims.expires_at.min(claims.facts.ends_at) > before {
            prop_assert_eq!(verified.unwrap().into_claims(), claims);
        }
    }

    #[test]
    fn no_text_makes_the_verifier_panic(text in "(v1\\.)?[A-Za-z0-9_-]{0,400}") {
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = reader::read(&bytes);
    }
}
