//! Permits: who gets one, for how long, and what happens when nobody can say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evergate_model::reads::{HeaderRead, PathRead};
use evergate_model::{NormalPath, Period, Reads, RequestFacts};
use evergate_process::Clock;
use evergate_process::clock::ManualClock;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::application::Application;
use super::client::{Client, get};
use super::kit::{AccessPoint, Plan, session, until};
use super::policy::{answer, permit};
use crate::decide::policy::{Answer, AnswerVerdict, NoAnswer, Presence};
use crate::decide::{Case, Ruling};

async fn ask(access_point: &AccessPoint, path: &str, lines: &str) -> u16 {
    Client::connect(access_point.address).await.ask(&get(path, lines)).await.status
}

async fn with_application(change: impl FnOnce(&mut Plan)) -> (Application, AccessPoint) {
    let application = Application::start().await;
    let mut plan = Plan::new(&[&application.url()]);
    change(&mut plan);
    (application, plan.start())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_is_asked_for_once_and_for_each_session() {
    let (_application, access_point) = with_application(|_| ()).await;
    for number in 1..=3 {
        let cookie = access_point.cookie(number);
        for _ in 0..5 {
            assert_eq!(ask(&access_point, "/", &cookie).await, 200);
        }
        assert_eq!(access_point.policy.asked(), u32::from(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_answers_only_what_it_rests_on() {
    let (_application, access_point) = with_application(|_| ()).await;
    let reads = Reads {
        method: Some("GET".to_owned()),
        paths: vec![PathRead { prefix: "/admin".to_owned(), is_under: false }],
        headers: vec![HeaderRead { name: "x-team".to_owned(), value: Some("red".to_owned()) }],
        ..Reads::default()
    };
    access_point.policy.say(Ok(permit(reads)));
    for (path, lines, asked) in [
        ("/a", "X-Team: red\r\n", 1),
        ("/b", "X-Team: red\r\n", 1),
        ("/b", "X-Team: blue\r\n", 2),
        ("/admin/x", "X-Team: red\r\n", 3),
        ("/c", "X-Team: red\r\n", 3),
    ] {
        ask(&access_point, path, lines).await;
        assert_eq!(access_point.policy.asked(), asked, "{path} {lines}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_are_never_kept_and_are_audited() {
    let (application, access_point) = with_application(|_| ()).await;
    let no = AnswerVerdict::Deny("your group may not".to_owned());
    access_point.policy.say(Ok(answer(no, Reads::default())));
    let mut client = Client::connect(access_point.address).await;
    let denied = client.ask(&get("/secret?q=1", &access_point.cookie(1))).await;
    assert_eq!(denied.status, 403);
    assert!(denied.text().contains("your group may not") && denied.text().contains("request_"));
    access_point.policy.say(Ok(permit(Reads::default())));
    assert_eq!(ask(&access_point, "/", "").await, 200);
    assert_eq!(application.count(), 1);
    until("the denial is audited", || access_point.policy.audited.lock().unwrap().len() == 1).await;
    let denial = access_point.policy.audited.lock().unwrap()[0].clone();
    assert_eq!((denial.user.as_str(), denial.resource.as_str()), ("alice", "wiki"));
    assert_eq!(denial.detail, "GET wiki.example.com/secret: your group may not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_takes_the_permit_back_also_from_grace() {
    let hands = ManualClock::new(Clock::system().now());
    let (_application, access_point) = with_application(|plan| {
        (plan.permit_cache, plan.clock) = (Period::from_seconds(1), hands.clock());
    })
    .await;
    let cookie = access_point.cookie(1);
    assert_eq!(ask(&access_point, "/", &cookie).await, 200);
    hands.advance(Duration::from_secs(1));
    access_point.policy.say(Ok(answer(AnswerVerdict::Deny("no".to_owned()), Reads::default())));
    assert_eq!(ask(&access_point, "/", &cookie).await, 403);
    access_point.policy.go_away();
    assert_eq!(ask(&access_point, "/", &cookie).await, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_policy_is_asked_every_time() {
    let (_application, access_point) = with_application(|plan| plan.permit_cache = Period::default()).await;
    let cookie = access_point.cookie(1);
    for asked in 1..=3 {
        assert_eq!(ask(&access_point, "/", &cookie).await, 200);
        assert_eq!(access_point.policy.asked(), asked);
    }
    access_point.policy.go_away();
    assert_eq!(ask(&access_point, "/", &cookie).await, 200, "grace");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_a_question_is_on_its_way_waits_for_its_answer() {
    let (_application, access_point) = with_application(|_| ()).await;
    access_point.policy.hang();
    let cookie = access_point.cookie(1);
    let requests = (0..20).map(|_| ask(&access_point, "/", &cookie));
    let all = futures_util::future::join_all(requests);
    let open = async {
        until("one asked", || access_point.policy.asked() == 1).await;
        access_point.policy.wake();
    };
    let (statuses, ()) = tokio::join!(all, open);
    assert!(statuses.iter().all(|status| *status == 200));
    assert_eq!(access_point.policy.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_policy_away_seen_permits_are_repeated_and_first_visits_are_not() {
    let (_application, access_point) =
        with_application(|plan| plan.permit_cache = Period::from_milliseconds(1)).await;
    let seen = access_point.cookie(1);
    assert_eq!(ask(&access_point, "/", &seen).await, 200);
    access_point.policy.go_away();
    assert_eq!(ask(&access_point, "/", &seen).await, 200);
    let mut client = Client::connect(access_point.address).await;
    let first = client.ask(&get("/", &access_point.cookie(2))).await;
    assert_eq!((first.status, first.header("retry-after")), (503, "2"));
    access_point.policy.revoke(session(1));
    until("the revocation is heard", || access_point.shared.decider.log.position() == 1).await;
    assert_ne!(ask(&access_point, "/", &seen).await, 200, "a received revocation binds");
}

#[tokio::test(flavor = "multi_thread")]
async fn grace_of_nothing_is_no_grace() {
    let (_application, access_point) = with_application(|plan| {
        (plan.permit_cache, plan.grace) = (Period::default(), Period::default());
    })
    .await;
    let cookie = access_point.cookie(1);
    assert_eq!(ask(&access_point, "/", &cookie).await, 200);
    access_point.policy.go_away();
    assert_eq!(ask(&access_point, "/", &cookie).await, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_refused_although_its_permit_is_fresh() {
    let (_application, access_point) = with_application(|_| ()).await;
    let cookie = access_point.cookie(1);
    assert_eq!(ask(&access_point, "/", &cookie).await, 200);
    access_point.policy.say(Ok(answer(AnswerVerdict::SignIn, Reads::default())));
    assert_eq!(ask(&access_point, "/", &cookie).await, 200, "still fresh");
    access_point.policy.revoke(session(1));
    until("the revocation is heard", || access_point.shared.decider.log.position() == 1).await;
    assert_eq!(ask(&access_point, "/", &cookie).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_behind_in_the_revocation_log_is_not_taken() {
    let (_application, access_point) = with_application(|_| ()).await;
    access_point.policy.revoke(session(9));
    until("the revocation is heard", || access_point.shared.decider.log.position() == 1).await;
    assert_eq!(ask(&access_point, "/", &access_point.cookie(1)).await, 503);
    assert!(access_point.policy.asked() > 1, "asked again");
    let mut caught_up = permit(Reads::default());
    caught_up.log_position = 1;
    access_point.policy.say(Ok(caught_up));
    assert_eq!(ask(&access_point, "/", &access_point.cookie(1)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_session_cookies_are_refused() {
    let (application, access_point) = with_application(|_| ()).await;
    let cookies = format!("{}{}", access_point.cookie(1), access_point.cookie(2));
    assert_eq!(ask(&access_point, "/", &cookies).await, 400);
    assert_eq!(application.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_policy_will_not_answer_is_not_confirmed() {
    let (_application, access_point) = with_application(|_| ()).await;
    access_point.policy.say(Err(NoAnswer::Refused("no such resource".to_owned())));
    assert_eq!(ask(&access_point, "/", "").await, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_of_another_configuration_is_used_once_and_not_kept() {
    let (_application, access_point) = with_application(|_| ()).await;
    access_point.policy.say(Ok(Answer { version: 2, ..permit(Reads::default()) }));
    let cookie = access_point.cookie(1);
    for asked in 1..=3 {
        assert_eq!(ask(&access_point, "/", &cookie).await, 200);
        assert_eq!(access_point.policy.asked(), asked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_policy_has_not_heard_of_yet_is_asked_for_again() {
    let (_application, access_point) = with_application(|_| ()).await;
    access_point.policy.say(Err(NoAnswer::Unknown("not yet".to_owned())));
    let hears = async {
        until("asked again", || access_point.policy.asked() >= 2).await;
        access_point.policy.say(Ok(permit(Reads::default())));
    };
    let (status, ()) = tokio::join!(ask(&access_point, "/", ""), hears);
    assert_eq!(status, 200);
}

/// Without a cache, and seen: only grace can stand in.
async fn seen_without_cache() -> (Application, AccessPoint, String) {
    let (application, access_point) = with_application(|plan| plan.permit_cache = Period::default()).await;
    let cookie = access_point.cookie(1);
    assert_eq!(ask(&access_point, "/", &cookie).await, 200);
    (application, access_point, cookie)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_of_policy_known_to_be_down_grace_answers_without_asking() {
    let (_application, access_point, cookie) = seen_without_cache().await;
    access_point.policy.go_away();
    access_point.policy.be(Presence::Away);
    for _ in 0..5 {
        assert_eq!(ask(&access_point, "/", &cookie).await, 200);
    }
    assert_eq!(access_point.policy.asked(), 1, "heartbeats find whoever comes back");
    access_point.policy.be(Presence::Serving);
    access_point.policy.say(Ok(answer(AnswerVerdict::Deny("no".to_owned()), Reads::default())));
    assert_eq!(ask(&access_point, "/", &cookie).await, 403, "it heals by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_of_policy_hung_requests_wait_less_than_half_a_second_and_later_ones_not_at_all() {
    // It stands still, so that silence lasts for as long as this test does.
    let hands = ManualClock::new(Clock::system().now());
    let (_application, access_point) = with_application(|plan| {
        (plan.permit_cache, plan.clock) = (Period::default(), hands.clock());
    })
    .await;
    let cookie = access_point.cookie(1);
    assert_eq!(ask(&access_point, "/", &cookie).await, 200);
    access_point.policy.hang();
    let begun = Instant::now();
    assert_eq!(ask(&access_point, "/", &cookie).await, 200);
    let waited = begun.elapsed();
    assert!(Duration::from_millis(290) < waited && waited < Duration::from_secs(2), "{waited:?}");
    access_point.policy.be(Presence::Doubtful);
    assert_eq!(ask(&access_point, "/", &cookie).await, 200);
    let asked = access_point.policy.asked();
    let begun = Instant::now();
    for _ in 0..40 {
        assert_eq!(ask(&access_point, "/", &cookie).await, 200);
    }
    // Had each waited, it were 12 s.
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    until("asked aside", || access_point.policy.asked() > asked).await;
    assert_eq!(access_point.policy.asked(), asked + 1, "one question at a time while nobody answers");
    // What it says when it wakes binds, although nobody waited for it.
    access_point.policy.say(Ok(answer(AnswerVerdict::Deny("no".to_owned()), Reads::default())));
    access_point.policy.wake();
    let denied = async { while ask(&access_point, "/", &cookie).await != 403 {} };
    tokio::time::timeout(Duration::from_secs(5), denied).await.expect("it heals by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_policy_is_not_away_and_grace_does_not_stand_in_for_it() {
    let (_application, access_point, cookie) = seen_without_cache().await;
    access_point.policy.say(Err(NoAnswer::Busy("told to".to_owned())));
    let mut client = Client::connect(access_point.address).await;
    let refused = client.ask(&get("/", &cookie)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "2"));
    assert_eq!(access_point.policy.asked(), 2, "not asked again");
    access_point.policy.say(Ok(permit(Reads::default())));
    assert_eq!(ask(&access_point, "/", &cookie).await, 200, "and not taken to be silent");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_same_answer_does_not_ask_a_busy_policy_for_himself() {
    let (_application, access_point) = with_application(|_| ()).await;
    access_point.policy.say(Err(NoAnswer::Busy("told to".to_owned())));
    access_point.policy.hang();
    let case = |number: u32| Case {
        resource: Arc::clone(access_point.shared.site.load().resources().next().unwrap()),
        caller: None,
        facts: Arc::new(RequestFacts {
            method: "GET".to_owned(),
            host: "wiki.example.com".parse().unwrap(),
            path: NormalPath::new(&format!("/{number}")).unwrap(),
            client: "192.0.2.7".parse().unwrap(),
            access_point: "access-point1".parse().unwrap(),
            headers: BTreeMap::new(),
        }),
        version: 1,
    };
    // Polled in turn: all have come before any is answered.
    let all = join_all((0..20).map(|number| access_point.shared.decider.decide(case(number))));
    let open = async {
        until("one asked", || access_point.policy.asked() > 0).await;
        access_point.policy.wake();
    };
    let (rulings, ()) = tokio::join!(all, open);
    assert!(rulings.iter().all(|ruling| matches!(ruling, Ruling::Unconfirmed)));
    assert_eq!(access_point.policy.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn grace_ends_with_its_time_and_with_the_session() {
    let hands = ManualClock::new(Clock::system().now());
    let (_application, access_point) = with_application(|plan| {
        (plan.permit_cache, plan.clock) = (Period::default(), hands.clock());
        plan.grace = Period::from_seconds(2 * 3600);
    })
    .await;
    let (short, long) = (access_point.cookie(1), access_point.cookie_of_hours(2, 3));
    for cookie in [&short, &long] {
        assert_eq!(ask(&access_point, "/", cookie).await, 200);
    }
    access_point.policy.go_away();
    access_point.policy.be(Presence::Away);
    hands.advance(Duration::from_secs(3599));
    assert_eq!(ask(&access_point, "/", &short).await, 200);
    hands.advance(Duration::from_secs(1));
    assert_eq!(ask(&access_point, "/", &short).await, 503, "its session is over");
    hands.advance(Duration::from_secs(3599));
    assert_eq!(ask(&access_point, "/", &long).await, 200);
    hands.advance(Duration::from_secs(1));
    assert_eq!(ask(&access_point, "/", &long).await, 503, "grace is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_revocation_log_is_followed_at_another_instance() {
    let (_application, access_point) = with_application(|_| ()).await;
    let cookie = access_point.cookie(1);
    assert_eq!(ask(&access_point, "/", &cookie).await, 200);
    let policy = &access_point.policy;
    policy.silent.lock().unwrap().push("policy1");
    // The stream that stands breaks, and the next one says nothing.
    policy.break_log();
    until("policy2 is followed", || policy.followed.lock().unwrap().ends_with(&["policy1", "policy2"])).await;
    policy.revoke(session(1));
    until("the revocation is heard", || access_point.shared.decider.log.position() == 1).await;
    policy.say(Ok(answer(AnswerVerdict::SignIn, Reads::default())));
    assert_eq!(ask(&access_point, "/", &cookie).await, 401);
}
