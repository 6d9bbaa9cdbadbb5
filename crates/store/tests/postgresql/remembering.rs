//! What is kept across a start: a server that was replaced is not gone back to. And what is kept across
//! a promotion, where a standby has every write before it is confirmed.

use std::time::Duration;

use evergate_model::{DatabaseTimeline, Id};
use evergate_store::credentials::{NewCredential, Sort};
use evergate_store::{
    Actor, Memory, Problem, Settings, Store, StoreError, credentials, servers, timeline, users,
};
use tokio::time::{Instant, timeout};

use crate::cluster::Cluster;
use crate::database::Database;
use crate::following::{LIMIT, NOW, add, both, names, pair, patient, wait_for_user};

/// As an instance opens it that has this memory.
async fn open(url: &str, memory: &Memory) -> Result<Store, StoreError> {
    Store::open(url, Settings { memory: memory.clone(), ..patient() }).await
}

fn problem(refused: Result<Store, StoreError>) -> (Problem, String) {
    let error = refused.expect_err("the server that was replaced is taken for the one in use");
    let text = error.to_string();
    let StoreError::Unusable(troubles) = error else { panic!("{error:?}") };
    (troubles[0].problem.clone(), text)
}

/// Kills the primary and promotes the standby.
async fn fail_over(mut primary: Cluster, standby: Cluster) -> (Cluster, Cluster) {
    let failing = move || {
        primary.end("kill");
        standby.promote();
        (primary, standby)
    };
    tokio::task::spawn_blocking(failing).await.unwrap()
}

async fn start_again(mut cluster: Cluster) -> Cluster {
    let starting = move || {
        cluster.start_again();
        cluster
    };
    tokio::task::spawn_blocking(starting).await.unwrap()
}

async fn end(mut cluster: Cluster, how: &'static str) -> Cluster {
    let ending = move || {
        cluster.end(how);
        cluster
    };
    tokio::task::spawn_blocking(ending).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_replaced_is_refused_also_after_a_start_and_by_who_was_only_told() {
    let (primary, standby) = pair().await;
    let directory = tempfile::tempdir().unwrap();
    let memory = Memory::in_directory(directory.path()).unwrap();
    let store = open(&both(&primary, &standby), &memory).await.unwrap();
    add(&store, 1).await.unwrap();
    wait_for_user(&standby, 1).await;
    let (primary, standby) = fail_over(primary, standby).await;
    let promoted = Instant::now();
    while add(&store, 2).await.is_err() {
        assert!(promoted.elapsed() < LIMIT);
    }
    // Kept before anybody wrote on it.
    let kept = timeline::read(&directory.path().join(timeline::FILE)).unwrap().unwrap();
    assert_eq!((kept.timeline, store.timeline()), (2, Some(kept)));
    store.close().await;

    // The instance starts again; the new server is away, the old one is back.
    let standby = end(standby, "kill").await;
    let old = start_again(primary).await;
    let again = Memory::in_directory(directory.path()).unwrap();
    let (problem_of_old, text) = problem(open(&old.url("postgres"), &again).await);
    assert_eq!(problem_of_old, Problem::Replaced { timeline: 1, seen: 2 });
    assert!(
        text.contains("it was replaced: its timeline is 1, and 2 has been seen\nhint: make it follow"),
        "{text}"
    );
    let refused = open(&both(&old, &standby), &again).await.unwrap_err().to_string();
    assert!(refused.contains("it was replaced"), "{refused}");

    // One that was away meanwhile is told by others before it looks; one that nobody tells is not.
    let told = Memory::default();
    told.believe(kept);
    assert_eq!(problem(open(&old.url("postgres"), &told).await).0, problem_of_old);
    assert_eq!(names(&open(&old.url("postgres"), &Memory::default()).await.unwrap()).await, ["user1"]);

    // With the new server back all is well.
    let standby = start_again(standby).await;
    let store = open(&both(&old, &standby), &again).await.unwrap();
    assert_eq!(names(&store).await, ["user1", "user2"]);
    // A number that another PostgreSQL has means nothing to this one.
    store.believe_timeline(DatabaseTimeline { system_identifier: kept.system_identifier + 1, timeline: 99 });
    add(&store, 3).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_made_anew_begins_anew_also_for_a_role_that_may_do_little() {
    let directory = tempfile::tempdir().unwrap();
    let memory = Memory::in_directory(directory.path()).unwrap();
    memory.believe(DatabaseTimeline { system_identifier: 1, timeline: 7 });
    let file = directory.path().join(timeline::FILE);
    std::fs::write(&file, r#"{"system_identifier": 1, "timeline": 7}"#).unwrap();
    let memory = Memory::in_directory(directory.path()).unwrap();
    let database = Database::empty().await;
    let store = open(&database.url(), &memory).await.unwrap();
    store.migrate().await.unwrap();
    let kept = timeline::read(&file).unwrap().unwrap();
    assert_eq!(kept.timeline, 1);
    assert!(kept.system_identifier > 1, "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_synchronous_standby_a_code_that_was_used_stays_used_after_a_promotion() {
    let (primary, standby) = pair().await;
    primary.say("alter system set synchronous_standby_names = '*'").await;
    primary.say("select pg_reload_conf()").await;
    let store = Store::open(&both(&primary, &standby), patient()).await.unwrap();
    let deadline = Instant::now() + LIMIT;
    while !servers::look(&store).await.unwrap().unwrap().is_synchronous {
        assert!(Instant::now() < deadline, "the setting is not in force");
    }
    add(&store, 1).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let user = users::find_by_name(&mut tx, "user1").await.unwrap().unwrap().id;
    let id = Id::new(NOW, [9; 10]);
    let new = NewCredential { id, user, sort: Sort::Totp, label: "app", secret: Some(b"seed") };
    credentials::add(&mut tx, &Actor::System, NOW, &new).await.unwrap();
    tx.commit().await.unwrap();

    // What no standby has is not confirmed.
    let standby = end(standby, "stop").await;
    let mut using = tokio::spawn({
        let store = store.clone();
        async move {
            let mut tx = store.begin().await?;
            let is_first = credentials::use_code(&mut tx, NOW, id, 5).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(is_first)
        }
    });
    assert!(
        timeout(Duration::from_millis(500), &mut using).await.is_err(),
        "confirmed, and one server has it"
    );
    let standby = start_again(standby).await;
    assert!(using.await.unwrap().unwrap(), "the code is used, and that is confirmed");

    let (primary, standby) = fail_over(primary, standby).await;
    // Nobody follows the new one yet, so nobody waits for followers.
    let deadline = Instant::now() + LIMIT;
    let is_first = loop {
        assert!(Instant::now() < deadline);
        let Ok(mut tx) = store.begin().await else { continue };
        if let Ok(is_first) = credentials::use_code(&mut tx, NOW, id, 5).await {
            break is_first;
        }
    };
    assert!(!is_first, "a code that was used is good again");
    drop((primary, standby));
}
