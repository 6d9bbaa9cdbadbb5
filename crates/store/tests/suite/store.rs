//! The store on a real database: two handles on it race, as two instances would.

#[path = "attempts.rs"]
mod attempting;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use evergate_model::id::{Credential, Kind, User as UserKind};
use evergate_model::{Id, Name, Timestamp};
use evergate_store::attempts::{Counted, Limits, Reservation};
use evergate_store::audit::Verification;
use evergate_store::credentials::{NewCredential, Sort};
use evergate_store::{
    Actor, Settings, Store, StoreError, Tx, attempts, audit, configurations, credentials, effects, groups,
    instances, join_tokens, leases, outbox, users,
};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::database::Database;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn id<K: Kind>(number: u8) -> Id<K> {
    Id::new(NOW, [number; 10])
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn user(number: u8, name: &str) -> users::User {
    users::User {
        id: id(number),
        name: name.to_owned(),
        email: None,
        state: users::State::Active,
        created_at: NOW,
        invited_at: None,
    }
}

async fn add_user(store: &Store, number: u8, name: &str) -> Id<UserKind> {
    let mut tx = store.begin().await.unwrap();
    users::add(&mut tx, &Actor::System, NOW, &user(number, name)).await.unwrap();
    tx.commit().await.unwrap();
    id(number)
}

#[test]
fn what_callers_hold_may_be_shared_by_threads() {
    const fn may_be_shared<T: Send + Sync>() {}
    may_be_shared::<Store>();
    may_be_shared::<Tx>();
    may_be_shared::<evergate_store::Reading>();
    may_be_shared::<evergate_store::Connection>();
    may_be_shared::<evergate_store::Changes>();
    may_be_shared::<StoreError>();
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_from_two_handles_at_once_happens_once() {
    let database = Database::empty().await;
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let store = database.open().await;
        tasks.spawn(async move { store.migrate().await });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    let store = database.open().await;
    assert_eq!(audit::last_number(&mut store.read().await.unwrap()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_database_that_a_newer_program_added_to_is_used_and_one_it_took_from_is_refused() {
    let database = Database::new().await;
    let store = database.open().await;
    let newer = async |number: i64, name: &str| {
        let sql = format!("insert into migrations (number, name, hash) values ({number}, '{name}', '')");
        database.tamper(&sql).await;
    };
    newer(9998, "9998_tomorrow").await;
    store.migrate().await.unwrap();
    newer(9999, "9999_contract_yesterday").await;
    assert!(matches!(store.migrate().await, Err(StoreError::OtherMigration { number: 9999 })));
}

#[tokio::test]
async fn a_migration_of_ours_that_was_another_is_refused() {
    let database = Database::new().await;
    let store = database.open().await;
    database.tamper("update migrations set hash = 'other' where number = 1").await;
    assert!(matches!(store.migrate().await, Err(StoreError::OtherMigration { number: 1 })));
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    users::add(&mut tx, &Actor::System, NOW, &user(1, "alice")).await.unwrap();
    drop(tx);
    assert_eq!(users::find_by_name(&mut store.read().await.unwrap(), "alice").await.unwrap(), None);
    assert_eq!(audit::last_number(&mut store.read().await.unwrap()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_user_is_found_in_any_spelling_and_the_name_is_taken() {
    let database = Database::new().await;
    let store = database.open().await;
    add_user(&store, 1, "alice").await;
    let found = users::find_by_name(&mut store.read().await.unwrap(), " Alice ").await.unwrap();
    assert_eq!(found.unwrap(), user(1, "alice"));
    let mut tx = store.begin().await.unwrap();
    let again = users::add(&mut tx, &Actor::System, NOW, &user(2, "alice")).await;
    assert!(matches!(again, Err(StoreError::Taken(_))), "{again:?}");
}

#[tokio::test]
async fn removing_a_user_removes_what_belongs_to_it() {
    let database = Database::new().await;
    let store = database.open().await;
    let alice = add_user(&store, 1, "alice").await;
    let mut tx = store.begin().await.unwrap();
    groups::add(&mut tx, &Actor::System, NOW, "staff").await.unwrap();
    assert!(groups::add_member(&mut tx, &Actor::System, NOW, "staff", alice).await.unwrap());
    assert!(!groups::add_member(&mut tx, &Actor::System, NOW, "staff", alice).await.unwrap());
    credentials::set_password(&mut tx, &Actor::System, NOW, alice, id(3), "$argon2id$...").await.unwrap();
    assert_eq!(groups::names_of(&mut tx, alice).await.unwrap(), ["staff"]);
    assert!(users::remove(&mut tx, &Actor::System, NOW, alice).await.unwrap());
    assert!(groups::members(&mut tx, "staff").await.unwrap().is_empty());
    assert!(credentials::find_password(&mut tx, alice).await.unwrap().is_none());
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one() {
    let database = Database::new().await;
    let store = database.open().await;
    let alice = add_user(&store, 1, "alice").await;
    let mut tx = store.begin().await.unwrap();
    for (number, phc) in [(1, "first"), (2, "second")] {
        credentials::set_password(&mut tx, &Actor::System, NOW, alice, id(number), phc).await.unwrap();
    }
    let (found, phc) = credentials::find_password(&mut tx, alice).await.unwrap().unwrap();
    assert_eq!((found, phc.as_str()), (id(2), "second"));
    assert!(credentials::ever_had(&mut tx, alice, credentials::Sort::Password).await.unwrap());
    assert!(!credentials::ever_had(&mut tx, alice, credentials::Sort::Totp).await.unwrap());
}

#[tokio::test]
async fn a_recovery_code_is_good_once() {
    let database = Database::new().await;
    let store = database.open().await;
    let alice = add_user(&store, 1, "alice").await;
    let mut tx = store.begin().await.unwrap();
    let hashes = ["a".to_owned(), "b".to_owned()];
    credentials::set_recovery_codes(&mut tx, &Actor::System, NOW, alice, id(9), &hashes).await.unwrap();
    let used = credentials::use_recovery_code(&mut tx, NOW, alice, "a").await.unwrap();
    assert_eq!(used, Some(id(9)));
    assert_eq!(credentials::use_recovery_code(&mut tx, NOW, alice, "a").await.unwrap(), None);
    assert_eq!(credentials::recovery_codes_left(&mut tx, alice).await.unwrap(), 1);
}

async fn add_soft_token(store: &Store) -> Id<Credential> {
    let user = add_user(store, 1, "alice").await;
    let mut tx = store.begin().await.unwrap();
    let new = NewCredential { id: id(1), user, sort: Sort::Totp, label: "app", secret: Some(b"sealed") };
    credentials::add(&mut tx, &Actor::System, NOW, &new).await.unwrap();
    tx.commit().await.unwrap();
    new.id
}

#[tokio::test]
async fn a_code_of_a_soft_token_that_was_removed_meanwhile_is_none() {
    let database = Database::new().await;
    let store = database.open().await;
    let credential = add_soft_token(&store).await;
    let mut tx = store.begin().await.unwrap();
    assert!(credentials::use_code(&mut tx, NOW, credential, 1).await.unwrap());
    assert!(credentials::remove(&mut tx, &Actor::System, NOW, id(1), credential).await.unwrap());
    assert!(!credentials::use_code(&mut tx, NOW, credential, 2).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_code_raced_from_two_handles_is_accepted_once() {
    let database = Database::new().await;
    let (first, second) = (database.open().await, database.open().await);
    let credential: Id<Credential> = add_soft_token(&first).await;
    for step in 0..50 {
        let use_it = |store: Store| async move {
            let mut tx = store.begin().await.unwrap();
            let is_first = credentials::use_code(&mut tx, NOW, credential, step).await.unwrap();
            tx.commit().await.unwrap();
            is_first
        };
        let (a, b) = (tokio::spawn(use_it(first.clone())), tokio::spawn(use_it(second.clone())));
        assert!(a.await.unwrap() ^ b.await.unwrap(), "step {step}");
    }
}

const LIMITS: Limits = Limits {
    failures: 5,
    failures_per_user: 8,
    failures_per_address: Some(20),
    pause: Duration::from_secs(900),
};
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

#[tokio::test]
async fn an_effect_is_returned_and_never_taken_for_another() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(effects::find::<u32>(&mut tx, "key", "print").await.unwrap(), None);
    effects::remember(&mut tx, "key", "print", &7_u32, NOW).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = database.open().await.begin().await.unwrap();
    assert_eq!(effects::find::<u32>(&mut tx, "key", "print").await.unwrap(), Some(7));
    let other = effects::find::<u32>(&mut tx, "key", "another").await;
    assert!(matches!(other, Err(StoreError::OtherEffect(_))), "{other:?}");
}

/// Does what has this key, unless it is done: who did it, and whether that was now.
async fn do_once(store: &Store, key: &str, who: u32) -> (u32, bool) {
    let mut tx = store.begin().await.unwrap();
    if let Some(done) = effects::find::<u32>(&mut tx, key, "print").await.unwrap() {
        return (done, false);
    }
    effects::remember(&mut tx, key, "print", &who, NOW).await.unwrap();
    tx.commit().await.unwrap();
    (who, true)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_raced_from_two_handles_is_done_once_and_told_to_both() {
    let database = Database::new().await;
    let stores = [database.open().await, database.open().await];
    for round in 0..20 {
        let start = Arc::new(tokio::sync::Barrier::new(2));
        let mut tasks = JoinSet::new();
        for (who, store) in (0..).zip(stores.clone()) {
            let start = Arc::clone(&start);
            tasks.spawn(async move {
                start.wait().await;
                do_once(&store, &format!("key{round}"), who).await
            });
        }
        let outcomes = tasks.join_all().await;
        let [(one, one_did), (other, other_did)] = outcomes[..] else { unreachable!() };
        assert!(one == other && one_did != other_did, "round {round}: {outcomes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_while_an_effect_is_being_done_waits_and_finds_it_done() {
    let database = Database::new().await;
    let (first, second) = (database.open().await, database.open().await);
    let mut tx = first.begin().await.unwrap();
    assert_eq!(effects::find::<u32>(&mut tx, "key", "print").await.unwrap(), None);
    effects::remember(&mut tx, "key", "print", &1_u32, NOW).await.unwrap();
    let mut waiting = tokio::spawn(async move { do_once(&second, "key", 2).await });
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut waiting).await.is_err());
    tx.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), (1, false));
}

#[tokio::test]
async fn a_changed_audit_row_is_found() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    for number in 0..5 {
        let detail = serde_json::json!({ "number": number });
        audit::append(&mut tx, NOW, &Actor::System, "test.done", "it", &detail).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut reading = store.read().await.unwrap();
    let whole = audit::verify(&mut reading).await.unwrap();
    assert!(matches!(whole, Verification::Whole { rows: 5, .. }), "{whole:?}");
    database.tamper("update audit set detail = '{}' where number = 3").await;
    assert_eq!(audit::verify(&mut reading).await.unwrap(), Verification::Broken { number: 3 });
    database.tamper("delete from audit where number = 2").await;
    assert_eq!(audit::verify(&mut reading).await.unwrap(), Verification::Broken { number: 2 });
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_publishers_with_one_base_one_is_told() {
    let database = Database::new().await;
    let (first, second) = (database.open().await, database.open().await);
    let publish = |store: Store| async move {
        let configuration = serde_json::from_str(r#"{"portal_host":"portal.example.com"}"#).unwrap();
        let new = configurations::NewVersion {
            base: 0,
            configuration: &configuration,
            comment: "",
            rollback_of: None,
        };
        let mut tx = store.begin().await.unwrap();
        let number = configurations::publish(&mut tx, &Actor::System, NOW, &new).await.unwrap();
        tx.commit().await.unwrap();
        number
    };
    let (a, b) = (tokio::spawn(publish(first.clone())), tokio::spawn(publish(second)));
    let mut numbers = [a.await.unwrap(), b.await.unwrap()];
    numbers.sort();
    assert_eq!(numbers, [None, Some(1)]);
    assert_eq!(configurations::latest(&mut first.read().await.unwrap()).await.unwrap().unwrap().0, 1);
}

#[tokio::test]
async fn a_lease_is_taken_over_only_when_it_has_expired() {
    let database = Database::new().await;
    let store = database.open().await;
    let (one, two) = (name("administration1"), name("administration2"));
    let later = |seconds| NOW.plus(Duration::from_secs(seconds));
    let mut tx = store.begin().await.unwrap();
    let held = leases::take(&mut tx, NOW, "active", &one, later(4)).await.unwrap().unwrap();
    assert_eq!((held.holder, held.term), (one.clone(), 1));
    let held = leases::take(&mut tx, later(3), "active", &two, later(7)).await.unwrap().unwrap();
    assert_eq!(held.holder, one);
    let held = leases::take(&mut tx, later(4), "active", &two, later(8)).await.unwrap().unwrap();
    assert_eq!((held.holder, held.term), (two.clone(), 2));
    assert!(leases::is_held(&mut tx, later(7), "active", &two).await.unwrap());
    assert!(!leases::is_held(&mut tx, later(7), "active", &one).await.unwrap(), "another took over");
    assert!(!leases::is_held(&mut tx, later(8), "active", &two).await.unwrap(), "it has expired");
    assert!(!leases::give_up(&mut tx, "active", &one, None).await.unwrap());
    assert!(leases::give_up(&mut tx, "active", &two, Some((&one, later(9)))).await.unwrap());
    assert_eq!(leases::get(&mut tx, "active").await.unwrap().unwrap().holder, one);
}

#[tokio::test]
async fn an_instance_keeps_two_certificates_while_it_renews() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    for (number, certificate) in ["a", "b", "c"].into_iter().enumerate() {
        let admission = instances::Admission {
            certificate: certificate.to_owned(),
            instance: name("policy1"),
            service: evergate_model::Service::Policy,
            not_after: Timestamp::MAX,
            admitted_at: NOW.plus(Duration::from_secs(number as u64)),
            line: "a".to_owned(),
        };
        instances::admit(&mut tx, &Actor::System, NOW, &admission, 2).await.unwrap();
    }
    let admitted = instances::admitted(&mut tx).await.unwrap();
    assert_eq!(admitted.len(), 1);
    assert_eq!(admitted[0].certificates, ["b", "c"]);
}

#[tokio::test]
async fn an_instance_keeps_one_line_of_certificates_where_it_has_moved() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    for (certificate, instance, line) in
        [("a", "policy1", "a"), ("b", "policy1", "a"), ("c", "policy1", "c"), ("d", "policy2", "d")]
    {
        let admission = instances::Admission {
            certificate: certificate.to_owned(),
            instance: name(instance),
            service: evergate_model::Service::Policy,
            not_after: Timestamp::MAX,
            admitted_at: NOW,
            line: line.to_owned(),
        };
        instances::admit(&mut tx, &Actor::System, NOW, &admission, 4).await.unwrap();
    }
    // Who renews pushes nobody else out.
    for certificate in ["e", "f"] {
        let admission = instances::Admission {
            certificate: certificate.to_owned(),
            instance: name("policy1"),
            service: evergate_model::Service::Policy,
            not_after: Timestamp::MAX,
            admitted_at: NOW.plus(Duration::from_secs(1)),
            line: "a".to_owned(),
        };
        instances::admit(&mut tx, &Actor::System, NOW, &admission, 2).await.unwrap();
    }
    let policy1 = name("policy1");
    assert_eq!(instances::line(&mut tx, &policy1, "f").await.unwrap().as_deref(), Some("a"));
    assert_eq!(instances::line(&mut tx, &policy1, "d").await.unwrap(), None, "another's");
    let mut dismiss =
        async |line| instances::dismiss_others(&mut tx, &Actor::System, NOW, &policy1, line).await.unwrap();
    assert_eq!(dismiss("d").await, None, "not a line of its own: that would leave none");
    assert_eq!(dismiss("c").await, Some(2));
    assert_eq!(dismiss("c").await, Some(0));
    let left = instances::admissions(&mut tx).await.unwrap();
    let left: Vec<&str> = left.iter().map(|admission| admission.certificate.as_str()).collect();
    assert_eq!(left, ["c", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_elsewhere_is_noticed() {
    let database = Database::alone().await;
    let (watcher, writer) = (database.open().await, database.open().await);
    let mut changes = watcher.changes().await.unwrap();
    let quiet = tokio::time::timeout(Duration::from_millis(400), changes.changed()).await;
    assert!(quiet.is_err(), "nothing was written");
    add_user(&writer, 1, "alice").await;
    tokio::time::timeout(Duration::from_secs(5), changes.changed()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_waits_for_whoever_holds_the_lock_and_goes_on_at_once_when_they_are_gone() {
    let database = Database::new().await;
    let (hung, waiting) = (database.open().await, database.open().await);
    let tx = hung.begin().await.unwrap();
    let write = tokio::spawn(async move { waiting.begin().await.map(|_| Instant::now()) });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!write.is_finished(), "the lock is held");
    let released = Instant::now();
    drop(tx);
    hung.close().await;
    let began = write.await.unwrap().unwrap();
    assert!(began.duration_since(released) < Duration::from_millis(250), "{:?}", began - released);
}

#[tokio::test]
async fn a_write_that_waits_too_long_is_told_that_the_database_is_busy_and_reads_go_on() {
    let database = Database::new().await;
    let settings = Settings { busy_timeout: Duration::from_millis(200), ..Settings::default() };
    let (hung, waiting) = (database.open().await, Store::open(&database.url(), settings).await.unwrap());
    let _tx = hung.begin().await.unwrap();
    assert!(matches!(waiting.begin().await, Err(StoreError::Busy)));
    assert!(leases::get(&mut waiting.read().await.unwrap(), "active").await.unwrap().is_none());
}

fn message(number: u8) -> outbox::NewMessage<'static> {
    outbox::NewMessage { id: id(number), recipient: "alice@example.com", kind: "notice", sealed: b"x" }
}

#[tokio::test]
async fn a_delivery_counts_whoever_holds_the_lease_and_a_second_one_is_known() {
    let database = Database::new().await;
    let store = database.open().await;
    let (one, two) = (name("distribution1"), name("distribution2"));
    let later = |seconds| NOW.plus(Duration::from_secs(seconds));
    let mut tx = store.begin().await.unwrap();
    outbox::add(&mut tx, NOW, &message(1)).await.unwrap();
    let first = outbox::lease(&mut tx, NOW, &one, later(60), 10).await.unwrap();
    assert_eq!((first.len(), first[0].interruptions), (1, 0));
    // The first hangs; its lease passes to the second, which cannot deliver and puts it off.
    let second = outbox::lease(&mut tx, later(61), &two, later(121), 10).await.unwrap();
    assert_eq!((second.len(), second[0].interruptions), (1, 1));
    assert!(outbox::postpone(&mut tx, &two, id(1), later(70), "down").await.unwrap());
    let third = outbox::lease(&mut tx, later(70), &two, later(130), 10).await.unwrap();
    assert_eq!((third.len(), third[0].interruptions), (1, 1), "it stays known");
    // The first wakes: what it could not deliver is not its to say, what it delivered is.
    let failed = outbox::Outcome::Failed("late".to_owned());
    let told = outbox::finish(&mut tx, later(71), &one, id(1), &failed).await.unwrap();
    assert_eq!(told, outbox::Finished::NotOurs);
    let told = outbox::finish(&mut tx, later(71), &one, id(1), &outbox::Outcome::Delivered).await.unwrap();
    assert_eq!(told, outbox::Finished::Now);
    let told = outbox::finish(&mut tx, later(72), &two, id(1), &outbox::Outcome::Delivered).await.unwrap();
    assert_eq!(told, outbox::Finished::DeliveredBefore);
}

#[tokio::test]
async fn what_a_dead_instance_leased_is_free_when_it_starts_again() {
    let database = Database::new().await;
    let store = database.open().await;
    let (one, two) = (name("distribution1"), name("distribution2"));
    let until = NOW.plus(Duration::from_secs(60));
    let mut tx = store.begin().await.unwrap();
    outbox::add(&mut tx, NOW, &message(1)).await.unwrap();
    outbox::lease(&mut tx, NOW, &one, until, 10).await.unwrap();
    assert_eq!(outbox::end_leases(&mut tx, &two).await.unwrap(), 0);
    assert!(outbox::lease(&mut tx, NOW, &two, until, 10).await.unwrap().is_empty());
    assert_eq!(outbox::end_leases(&mut tx, &one).await.unwrap(), 1);
    assert_eq!(outbox::lease(&mut tx, NOW, &two, until, 10).await.unwrap()[0].interruptions, 1);
}

#[tokio::test]
async fn a_join_token_is_good_for_its_node_once_and_until_it_expires() {
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    let (node, other) = (name("node-b"), name("node-c"));
    let expires_at = NOW.plus(Duration::from_secs(60));
    let add = async |hash: &str| {
        let mut tx = one.begin().await.unwrap();
        join_tokens::add(&mut tx, &Actor::System, NOW, &node, hash, expires_at).await.unwrap();
        tx.commit().await.unwrap();
    };
    add("first").await;
    let mut reading = two.read().await.unwrap();
    assert_eq!(join_tokens::find(&mut reading, NOW, "first").await.unwrap(), Some(node.clone()));
    assert_eq!(join_tokens::find(&mut reading, expires_at, "first").await.unwrap(), None);
    add("second").await;
    assert_eq!(join_tokens::find(&mut reading, NOW, "first").await.unwrap(), None, "a new one replaces it");
    drop(reading);

    let accept = async |store: &Store, node: &Name, now: Timestamp| {
        let mut tx = store.begin().await.unwrap();
        let accepted = join_tokens::accept(&mut tx, &Actor::System, now, node, "second").await.unwrap();
        tx.commit().await.unwrap();
        accepted
    };
    assert!(!accept(&one, &other, NOW).await, "it is another node's");
    assert!(!accept(&one, &node, expires_at).await, "it has expired");
    let (here, there) = tokio::join!(accept(&one, &node, NOW), accept(&two, &node, NOW));
    assert_eq!(usize::from(here) + usize::from(there), 1, "used twice at once, it is good once");
    let mut reading = one.read().await.unwrap();
    let known = join_tokens::find(&mut reading, NOW, "second").await.unwrap();
    assert_eq!(known, Some(node), "who repeats the request is still known");
}
