//! Bundles survive their JSON, sign, seal and open through rotations.

use std::time::Duration;

use super::*;
use crate::SeedSealer;
use crate::rotation::{self, Event};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn rotate(bundle: &mut KeyBundle, purpose: Purpose, event: Event) {
    let commands = rotation::handle(bundle, purpose, event, NOW, Duration::from_secs(60));
    bundle.apply(&commands, NOW);
}

#[test]
fn a_bundle_survives_its_json_and_hides_its_secrets_in_debug() {
    for service in Service::ALL {
        let bundle = KeyBundle::generate(service, NOW);
        let json = serde_json::to_string(&bundle).unwrap();
        assert_eq!(serde_json::from_str::<KeyBundle>(&json).unwrap(), bundle);
        for key in &bundle.keys {
            let hex = data_encoding::HEXLOWER.encode(key.secret.expose());
            assert!(json.contains(&hex) && !format!("{bundle:?}").contains(&hex));
        }
    }
}

#[test]
fn the_json_of_a_bundle_never_moves_while_it_is_written() {
    let mut bundle = KeyBundle::generate(Service::Authentication, NOW);
    for _ in 0..20 {
        rotate(&mut bundle, Purpose::CodeMac, Event::Emergency);
    }
    let json = bundle.to_json();
    assert!(json.expose().len() <= ENTRY_LONGEST * bundle.keys.len());
    assert_eq!(KeyBundle::from_json(json.expose()).unwrap(), bundle);
}

#[test]
fn a_bundle_with_a_broken_secret_is_refused() {
    let json = serde_json::to_string(&KeyBundle::generate(Service::Distribution, NOW)).unwrap();
    let broken = json.replace("\"secret\":\"", "\"secret\":\"zz");
    assert!(serde_json::from_str::<KeyBundle>(&broken).is_err());
}

#[test]
fn what_one_generation_sealed_the_next_opens() {
    let mut bundle = KeyBundle::generate(Service::Authentication, NOW);
    let sealed = bundle.sealer(Purpose::ProgressSealing).unwrap().seal(b"c", b"plain");
    rotate(&mut bundle, Purpose::ProgressSealing, Event::Begin);
    let generation = bundle.generation;
    rotate(&mut bundle, Purpose::ProgressSealing, Event::Confirmed { generation });
    let sealer = bundle.sealer(Purpose::ProgressSealing).unwrap();
    assert_eq!(sealer.open(b"c", &sealed).unwrap().as_slice(), b"plain");
    assert_ne!(sealer.seal(b"c", b"plain")[..17], sealed[..17], "another key seals now");
}

#[test]
fn seeds_sealed_with_the_published_key_open() {
    let mut bundle = KeyBundle::generate(Service::Authentication, NOW);
    let sealer = SeedSealer::from_public_keys(&bundle.public_keys().unwrap()).unwrap();
    let sealed = sealer.seal(b"alice", b"seed").unwrap();
    rotate(&mut bundle, Purpose::SeedOpening, Event::Emergency);
    assert_eq!(bundle.public_keys().unwrap().len(), 1);
    assert_eq!(bundle.seed_opener().unwrap().open(b"alice", &sealed).unwrap().as_slice(), b"seed");
}

#[test]
fn only_services_with_keys_have_public_ones() {
    let count = |service| KeyBundle::generate(service, NOW).public_keys().unwrap().len();
    assert_eq!(Service::ALL.map(count), [1, 2, 1, 0, 0]);
}
