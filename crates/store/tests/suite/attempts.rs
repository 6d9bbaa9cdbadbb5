//! Limits on guessing: exact when raced, and nobody is locked out by a stranger.

use super::*;

/// What is answered to who is not known and may try.
const COUNTED: Reservation = Reservation::Reserved(Counted::Everywhere);

async fn reserve(store: &Store, now: Timestamp, address: IpAddr) -> Reservation {
    let mut tx = store.begin().await.unwrap();
    let reservation = attempts::reserve(&mut tx, now, "alice", address, LIMITS).await.unwrap();
    tx.commit().await.unwrap();
    reservation
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_five_raced_from_two_handles_lets_exactly_five_through() {
    let database = Database::new().await;
    let stores = [database.open().await, database.open().await];
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let store = stores[number % 2].clone();
        tasks.spawn(async move { reserve(&store, NOW, HERE).await });
    }
    let outcomes = tasks.join_all().await;
    let reserved = outcomes.iter().filter(|outcome| **outcome == COUNTED).count();
    assert_eq!(reserved, 5);
    let until = NOW.plus(LIMITS.pause);
    assert_eq!(reserve(&stores[0], NOW, HERE).await, Reservation::Refused { until });
    assert_eq!(reserve(&stores[0], until, HERE).await, COUNTED, "the pause is over");
}

#[tokio::test]
async fn the_slow_limit_counts_all_addresses_together() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut reserved = 0;
    for number in 0..20 {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, number));
        reserved += u32::from(reserve(&store, NOW, address).await == COUNTED);
    }
    assert_eq!(reserved, LIMITS.failures_per_user);
}

#[tokio::test]
async fn one_address_cannot_try_many_names_and_does_not_stop_others() {
    let database = Database::new().await;
    let store = database.open().await;
    let limits = Limits { failures_per_address: Some(20), ..LIMITS };
    let mut tx = store.begin().await.unwrap();
    let mut reserved = 0;
    for number in 0..40 {
        let name = format!("user{number}");
        let outcome = attempts::reserve(&mut tx, NOW, &name, HERE, limits).await.unwrap();
        reserved += u32::from(outcome == COUNTED);
    }
    assert_eq!(reserved, 20);
    // What is refused there counts nowhere else: the last name is as free as before.
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
    for _ in 0..LIMITS.failures {
        let outcome = attempts::reserve(&mut tx, NOW, "user39", elsewhere, limits).await.unwrap();
        assert_eq!(outcome, COUNTED);
    }
    // A right password and a code that was used before are no guesses.
    attempts::release(&mut tx, NOW, "user1", HERE, Counted::Everywhere).await.unwrap();
    attempts::release_address(&mut tx, HERE, Counted::Everywhere).await.unwrap();
    for name in ["user31", "user32"] {
        let outcome = attempts::reserve(&mut tx, NOW, name, HERE, limits).await.unwrap();
        assert_eq!(outcome, COUNTED);
    }
    let until = NOW.plus(LIMITS.pause);
    let outcome = attempts::reserve(&mut tx, NOW, "user33", HERE, limits).await.unwrap();
    assert_eq!(outcome, Reservation::Refused { until });
}

#[tokio::test]
async fn a_right_attempt_is_not_counted() {
    let database = Database::new().await;
    let store = database.open().await;
    for _ in 0..20 {
        let Reservation::Reserved(counted) = reserve(&store, NOW, HERE).await else { panic!("refused") };
        let mut tx = store.begin().await.unwrap();
        attempts::release(&mut tx, NOW, "alice", HERE, counted).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Where an attempt is counted, if it may be made.
async fn counted(tx: &mut Tx, now: Timestamp, name: &str, address: IpAddr) -> Option<Counted> {
    match attempts::reserve(tx, now, name, address, LIMITS).await.unwrap() {
        Reservation::Reserved(counted) => Some(counted),
        Reservation::Refused { .. } => None,
    }
}

async fn attempt(tx: &mut Tx, now: Timestamp, name: &str, address: IpAddr) -> bool {
    counted(tx, now, name, address).await.is_some()
}

/// Signs a user in at an address, who is known there from then on.
async fn prove(tx: &mut Tx, now: Timestamp, name: &str, address: IpAddr) {
    let counted = counted(tx, now, name, address).await.expect("it may be made");
    attempts::release(tx, now, name, address, counted).await.unwrap();
}

/// Guesses at many names until the address has no failures left.
async fn use_up(tx: &mut Tx, now: Timestamp, address: IpAddr) {
    for number in 0..20 {
        assert!(attempt(tx, now, &format!("guess{number}"), address).await);
    }
    assert!(!attempt(tx, now, "guess20", address).await);
}

#[tokio::test]
async fn a_known_user_signs_in_where_a_stranger_used_up_all_failures() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    prove(&mut tx, NOW, "alice", HERE).await;
    use_up(&mut tx, NOW, HERE).await;
    for _ in 0..20 {
        prove(&mut tx, NOW, "alice", HERE).await;
    }
    assert!(!attempt(&mut tx, NOW, "bob", HERE).await, "a stranger stays refused");
    for number in 0..10 {
        assert_eq!(attempt(&mut tx, NOW, "alice", HERE).await, number < LIMITS.failures, "attempt {number}");
    }
}

#[tokio::test]
async fn sign_ins_of_a_new_user_that_overlap_leave_nothing_counted_at_the_address() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    for number in 0..100 {
        let name = format!("user{number}");
        let both = [
            counted(&mut tx, NOW, &name, HERE).await.expect("nobody has failed"),
            counted(&mut tx, NOW, &name, HERE).await.expect("nobody has failed"),
        ];
        // The first makes the name known; the second was counted as a stranger's all the same.
        for counted in both {
            attempts::release(&mut tx, NOW, &name, HERE, counted).await.unwrap();
        }
    }
    use_up(&mut tx, NOW, HERE).await;
}

#[tokio::test]
async fn one_subscriber_of_ipv6_is_one_address_for_failures_and_for_being_known() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    let host = |number: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_0001_0002 << 64) | number));
    prove(&mut tx, NOW, "alice", host(1)).await;
    for number in 0..20 {
        let mapped = IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
        let from = if number % 2 == 0 { HERE } else { mapped };
        let name = format!("guess{number}");
        assert!(attempt(&mut tx, NOW, &name, host(number)).await && attempt(&mut tx, NOW, &name, from).await);
    }
    assert!(
        !attempt(&mut tx, NOW, "guess20", host(99)).await && !attempt(&mut tx, NOW, "guess20", HERE).await
    );
    attempts::release_address(&mut tx, host(98), Counted::Everywhere).await.unwrap();
    assert!(attempt(&mut tx, NOW, "guess21", host(97)).await);
    prove(&mut tx, NOW, "alice", host(96)).await;
}

#[tokio::test]
async fn a_user_guessed_at_from_elsewhere_signs_in_from_the_usual_address() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    prove(&mut tx, NOW, "alice", HERE).await;
    for number in 0..LIMITS.failures_per_user {
        let elsewhere = IpAddr::V4(Ipv4Addr::new(198, 51, 100, u8::try_from(number).unwrap()));
        assert!(attempt(&mut tx, NOW, "alice", elsewhere).await);
    }
    let elsewhere = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 99));
    assert!(!attempt(&mut tx, NOW, "alice", elsewhere).await);
    prove(&mut tx, NOW, "alice", HERE).await;
    assert!(!attempt(&mut tx, NOW, "alice", elsewhere).await, "elsewhere stays refused");
}

#[tokio::test]
async fn a_user_is_known_for_thirty_days_however_often_old_windows_are_forgotten() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    prove(&mut tx, NOW, "alice", HERE).await;
    let last = NOW.plus(Duration::from_secs(30 * 86_400 - 1));
    attempts::forget(&mut tx, last, last).await.unwrap();
    use_up(&mut tx, last, HERE).await;
    assert!(attempt(&mut tx, last, "alice", HERE).await);
    let after = last.plus(Duration::from_secs(1));
    assert!(!attempt(&mut tx, after, "alice", HERE).await);
    let much_later = after.plus(LIMITS.pause).plus(LIMITS.pause);
    assert!(attempts::forget(&mut tx, much_later, much_later).await.unwrap() > 0);
    tx.commit().await.unwrap();
    assert_eq!(database.count("attempts").await, 0);
}

#[tokio::test]
async fn failures_age_however_many_are_right_meanwhile_and_the_last_one_allowed_begins_the_pause() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut tx = store.begin().await.unwrap();
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
    prove(&mut tx, NOW, "early", HERE).await;
    let first = NOW.plus(Duration::from_secs(60));
    for number in 0..19 {
        assert!(attempt(&mut tx, first, &format!("guess{number}"), HERE).await);
        assert!(attempt(&mut tx, first, &format!("other{number}"), elsewhere).await);
    }
    let mut now = first;
    for minute in 1..15 {
        now = first.plus(Duration::from_secs(60 * minute));
        prove(&mut tx, now, &format!("right{minute}"), HERE).await;
    }
    assert!(attempt(&mut tx, now, "other19", elsewhere).await);
    let until = now.plus(LIMITS.pause);
    let last = attempts::reserve(&mut tx, now, "other20", elsewhere, LIMITS).await.unwrap();
    assert_eq!(last, Reservation::Refused { until });
    // What is old is gone after the pause, and all guesses are there again.
    let after = first.plus(LIMITS.pause);
    use_up(&mut tx, after, HERE).await;
}
