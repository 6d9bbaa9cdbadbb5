//! Sessions, revocations and hand-overs, with two handles on one database.
use std::time::Duration;

use evergate_model::factor::ProvenFactor;
use evergate_model::id::{Kind, User as UserKind};
use evergate_model::{Factor, Id, Timestamp};
use evergate_store::audit::{self, Verification};
use evergate_store::{Actor, Store, groups, hand_overs, revocations, sessions, users};
use tokio::task::JoinSet;

use crate::database::Database;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// A database with two users and a group.
async fn peopled() -> Database {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    for (number, name) in [(1, "alice"), (2, "bob")] {
        let user = users::User {
            id: id(number),
            name: name.to_owned(),
            email: None,
            state: users::State::Active,
            created_at: NOW,
            invited_at: None,
        };
        users::add(&mut tx, &Actor::System, NOW, &user).await.unwrap();
    }
    groups::add(&mut tx, &Actor::System, NOW, "staff").await.unwrap();
    groups::add_member(&mut tx, &Actor::System, NOW, "staff", id(1)).await.unwrap();
    tx.commit().await.unwrap();
    database
}

fn id<K: Kind>(number: u8) -> Id<K> {
    Id::new(NOW, [number; 10])
}

fn proven(factor: Factor, ago: u64) -> ProvenFactor {
    ProvenFactor { factor, at: NOW.minus(Duration::from_secs(ago)) }
}

async fn open_session(store: &Store, number: u8, user: Id<UserKind>) {
    let mut tx = store.begin().await.unwrap();
    let new = sessions::NewSession {
        id: id(number),
        user,
        factors: vec![proven(Factor::Password, 10)],
        ends_at: NOW.plus(HOUR),
        client: "192.0.2.7".to_owned(),
        user_agent: "test".to_owned(),
    };
    sessions::open(&mut tx, &Actor::User(user), NOW, &new).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_session_is_read_with_its_users_groups_and_ends_when_the_user_is_locked() {
    let database = peopled().await;
    let store = database.open().await;
    open_session(&store, 10, id(1)).await;
    let session = sessions::get(&mut store.read().await.unwrap(), id(10)).await.unwrap().unwrap();
    assert_eq!(
        (session.facts.user_name.as_str(), session.facts.groups.as_slice()),
        ("alice", &["staff".to_owned()][..])
    );
    assert!(session.is_alive_at(NOW) && !session.is_alive_at(NOW.plus(HOUR)));

    let mut tx = store.begin().await.unwrap();
    users::set_state(&mut tx, &Actor::System, NOW, id(1), users::State::Locked).await.unwrap();
    tx.commit().await.unwrap();
    let session = sessions::get(&mut store.read().await.unwrap(), id(10)).await.unwrap().unwrap();
    assert!(!session.is_alive_at(NOW));
}

#[tokio::test]
async fn factors_are_added_and_the_later_time_holds() {
    let database = peopled().await;
    let store = database.open().await;
    open_session(&store, 10, id(1)).await;
    let more = [proven(Factor::Totp, 5), proven(Factor::Password, 60)];
    let mut tx = store.begin().await.unwrap();
    assert!(sessions::add_factors(&mut tx, &Actor::System, NOW, id(10), &more).await.unwrap());
    assert!(!sessions::add_factors(&mut tx, &Actor::System, NOW, id(99), &more).await.unwrap());
    let session = sessions::get(&mut tx, id(10)).await.unwrap().unwrap();
    assert_eq!(session.facts.factors, [proven(Factor::Password, 10), proven(Factor::Totp, 5)]);
}

#[tokio::test]
async fn a_session_is_revoked_once_and_numbers_are_never_given_twice() {
    let database = peopled().await;
    let store = database.open().await;
    for (number, user) in [(10, 1), (11, 1), (12, 2)] {
        open_session(&store, number, id(user)).await;
    }
    let mut tx = store.begin().await.unwrap();
    assert_eq!(sessions::revoke(&mut tx, &Actor::System, NOW, id(12)).await.unwrap(), Some(1));
    assert_eq!(sessions::revoke(&mut tx, &Actor::System, NOW, id(12)).await.unwrap(), None);
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert_eq!(revocations::forget(&mut tx, NOW.plus(HOUR * 2)).await.unwrap(), 1);
    assert_eq!(sessions::revoke_user(&mut tx, &Actor::System, NOW, id(1)).await.unwrap(), [2, 3]);
    assert_eq!(revocations::position(&mut tx).await.unwrap(), 3);
    let entries = revocations::list(&mut tx, 2, 10).await.unwrap();
    let expected = revocations::Revocation { number: 3, session: id(11), forget_at: NOW.plus(HOUR) };
    assert_eq!(entries, [expected]);
    let live = sessions::list(&mut tx, NOW, &sessions::Filter::default(), 10).await.unwrap();
    assert_eq!(live, []);
    tx.commit().await.unwrap();
    let whole = audit::verify(&mut store.read().await.unwrap()).await.unwrap();
    assert!(matches!(whole, Verification::Whole { .. }));
}

#[tokio::test]
async fn sessions_are_listed_by_user_and_page() {
    let database = peopled().await;
    let store = database.open().await;
    for (number, user) in [(10, 1), (11, 1), (12, 2)] {
        open_session(&store, number, id(user)).await;
    }
    let mut tx = store.begin().await.unwrap();
    sessions::seen(&mut tx, id(11), NOW.plus(HOUR / 2)).await.unwrap();
    sessions::seen(&mut tx, id(11), NOW).await.unwrap();
    let ids = |sessions: Vec<sessions::Session>| sessions.iter().map(|s| s.facts.session).collect::<Vec<_>>();
    let filter = sessions::Filter { user: Some(id(1)), ..sessions::Filter::default() };
    assert_eq!(ids(sessions::list(&mut tx, NOW, &filter, 10).await.unwrap()), [id(10), id(11)]);
    let filter = sessions::Filter { after: Some(id(10)), ..sessions::Filter::default() };
    assert_eq!(ids(sessions::list(&mut tx, NOW, &filter, 1).await.unwrap()), [id(11)]);
    let filter = sessions::Filter { seen_since: Some(NOW.plus(HOUR / 2)), ..sessions::Filter::default() };
    assert_eq!(ids(sessions::list(&mut tx, NOW, &filter, 10).await.unwrap()), [id(11)]);
}

#[tokio::test]
async fn a_hand_over_is_redeemed_once_by_whoever_comes_first() {
    let database = peopled().await;
    let (one, two) = (database.open().await, database.open().await);
    open_session(&one, 10, id(1)).await;
    let host: evergate_model::Host = "wiki.example.com".parse().unwrap();
    for round in 0..20 {
        let mut tx = one.begin().await.unwrap();
        let new = hand_overs::NewHandOver {
            id: id(round),
            session: id(10),
            host: host.clone(),
            nonce_hash: vec![1; 32],
            expires_at: NOW.plus(Duration::from_secs(60)),
        };
        hand_overs::add(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        let mut racers = JoinSet::new();
        for store in [one.clone(), two.clone()] {
            let host = host.clone();
            racers.spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let session = hand_overs::redeem(&mut tx, NOW, id(round), &host, &[1; 32]).await.unwrap();
                tx.commit().await.unwrap();
                session
            });
        }
        let won = racers.join_all().await.into_iter().flatten().count();
        assert_eq!(won, 1);
    }
}

#[tokio::test]
async fn a_hand_over_is_bound_to_its_host_nonce_and_minute() {
    let database = peopled().await;
    let store = database.open().await;
    open_session(&store, 10, id(1)).await;
    let host: evergate_model::Host = "wiki.example.com".parse().unwrap();
    let other: evergate_model::Host = "evil.example.com".parse().unwrap();
    let expires_at = NOW.plus(Duration::from_secs(60));
    let mut tx = store.begin().await.unwrap();
    let new = hand_overs::NewHandOver {
        id: id(1),
        session: id(10),
        host: host.clone(),
        nonce_hash: vec![1; 32],
        expires_at,
    };
    hand_overs::add(&mut tx, &new).await.unwrap();
    for (at, host, nonce) in [(NOW, &other, 1), (NOW, &host, 2), (expires_at, &host, 1)] {
        assert_eq!(hand_overs::redeem(&mut tx, at, id(1), host, &[nonce; 32]).await.unwrap(), None);
    }
    assert_eq!(hand_overs::redeem(&mut tx, NOW, id(1), &host, &[1; 32]).await.unwrap(), Some(id(10)));
}
