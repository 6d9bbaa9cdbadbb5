//! Several servers, of which one takes writes: found, followed, and never gone back to when it was
//! replaced.

use std::time::Duration;

use evergate_model::{Id, Timestamp};
use evergate_store::{Actor, Problem, Settings, Store, StoreError, users};
use tokio::time::{Instant, timeout};

use crate::cluster::Cluster;
use crate::database::Database;

pub const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
pub const LIMIT: Duration = Duration::from_secs(20);

pub fn patient() -> Settings {
    Settings { busy_timeout: LIMIT, ..Settings::default() }
}

pub fn timeline(store: &Store) -> Option<u32> {
    store.timeline().map(|seen| seen.timeline)
}

pub async fn add(store: &Store, number: u8) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let user = users::User {
        id: Id::new(NOW, [number; 10]),
        name: format!("user{number}"),
        email: None,
        state: users::State::Active,
        created_at: NOW,
        invited_at: None,
    };
    users::add(&mut tx, &Actor::System, NOW, &user).await?;
    tx.commit().await
}

pub async fn names(store: &Store) -> Vec<String> {
    let all = users::list(&mut store.read().await.unwrap(), "", 100).await.unwrap();
    all.into_iter().map(|user| user.name).collect()
}

/// Two servers, the second a standby of the first, with our tables.
pub async fn pair() -> (Cluster, Cluster) {
    let primary = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    Store::open(&primary.url("postgres"), patient()).await.unwrap().migrate().await.unwrap();
    let (primary, standby) = tokio::task::spawn_blocking(move || {
        let standby = Cluster::follow(&primary);
        (primary, standby)
    })
    .await
    .unwrap();
    (primary, standby)
}

pub fn both(first: &Cluster, second: &Cluster) -> String {
    format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", first.port(), second.port())
}

/// Waits until the standby has what was written.
pub async fn wait_for_user(standby: &Cluster, number: u8) {
    let deadline = Instant::now() + LIMIT;
    let sql = format!("select count(*) from users where name = 'user{number}'");
    while standby.count(&sql).await == 0 {
        assert!(Instant::now() < deadline, "the standby does not follow");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_that_takes_writes_is_found_and_followed_and_never_gone_back_to() {
    let (mut primary, standby) = pair().await;
    for url in [both(&primary, &standby), both(&standby, &primary)] {
        let store = Store::open(&url, patient()).await.unwrap();
        assert_eq!(timeline(&store), Some(1));
        store.read().await.unwrap();
    }
    let store = Store::open(&both(&primary, &standby), patient()).await.unwrap();
    let mut changes = store.changes().await.unwrap();
    add(&store, 1).await.unwrap();
    timeout(LIMIT, changes.changed()).await.unwrap();
    wait_for_user(&standby, 1).await;

    let (primary, standby) = tokio::task::spawn_blocking(move || {
        primary.end("kill");
        standby.promote();
        (primary, standby)
    })
    .await
    .unwrap();
    let promoted = Instant::now();
    // What was under way at the old server may fail, what begins now does not.
    while add(&store, 2).await.is_err() {
        assert!(promoted.elapsed() < LIMIT);
    }
    let first_write = promoted.elapsed();
    println!("first write {first_write:?} after the promotion");
    assert!(first_write < Duration::from_secs(5), "{first_write:?}");
    assert_eq!(names(&store).await, ["user1", "user2"]);
    assert_eq!(timeline(&store), Some(2));
    timeout(LIMIT, changes.changed()).await.unwrap();

    // The old one comes back, takes writes and does not know that it was replaced.
    let old = {
        let mut primary = primary;
        tokio::task::spawn_blocking(move || {
            primary.start_again();
            primary
        })
        .await
        .unwrap()
    };
    add(&store, 3).await.unwrap();
    let fresh = Store::open(&both(&old, &standby), patient()).await.unwrap();
    assert_eq!(names(&fresh).await, ["user1", "user2", "user3"]);
    assert_eq!(timeline(&fresh), Some(2));

    // Whoever sees it alone is told by others, and asks it nothing more.
    let quick = Settings { busy_timeout: Duration::from_secs(1), ..Settings::default() };
    let alone = Store::open(&old.url("postgres"), quick).await.unwrap();
    assert_eq!(names(&alone).await, ["user1"]);
    alone.believe_timeline(fresh.timeline().unwrap());
    let deadline = Instant::now() + LIMIT;
    let error = loop {
        match alone.begin().await {
            Ok(_) => assert!(Instant::now() < deadline),
            Err(error) => break error,
        }
    };
    let StoreError::Unusable(troubles) = &error else { panic!("{error:?}") };
    assert_eq!(troubles[0].problem, Problem::Replaced { timeline: 1, seen: 2 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_is_waited_for() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let store = Store::open(&cluster.url("postgres"), patient()).await.unwrap();
    store.migrate().await.unwrap();
    let mut cluster = tokio::task::spawn_blocking(move || {
        let mut cluster = cluster;
        cluster.end("stop");
        cluster
    })
    .await
    .unwrap();
    // The connection that was open is found broken once; from then on writes wait.
    let _ = add(&store, 1).await;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { add(&store, 2).await }
    });
    let _cluster = tokio::task::spawn_blocking(move || {
        cluster.start_again();
        cluster
    })
    .await
    .unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_waits_too_long_for_a_server_is_told_why() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let settings = Settings { busy_timeout: Duration::from_millis(500), ..Settings::default() };
    let store = Store::open(&cluster.url("postgres"), settings).await.unwrap();
    let _cluster = tokio::task::spawn_blocking(move || {
        let mut cluster = cluster;
        cluster.end("stop");
        cluster
    })
    .await
    .unwrap();
    let deadline = Instant::now() + LIMIT;
    let error = loop {
        assert!(Instant::now() < deadline);
        if let Err(error @ StoreError::Unusable(_)) = store.begin().await {
            break error;
        }
    };
    assert!(error.is_temporary());
    assert!(error.to_string().contains("it refuses connections\nhint: is PostgreSQL running"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_hangs_in_a_write_stops_the_others_for_a_second_only_and_writes_nothing() {
    let database = Database::new().await;
    let (hung, other) = (database.open().await, database.open().await);
    let mut tx = hung.begin().await.unwrap();
    let began = Instant::now();
    add(&other, 1).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let woken = users::list(&mut tx, "", 1).await;
    assert!(woken.is_err());
    assert!(tx.commit().await.is_err());
    add(&hung, 2).await.unwrap();
}

#[tokio::test]
async fn a_transaction_in_which_a_statement_failed_is_not_taken_for_committed() {
    let database = Database::new().await;
    let store = database.open().await;
    add(&store, 1).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let user = users::find_by_name(&mut tx, "user1").await.unwrap().unwrap();
    assert!(matches!(users::add(&mut tx, &Actor::System, NOW, &user).await, Err(StoreError::Taken(_))));
    assert!(matches!(users::find_by_name(&mut tx, "user1").await, Err(StoreError::Undone)));
    assert!(matches!(tx.commit().await, Err(StoreError::Undone)));
    add(&store, 2).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_given_up_while_it_waits_leaves_nothing_behind() {
    let database = Database::new().await;
    let (holder, waiter) = (database.open().await, database.open().await);
    for number in 0..5 {
        let tx = holder.begin().await.unwrap();
        assert!(timeout(Duration::from_millis(50), waiter.begin()).await.is_err(), "the lock is held");
        drop(tx);
        add(&waiter, number).await.unwrap();
    }
    assert_eq!(names(&holder).await.len(), 5);
}
