//! The policy service on a real database file: two instances over one database, as they stand behind
//! access points and authentication.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

mod support;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use evergate_model::Service;
use evergate_store::audit::{self, Verification};
use evergate_store::{Actor, users};
use evergate_wire::proto::decide_reply::Verdict;
use evergate_wire::proto::policy_server::Policy as _;
use evergate_wire::proto::{self, DecideReply};
use futures_util::StreamExt;
use support::{Installation, NOW, PORTAL, WIKI, decide_request, key, proven, request};
use tonic::{Code, Request};

fn word(reply: &DecideReply) -> String {
    match reply.verdict.as_ref().unwrap() {
        Verdict::Permit(permitted) => format!("permit {}", permitted.user_name),
        Verdict::SignIn(sign_in) => {
            let factors = |sequence: &proto::FactorSequence| {
                sequence.factors.iter().map(|wanted| wanted.factor.clone()).collect::<Vec<_>>().join(" ")
            };
            sign_in.sequences.iter().map(factors).collect::<Vec<_>>().join(" | ")
        }
        Verdict::Deny(denied) => format!("deny: {}", denied.reason),
    }
}

async fn nonce_to_token(at: &Installation, portal_token: &str) -> proto::TokenReply {
    let nonce = b"a nonce of the browser".to_vec();
    let created = at
        .one
        .create_hand_over(request(
            Service::Authentication,
            proto::CreateHandOverRequest {
                effect_key: key().into(),
                token: portal_token.to_owned(),
                host: WIKI.to_owned(),
                nonce_hash: digest(&SHA256, &nonce).as_ref().to_vec().into(),
            },
        ))
        .await
        .unwrap()
        .into_inner();
    at.two.redeem_hand_over(redeem(&created.hand_over, WIKI, &nonce, key())).await.unwrap().into_inner()
}

fn redeem(id: &str, host: &str, nonce: &[u8], effect_key: Vec<u8>) -> Request<proto::RedeemHandOverRequest> {
    request(
        Service::AccessPoint,
        proto::RedeemHandOverRequest {
            effect_key: effect_key.into(),
            hand_over: id.to_owned(),
            host: host.to_owned(),
            nonce: nonce.to_vec().into(),
        },
    )
}

#[tokio::test]
async fn from_no_session_to_a_permit_by_way_of_both_instances() {
    let at = Installation::new().await;
    let reply = at.two.decide(decide_request("", "wiki", WIKI)).await.unwrap().into_inner();
    assert_eq!(word(&reply), "password totp");

    let opened = at.open_session(&at.one, key(), &["password"]).await.unwrap();
    let added = at
        .two
        .add_factors(request(
            Service::Authentication,
            proto::AddFactorsRequest {
                effect_key: key().into(),
                token: opened.token.clone(),
                factors: vec![proven("totp")],
                host: PORTAL.to_owned(),
            },
        ))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(added.session, opened.session);
    let token = nonce_to_token(&at, &added.token).await.token;
    let reply = at.one.decide(decide_request(&token, "wiki", WIKI)).await.unwrap().into_inner();
    assert_eq!(word(&reply), "permit alice");
    assert_eq!(reply.resource, "wiki");
    let Some(Verdict::Permit(permitted)) = reply.verdict else { panic!() };
    assert_eq!((permitted.groups, permitted.session), (vec!["staff".to_owned()], opened.session));
    assert_eq!(permitted.assertion.split('.').count(), 3);
    assert_eq!(permitted.pseudonym.len(), 32);
}

#[tokio::test]
async fn a_token_is_good_on_its_own_host_only() {
    let at = Installation::new().await;
    let portal = at.open_session(&at.one, key(), &["password", "totp"]).await.unwrap().token;
    let reply = at.one.decide(decide_request(&portal, "wiki", WIKI)).await.unwrap().into_inner();
    assert_eq!(word(&reply), "password totp", "the portal's token on another host is none");
    let mut for_portal = decide_request(&portal, "", WIKI);
    for_portal.get_mut().token_is_for_portal = true;
    let refused = at.one.decide(for_portal).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "only authentication may ask so");
    let mut for_portal = request(Service::Authentication, decide_request(&portal, "", WIKI).into_inner());
    for_portal.get_mut().token_is_for_portal = true;
    let reply = at.one.decide(for_portal).await.unwrap().into_inner();
    assert_eq!(word(&reply), "permit alice");
}

#[tokio::test]
async fn without_a_resource_the_portal_itself_wants_a_password() {
    let at = Installation::new().await;
    let ask = |token: &str| request(Service::Authentication, decide_request(token, "", PORTAL).into_inner());
    assert_eq!(word(at.one.decide(ask("")).await.unwrap().get_ref()), "password");
    let token = at.open_session(&at.one, key(), &["password"]).await.unwrap().token;
    assert_eq!(word(at.two.decide(ask(&token)).await.unwrap().get_ref()), "permit alice");
    let unknown =
        request(Service::Authentication, decide_request("", "", "nowhere.example.com").into_inner());
    assert_eq!(at.one.decide(unknown).await.unwrap_err().code(), Code::NotFound);
    let other_host = decide_request("", "wiki", "public.example.com");
    assert_eq!(at.one.decide(other_host).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_rule_of_anyone_permits_without_a_session_and_tells_the_user_where_there_is_one() {
    let at = Installation::new().await;
    let reply = at.one.decide(decide_request("", "public", "public.example.com")).await.unwrap().into_inner();
    let Some(Verdict::Permit(permitted)) = reply.verdict else { panic!() };
    assert!(permitted.is_anonymous && permitted.user.is_empty() && permitted.assertion.is_empty());
}

#[tokio::test]
async fn the_same_effect_key_opens_one_session_at_whichever_instance() {
    let at = Installation::new().await;
    let effect = key();
    let first = at.open_session(&at.one, effect.clone(), &["password"]).await.unwrap();
    let again = at.open_session(&at.two, effect.clone(), &["password"]).await.unwrap();
    assert_eq!((&first.session, &first.token), (&again.session, &again.token));
    let other = at.open_session(&at.two, key(), &["password"]).await.unwrap();
    assert_ne!(first.session, other.session);
    assert_eq!(at.sessions().await, 2);
    let mut misused = at.open_request(effect, &["password"]);
    misused.get_mut().host = WIKI.to_owned();
    assert_eq!(at.one.open_session(misused).await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn a_hand_over_raced_from_both_instances_gives_one_token() {
    let at = Installation::new().await;
    let portal = at.open_session(&at.one, key(), &["password", "totp"]).await.unwrap().token;
    for _ in 0..20 {
        let nonce = key();
        let created = at
            .one
            .create_hand_over(request(
                Service::Authentication,
                proto::CreateHandOverRequest {
                    effect_key: key().into(),
                    token: portal.clone(),
                    host: WIKI.to_owned(),
                    nonce_hash: digest(&SHA256, &nonce).as_ref().to_vec().into(),
                },
            ))
            .await
            .unwrap()
            .into_inner();
        let stolen = at.one.redeem_hand_over(redeem(&created.hand_over, WIKI, b"another", key())).await;
        assert_eq!(stolen.unwrap_err().code(), Code::NotFound);
        let elsewhere = redeem(&created.hand_over, "public.example.com", &nonce, key());
        assert_eq!(at.one.redeem_hand_over(elsewhere).await.unwrap_err().code(), Code::NotFound);
        let (first_key, second_key) = (key(), key());
        let (first, second) = tokio::join!(
            at.one.redeem_hand_over(redeem(&created.hand_over, WIKI, &nonce, first_key.clone())),
            at.two.redeem_hand_over(redeem(&created.hand_over, WIKI, &nonce, second_key.clone())),
        );
        assert_eq!(u8::from(first.is_ok()) + u8::from(second.is_ok()), 1);
        let (winner, token) = match (first, second) {
            (Ok(token), _) => (first_key, token),
            (_, Ok(token)) => (second_key, token),
            _ => unreachable!(),
        };
        let repeated =
            at.two.redeem_hand_over(redeem(&created.hand_over, WIKI, &nonce, winner)).await.unwrap();
        assert_eq!(repeated.get_ref().token, token.get_ref().token, "a lost answer can be asked for again");
    }
}

#[tokio::test]
async fn a_hand_over_leads_to_published_hosts_only_and_ends_after_a_minute() {
    let at = Installation::new().await;
    let portal = at.open_session(&at.one, key(), &["password", "totp"]).await.unwrap().token;
    let create = |host: &str| {
        request(
            Service::Authentication,
            proto::CreateHandOverRequest {
                effect_key: key().into(),
                token: portal.clone(),
                host: host.to_owned(),
                nonce_hash: digest(&SHA256, b"nonce").as_ref().to_vec().into(),
            },
        )
    };
    let elsewhere = at.one.create_hand_over(create("evil.example.com")).await;
    assert_eq!(elsewhere.unwrap_err().code(), Code::NotFound);
    let id = at.one.create_hand_over(create(WIKI)).await.unwrap().into_inner().hand_over;
    at.hands.advance(Duration::from_secs(60));
    let late = at.one.redeem_hand_over(redeem(&id, WIKI, b"nonce", key())).await;
    assert_eq!(late.unwrap_err().code(), Code::NotFound);
    let nonsense = at.one.redeem_hand_over(redeem("nonsense", WIKI, b"nonce", key())).await;
    assert_eq!(nonsense.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_revocation_at_one_instance_binds_the_other_within_a_second() {
    let at = Installation::new().await;
    let opened = at.open_session(&at.one, key(), &["password", "totp"]).await.unwrap();
    let token = nonce_to_token(&at, &opened.token).await.token;
    assert_eq!(
        word(at.two.decide(decide_request(&token, "wiki", WIKI)).await.unwrap().get_ref()),
        "permit alice"
    );
    let follow = request(Service::AccessPoint, proto::FollowRevocationsRequest { after: 0 });
    let mut stream = at.two.follow_revocations(follow).await.unwrap().into_inner();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((first.revocations.len(), first.position), (0, 0));

    let ended = at
        .one
        .end_session(request(
            Service::AccessPoint,
            proto::EndSessionRequest { token: token.clone(), host: WIKI.to_owned() },
        ))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(ended.position, 1);
    let heard = async {
        loop {
            let batch = stream.next().await.unwrap().unwrap();
            if !batch.revocations.is_empty() {
                return batch;
            }
        }
    };
    let batch = tokio::time::timeout(Duration::from_secs(1), heard).await.expect("heard within a second");
    assert_eq!((batch.revocations[0].session.clone(), batch.position), (opened.session.clone(), 1));
    assert!(!batch.is_stale);
    let reply = at.two.decide(decide_request(&token, "wiki", WIKI)).await.unwrap().into_inner();
    assert_eq!((word(&reply).as_str(), reply.log_position), ("password totp", 1));
    let again = request(Service::AccessPoint, proto::EndSessionRequest { token, host: WIKI.to_owned() });
    assert_eq!(at.two.end_session(again).await.unwrap().into_inner().position, 1, "it has ended by then");
    let beat = tokio::time::timeout(Duration::from_secs(1), stream.next()).await.expect("a beat");
    assert!(beat.unwrap().unwrap().revocations.is_empty());
}

#[tokio::test]
async fn a_locked_users_sessions_and_sign_ins_are_over() {
    let at = Installation::new().await;
    let opened = at.open_session(&at.one, key(), &["password", "totp"]).await.unwrap();
    let token = nonce_to_token(&at, &opened.token).await.token;
    let mut tx = at.store.begin().await.unwrap();
    users::set_state(&mut tx, &Actor::System, NOW, at.alice, users::State::Locked).await.unwrap();
    tx.commit().await.unwrap();
    let refused = at.open_session(&at.one, key(), &["password"]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    at.until("the locked user is asked to sign in", || async {
        word(at.two.decide(decide_request(&token, "wiki", WIKI)).await.unwrap().get_ref()) == "password totp"
    })
    .await;
}

#[tokio::test]
async fn sessions_end_as_idle_unless_somebody_reports_activity() {
    let at = Installation::new().await;
    let opened = at.open_session(&at.one, key(), &["password", "totp"]).await.unwrap();
    let token = nonce_to_token(&at, &opened.token).await.token;
    let verdict =
        || async { word(at.two.decide(decide_request(&token, "wiki", WIKI)).await.unwrap().get_ref()) };
    at.hands.advance(Duration::from_secs(3599));
    let seen = proto::SessionActivity {
        session: opened.session.clone(),
        last_seen_at: at.hands.clock().now().as_milliseconds(),
    };
    let report = proto::ReportActivityRequest { activities: vec![seen] };
    at.one.report_activity(request(Service::AccessPoint, report)).await.unwrap();
    at.hands.advance(Duration::from_secs(3599));
    assert_eq!(verdict().await, "permit alice", "the other instance reads the row again before it ends it");
    at.hands.advance(Duration::from_secs(3600));
    assert_eq!(verdict().await, "password totp");
    let list = proto::ListSessionsRequest {
        token: opened.token.clone(),
        host: PORTAL.to_owned(),
        ..proto::ListSessionsRequest::default()
    };
    let revoke = proto::RevokeSessionsRequest {
        token: opened.token,
        host: PORTAL.to_owned(),
        ..proto::RevokeSessionsRequest::default()
    };
    let listed = at.two.list_sessions(request(Service::Authentication, list)).await;
    let revoked = at.two.revoke_sessions(request(Service::Authentication, revoke)).await;
    for code in [listed.unwrap_err().code(), revoked.unwrap_err().code()] {
        assert_eq!(code, Code::Unauthenticated, "nor does its token open the account");
    }
}

#[tokio::test]
async fn without_the_database_tokens_and_the_log_decide() {
    let at = Installation::new().await;
    let opened = at.open_session(&at.one, key(), &["password", "totp"]).await.unwrap();
    let kept = nonce_to_token(&at, &opened.token).await.token;
    let other = at.open_session(&at.one, key(), &["password", "totp"]).await.unwrap();
    let revoked = nonce_to_token(&at, &other.token).await.token;
    let end = proto::EndSessionRequest { token: revoked.clone(), host: WIKI.to_owned() };
    at.one.end_session(request(Service::AccessPoint, end)).await.unwrap();
    at.until("the log is kept on disk", || async {
        at.directory.path().join("two/revocations.json").exists() && at.two_knows(1)
    })
    .await;

    let alone = at.instance_without_database("two").await;
    assert_eq!(
        word(alone.decide(decide_request(&kept, "wiki", WIKI)).await.unwrap().get_ref()),
        "permit alice"
    );
    let reply = alone.decide(decide_request(&revoked, "wiki", WIKI)).await.unwrap().into_inner();
    assert_eq!((word(&reply).as_str(), reply.log_position), ("password totp", 1));
    let follow = request(Service::AccessPoint, proto::FollowRevocationsRequest { after: 0 });
    let told = alone.follow_revocations(follow).await.unwrap().into_inner().next().await.unwrap().unwrap();
    assert_eq!((told.revocations.len(), told.position), (1, 1));
    assert!(told.is_stale, "it would not hear of another revocation");
    let write = at.open_session(&alone, key(), &["password"]).await.unwrap_err();
    assert_eq!(write.code(), Code::Unavailable, "database trouble is not a denial");

    at.hands.advance(Duration::from_secs(15 * 60 + 1));
    let late = alone.decide(decide_request(&kept, "wiki", WIKI)).await.unwrap_err();
    assert_eq!(late.code(), Code::Unavailable, "the resource's grace is over");
    let confirmed = at.one.decide(decide_request(&kept, "wiki", WIKI)).await.unwrap();
    assert_eq!(word(confirmed.get_ref()), "permit alice", "whoever has the database goes on");
}

#[tokio::test]
async fn users_see_and_end_their_own_sessions_and_administration_anybodys() {
    let at = Installation::new().await;
    let mine = at.open_session(&at.one, key(), &["password"]).await.unwrap();
    let bob = at.open_session_of(&at.one, at.bob, key(), &["password"]).await.unwrap();
    let own = proto::ListSessionsRequest {
        token: mine.token.clone(),
        host: PORTAL.to_owned(),
        ..proto::ListSessionsRequest::default()
    };
    let listed = at.two.list_sessions(request(Service::Authentication, own)).await.unwrap().into_inner();
    assert_eq!(listed.sessions.len(), 1);
    assert_eq!((&listed.sessions[0].session, &*listed.sessions[0].user_name), (&mine.session, "alice"));
    let all = request(Service::Administration, proto::ListSessionsRequest::default());
    assert_eq!(at.two.list_sessions(all).await.unwrap().into_inner().sessions.len(), 2);

    let revoke = |session: &str| proto::RevokeSessionsRequest {
        token: mine.token.clone(),
        host: PORTAL.to_owned(),
        session: session.to_owned(),
        ..proto::RevokeSessionsRequest::default()
    };
    let theirs = at.two.revoke_sessions(request(Service::Authentication, revoke(&bob.session))).await;
    assert_eq!(theirs.unwrap_err().code(), Code::NotFound, "nobody ends another's");
    let by_administration = proto::RevokeSessionsRequest {
        user: "bob".to_owned(),
        actor: "system".to_owned(),
        ..proto::RevokeSessionsRequest::default()
    };
    let reply = at.two.revoke_sessions(request(Service::Administration, by_administration)).await.unwrap();
    assert_eq!((reply.get_ref().revoked, reply.get_ref().position), (1, 1));
    let other = at.open_session(&at.one, key(), &["password"]).await.unwrap();
    let others = at.one.revoke_sessions(request(Service::Authentication, revoke(""))).await.unwrap();
    assert_eq!((others.get_ref().revoked, others.get_ref().position), (1, 2), "the user's own stays");
    let token_of_other = proto::ListSessionsRequest {
        token: other.token,
        host: PORTAL.to_owned(),
        ..proto::ListSessionsRequest::default()
    };
    at.until("the other session is known to have ended", || async {
        let call = request(Service::Authentication, token_of_other.clone());
        at.two.list_sessions(call).await.is_err_and(|status| status.code() == Code::Unauthenticated)
    })
    .await;
    let own = at.one.revoke_sessions(request(Service::Authentication, revoke(&mine.session))).await.unwrap();
    assert_eq!((own.get_ref().revoked, own.get_ref().position), (1, 3));
}

#[tokio::test]
async fn the_portal_lists_what_its_user_may_reach() {
    let at = Installation::new().await;
    let token = at.open_session(&at.one, key(), &["password"]).await.unwrap().token;
    let list = |token: &str| {
        request(
            Service::Authentication,
            proto::TestAccessRequest {
                token: token.to_owned(),
                host: PORTAL.to_owned(),
                facts: decide_request("", "", PORTAL).into_inner().facts,
                ..proto::TestAccessRequest::default()
            },
        )
    };
    let tests = at.one.test_access(list(&token)).await.unwrap().into_inner().tests;
    let shown: Vec<String> = tests.iter().map(|test| word(test.decision.as_ref().unwrap())).collect();
    assert_eq!(shown, ["permit ", "totp"]);
    assert!(tests.iter().all(|test| test.because.is_empty()), "why is for administrators");
    assert_eq!(at.one.test_access(list("v1.x")).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_locked_user_reaches_nothing_whatever_the_rule_says() {
    let at = Installation::new().await;
    let test = proto::TestAccessRequest {
        user_name: "alice".to_owned(),
        facts: decide_request("", "wiki", WIKI).into_inner().facts,
        ..proto::TestAccessRequest::default()
    };
    let mut tx = at.store.begin().await.unwrap();
    users::set_state(&mut tx, &Actor::System, NOW, at.alice, users::State::Locked).await.unwrap();
    tx.commit().await.unwrap();
    let tests = at.one.test_access(request(Service::Administration, test)).await.unwrap().into_inner().tests;
    assert!(!tests.is_empty());
    for test in tests {
        assert_eq!(word(test.decision.as_ref().unwrap()), "deny: this account is locked");
        assert_eq!(test.because, "the account is locked, whatever the rule says");
    }
}

#[tokio::test]
async fn access_is_tested_for_a_user_without_a_session() {
    let at = Installation::new().await;
    let test = |factors: &[&str]| {
        request(
            Service::Administration,
            proto::TestAccessRequest {
                user_name: "bob".to_owned(),
                facts: decide_request("", "wiki", WIKI).into_inner().facts,
                factors: factors.iter().map(|factor| (*factor).to_owned()).collect(),
                ..proto::TestAccessRequest::default()
            },
        )
    };
    let reply = at.one.test_access(test(&[])).await.unwrap().into_inner();
    let summary: Vec<(String, String, String)> = reply
        .tests
        .iter()
        .map(|test| (test.resource.clone(), word(test.decision.as_ref().unwrap()), test.url.clone()))
        .collect();
    let row = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        summary,
        [
            row("public", "permit ", "https://public.example.com:8443/"),
            row(
                "wiki",
                "deny: this account is not among those that may use this application",
                "https://wiki.example.com:8443/"
            ),
        ]
    );
    assert!(reply.tests[1].because.contains("`group(\"staff\")`"), "{}", reply.tests[1].because);
}

#[tokio::test]
async fn audit_records_are_kept_once_and_the_chain_holds() {
    let at = Installation::new().await;
    let record = proto::AuditRecord {
        request: "request_0190c7a3e5b07c3aa4f28c1d9e6b7f00".to_owned(),
        at: NOW.as_milliseconds(),
        action: "access.denied".to_owned(),
        user: "alice".to_owned(),
        resource: "wiki".to_owned(),
        client: "192.0.2.7".to_owned(),
        detail: format!("not the network {}", "/a".repeat(4000)),
    };
    let before = audit::last_number(&mut at.store.read().await.unwrap()).await.unwrap();
    for instance in [&at.one, &at.two] {
        let call = proto::RecordAuditRequest { records: vec![record.clone()] };
        instance.record_audit(request(Service::AccessPoint, call)).await.unwrap();
    }
    let mut connection = at.store.read().await.unwrap();
    assert_eq!(audit::last_number(&mut connection).await.unwrap(), before + 1);
    assert!(matches!(audit::verify(&mut connection).await.unwrap(), Verification::Whole { .. }));
    let filter = audit::Filter { after: before, ..audit::Filter::default() };
    let kept = audit::list(&mut connection, &filter, 1).await.unwrap();
    assert_eq!(kept[0].detail["detail"].as_str().unwrap().len(), 512);
    let forged = proto::AuditRecord { action: "user.removed".to_owned(), ..record };
    let call = proto::RecordAuditRequest { records: vec![forged] };
    let refused = at.one.record_audit(request(Service::AccessPoint, call)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "an access point tells of denials only");
}

#[tokio::test]
async fn groups_that_do_not_fit_a_token_are_read_from_the_database() {
    let at = Installation::new().await;
    at.add_to_groups(at.alice, 200).await;
    let opened = at.open_session(&at.one, key(), &["password", "totp"]).await.unwrap();
    assert!(opened.token.len() <= 3072);
    let token = nonce_to_token(&at, &opened.token).await.token;
    assert_eq!(
        word(at.two.decide(decide_request(&token, "wiki", WIKI)).await.unwrap().get_ref()),
        "permit alice"
    );
    let alone = at.instance_without_database("three").await;
    let refused = alone.decide(decide_request(&token, "wiki", WIKI)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "without the groups there is neither permit nor denial");
}
