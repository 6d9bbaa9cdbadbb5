//! Which snapshots are believed.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::HEXLOWER;
use evergate_model::id::{Key, Lineage};
use evergate_model::snapshot::{AccessPointPart, Head, KeyPurpose, Part, PublicKey, Snapshot};
use evergate_model::{Id, Service, Timestamp, Topology};

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn id<K: evergate_model::id::Kind>(byte: u8) -> Id<K> {
    Id::new(NOW, [byte; 10])
}

fn pair(byte: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[byte; 32]).unwrap()
}

fn public(byte: u8) -> PublicKey {
    let key = HEXLOWER.encode(pair(byte).public_key().as_ref());
    PublicKey { id: id(byte), purpose: KeyPurpose::Snapshot, key }
}

fn snapshot(epoch: u64, revision: u64) -> Snapshot {
    let head = Head {
        lineage: id::<Lineage>(9),
        epoch,
        revision,
        version: 3,
        audience: Service::AccessPoint,
        made_at: NOW,
    };
    let part = Part::AccessPoint(AccessPointPart {
        portal_host: "portal.localhost".parse().unwrap(),
        console_host: None,
        public_port: Some(10_443),
        certificates: Vec::new(),
        resources: Vec::new(),
    });
    Snapshot {
        head,
        topology: Topology::default(),
        admitted: Vec::new(),
        identity_roots: vec!["a root".to_owned()],
        public_keys: vec![public(2)],
        part,
    }
}

fn sign(snapshot: &Snapshot, byte: u8) -> Vec<u8> {
    let unsigned = to_be_signed(snapshot, id::<Key>(byte)).unwrap();
    let signature = pair(byte).sign(unsigned.message()).as_ref().try_into().unwrap();
    unsigned.assemble(&signature)
}

fn verifier() -> SnapshotVerifier {
    SnapshotVerifier::new(id::<Lineage>(9), Service::AccessPoint, &[public(1)]).unwrap()
}

fn refusal(verifier: &SnapshotVerifier, bytes: &[u8]) -> SnapshotError {
    verifier.verify(bytes).unwrap_err()
}

#[test]
fn a_snapshot_comes_back_as_it_was_signed_and_has_the_same_hash() {
    let unsigned = to_be_signed(&snapshot(1, 1), id::<Key>(1)).unwrap();
    let verified = verifier().verify(&sign(&snapshot(1, 1), 1)).unwrap();
    assert_eq!(verified.hash(), unsigned.hash());
    assert_eq!(verified.into_snapshot(), snapshot(1, 1));
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = sign(&snapshot(1, 1), 1);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verifier().verify(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_and_every_addition_is_refused() {
    let bytes = sign(&snapshot(1, 1), 1);
    for length in 0..bytes.len() {
        assert!(verifier().verify(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert_eq!(refusal(&verifier(), &[&bytes, b"\n".as_slice()].concat()), SnapshotError::Malformed);
}

#[test]
fn only_a_higher_epoch_or_revision_is_believed_after_one_was_accepted() {
    let mut verifier = verifier();
    let accepted = verifier.verify(&sign(&snapshot(2, 5), 1)).unwrap();
    verifier.accept(&accepted);
    assert_eq!(verifier.newest(), Some((2, 5)));
    for (epoch, revision) in [(2, 5), (2, 4), (1, 9)] {
        let expected = SnapshotError::NotNewer { have: (2, 5), got: (epoch, revision) };
        assert_eq!(refusal(&verifier, &sign(&snapshot(epoch, revision), 1)), expected);
    }
    for (epoch, revision) in [(2, 6), (3, 0)] {
        assert!(verifier.verify(&sign(&snapshot(epoch, revision), 1)).is_ok());
    }
}

#[test]
fn a_key_is_believed_once_a_snapshot_that_names_it_was_accepted() {
    let mut verifier = verifier();
    let by_new_key = sign(&snapshot(1, 2), 2);
    assert_eq!(refusal(&verifier, &by_new_key), SnapshotError::UnknownKey(id(2)));
    let first = verifier.verify(&sign(&snapshot(1, 1), 1)).unwrap();
    verifier.accept(&first);
    assert!(verifier.verify(&by_new_key).is_ok());
}

#[test]
fn a_snapshot_of_another_installation_or_for_another_service_is_refused() {
    let mut foreign = snapshot(1, 1);
    foreign.head.lineage = id(8);
    assert_eq!(refusal(&verifier(), &sign(&foreign, 1)), SnapshotError::OtherLineage(id(8)));
    let mut internal = snapshot(1, 1);
    internal.head.audience = Service::Policy;
    assert_eq!(refusal(&verifier(), &sign(&internal, 1)), SnapshotError::OtherAudience(Service::Policy));
}

#[test]
fn another_keys_signature_is_refused() {
    let unsigned = to_be_signed(&snapshot(1, 1), id::<Key>(1)).unwrap();
    let signature = pair(2).sign(unsigned.message()).as_ref().try_into().unwrap();
    assert_eq!(refusal(&verifier(), &unsigned.assemble(&signature)), SnapshotError::Forged);
}

#[test]
fn a_snapshot_with_an_unusable_key_is_refused_although_it_is_signed() {
    let mut broken = snapshot(1, 1);
    broken.public_keys[0].key = "00".to_owned();
    assert!(matches!(refusal(&verifier(), &sign(&broken, 1)), SnapshotError::Unusable(_)));
}
