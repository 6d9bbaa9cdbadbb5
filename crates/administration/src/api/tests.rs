//! What the API promises to every caller: who may do what, once, and with all problems told.

mod authorization;
mod joining;
mod topology;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use evergate_keys::new_id;
use evergate_store::Actor;
use evergate_store::users::{self, State, User};
use serde_json::{Value, json};

use super::token_hash;
use crate::Privilege;
use crate::testing::Fixture;

struct Asker {
    fixture: Fixture,
    token: String,
}

impl Asker {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let token = fixture.token(Privilege::ALL).await;
        Self { fixture, token }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.fixture.ask(&self.token, method, path, body, None).await
    }

    async fn good(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    async fn refused(&self, method: Method, path: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.ask(method, path, body).await;
        let text = format!("{} {}", answer["error"], answer["problems"]);
        (status.as_u16(), text)
    }
}

#[tokio::test]
async fn a_user_lives_from_adding_to_removal() {
    let api = Asker::new().await;
    api.good(Method::POST, "/groups", json!({ "name": "staff" })).await;
    let new = json!({ "name": "Bob", "email": "bob@example.com", "password": "correct horse battery", "groups": ["staff"] });
    let added = api.good(Method::POST, "/users", new.clone()).await;
    assert_eq!((&added["name"], &added["credentials"]), (&json!("bob"), &json!(["password"])));
    assert_eq!(api.refused(Method::POST, "/users", new).await.0, 409);
    api.good(Method::POST, "/users/bob/lock", Value::Null).await;
    assert_eq!(api.good(Method::GET, "/users/BOB", Value::Null).await["state"], "locked");
    api.good(Method::POST, "/users/bob/unlock", Value::Null).await;
    let reset = api.good(Method::POST, "/users/bob/reset", json!({})).await;
    assert!(reset["password"].as_str().unwrap().len() > 20);
    let members = api.good(Method::GET, "/groups/staff/members", Value::Null).await;
    assert_eq!(members["members"], json!(["bob"]));
    let invited = api.good(Method::POST, "/users/bob/invite", Value::Null).await;
    let url = invited["url"].as_str().unwrap();
    assert!(url.starts_with("https://portal.localhost:10443/invitation?token="), "{url}");
    api.good(Method::DELETE, "/users/bob", Value::Null).await;
    assert_eq!(api.refused(Method::GET, "/users/bob", Value::Null).await.0, 404);
    assert_eq!(api.good(Method::GET, "/audit/verify", Value::Null).await["intact"], true);
}

#[tokio::test]
async fn a_new_name_with_a_character_that_nobody_sees_is_refused_and_an_old_one_is_found() {
    let api = Asker::new().await;
    for path in ["/users", "/groups"] {
        let body = json!({ "name": "bo\u{202e}b" });
        let (status, text) = api.refused(Method::POST, path, body).await;
        assert_eq!(status, 422, "{path}: {text}");
        assert!(text.contains("position 3") && text.contains("U+202E"), "{path}: {text}");
    }
    let mut tx = api.fixture.office.store.begin().await.unwrap();
    let now = api.fixture.office.now();
    let old = User {
        id: new_id(now),
        name: "bo\u{200b}b".to_owned(),
        email: None,
        state: State::Active,
        created_at: now,
        invited_at: None,
    };
    users::add(&mut tx, &Actor::System, now, &old).await.unwrap();
    tx.commit().await.unwrap();
    let found = api.good(Method::GET, "/users/bo%E2%80%8Bb", Value::Null).await;
    assert_eq!(found["name"], json!(old.name));
    api.good(Method::DELETE, "/users/bo%E2%80%8Bb", Value::Null).await;
}

#[tokio::test]
async fn bad_users_are_refused_with_the_place() {
    let api = Asker::new().await;
    for (body, part) in [
        (json!({ "name": "" }), "name"),
        (json!({ "name": "a b" }), "name"),
        (json!({ "name": "bob", "email": "nobody" }), "email"),
        (json!({ "name": "bob", "password": "password" }), "password"),
        (json!({ "name": "bob", "groups": ["nobody"] }), "groups"),
        (json!({ "name": "bob", "admin": true }), "admin"),
        (json!([]), "line 1"),
    ] {
        let (status, text) = api.refused(Method::POST, "/users", body.clone()).await;
        assert_eq!(status, 422, "{body} {text}");
        assert!(text.contains(part), "{body}: {text}");
    }
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let api = Asker::new().await;
    for (method, path) in [
        (Method::POST, "/users/admin/lock"),
        (Method::DELETE, "/users/admin"),
        (Method::DELETE, "/groups/administrators/members/admin"),
        (Method::DELETE, "/groups/administrators"),
    ] {
        assert_eq!(api.refused(method, path, Value::Null).await.0, 409, "{path}");
    }
}

#[tokio::test]
async fn administrators_are_out_of_reach_for_those_who_manage_users_only() {
    let fixture = Fixture::new().await;
    let token = fixture.token(&[Privilege::WriteUsers, Privilege::ManageApiTokens]).await;
    for (method, path, body) in [
        (Method::POST, "/users/admin/reset", json!({})),
        (Method::POST, "/users/admin/totp", json!({})),
        (Method::POST, "/users/admin/invite", json!({})),
        (Method::PUT, "/groups/administrators/members/alice", json!({})),
        (Method::POST, "/users", json!({ "name": "eve", "groups": ["administrators"] })),
        (Method::POST, "/api-tokens", json!({ "name": "more", "privileges": ["rotate-keys"] })),
    ] {
        let (status, _) = fixture.ask(&token, method, path, body, None).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn a_repeated_write_happens_once_and_answers_the_same() {
    let Asker { fixture, token } = Asker::new().await;
    let new = json!({ "name": "ci" });
    let once = fixture.ask(&token, Method::POST, "/api-tokens", new.clone(), Some("k1")).await;
    let again = fixture.ask(&token, Method::POST, "/api-tokens", new.clone(), Some("k1")).await;
    assert_eq!(once.0, StatusCode::CREATED);
    assert_eq!(once, again, "the token that is shown once is shown to the repetition");
    let other = fixture.ask(&token, Method::POST, "/api-tokens", json!({ "name": "x" }), Some("k1")).await;
    assert_eq!(other.0, StatusCode::CONFLICT);
    let another_caller = fixture.token(Privilege::ALL).await;
    let theirs = fixture.ask(&another_caller, Method::POST, "/api-tokens", new, Some("k1")).await;
    assert_ne!(once.1["token"], theirs.1["token"], "keys are the caller's own");
    let database = std::fs::read(fixture.directory.path().join("evergate.db")).unwrap();
    let log = std::fs::read(fixture.directory.path().join("evergate.db-wal")).unwrap_or_default();
    let secret = once.1["token"].as_str().unwrap().as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    assert!(!holds(&database) && !holds(&log), "kept sealed");
}

#[tokio::test]
async fn a_write_that_comes_again_at_another_address_is_the_same() {
    let Asker { fixture, token } = Asker::new().await;
    for instance in ["127.0.0.1:8300", "127.0.0.1:8301"] {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("https://{instance}/api/v1/groups"))
            .header("authorization", format!("Bearer {token}"))
            .header("idempotency-key", "k1");
        let answer =
            fixture.send(request.body(Body::from(json!({ "name": "staff" }).to_string())).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "at {instance}");
    }
}

#[tokio::test]
async fn no_hash_of_a_body_is_kept_that_can_be_guessed_at_without_the_wrapping_key() {
    let Asker { fixture, token } = Asker::new().await;
    let new = json!({ "name": "staff" });
    let made = fixture.ask(&token, Method::POST, "/groups", new.clone(), Some("k1")).await;
    assert_eq!(made.0, StatusCode::CREATED);
    let body = new.to_string();
    let bare = token_hash(&format!("POST /groups\n{body}"));
    let keyed = fixture.office.vault.hash(&[b"api effect", b"POST", b"/groups", body.as_bytes()]);
    let files = ["evergate.db", "evergate.db-wal"].map(|file| fixture.directory.path().join(file));
    let bytes = files.map(|file| std::fs::read(file).unwrap_or_default()).concat();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&keyed), "this is what is kept");
    assert!(!holds(&bare));
}

#[tokio::test]
async fn a_made_token_works_until_it_is_revoked() {
    let api = Asker::new().await;
    let made =
        api.good(Method::POST, "/api-tokens", json!({ "name": "ci", "privileges": ["read-users"] })).await;
    let token = made["token"].as_str().unwrap();
    let users = || api.fixture.ask(token, Method::GET, "/users", Value::Null, None);
    assert_eq!(users().await.0, StatusCode::OK);
    let id = made["id"].as_str().unwrap();
    api.good(Method::DELETE, &format!("/api-tokens/{id}"), Value::Null).await;
    assert_eq!(users().await.0, StatusCode::UNAUTHORIZED);
}

fn wiki() -> Value {
    json!({ "hosts": ["wiki.localhost"], "upstreams": ["http://127.0.0.1:3000"], "rule": "password" })
}

#[tokio::test]
async fn a_resource_is_published_at_once_with_a_snapshot_for_all() {
    let api = Asker::new().await;
    let before = api.good(Method::GET, "/status", Value::Null).await["revision"].as_u64().unwrap();
    let edited = api.good(Method::PUT, "/resources/wiki", wiki()).await;
    assert_eq!(edited, json!({ "version": 2, "is_draft": false, "is_changed": true }));
    let again = api.good(Method::PUT, "/resources/wiki", wiki()).await;
    assert_eq!(again["is_changed"], false);
    let after = api.good(Method::GET, "/status", Value::Null).await["revision"].as_u64().unwrap();
    assert_eq!(after, before + 1);
    assert_eq!(api.good(Method::GET, "/resources/wiki", Value::Null).await["rule"], "password");
    let deleted = api.good(Method::DELETE, "/resources/wiki", Value::Null).await;
    assert_eq!(deleted["version"], 3);
    assert_eq!(api.refused(Method::DELETE, "/resources/wiki", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_resource_that_does_not_hold_together_is_refused_with_every_problem() {
    let api = Asker::new().await;
    let bad = json!({ "hosts": ["portal.localhost"], "upstreams": ["nowhere"], "rule": "password und totp" });
    let (status, text) = api.refused(Method::PUT, "/resources/bad", bad).await;
    assert_eq!(status, 422);
    for part in ["resources.bad.hosts", "resources.bad.upstreams[0]", "resources.bad.rule, column 10"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(api.good(Method::GET, "/configuration", Value::Null).await["version"], 1);
}

#[tokio::test]
async fn a_draft_is_prepared_compared_and_published() {
    let api = Asker::new().await;
    let edited = api.good(Method::PUT, "/resources/wiki?draft=true", wiki()).await;
    assert_eq!(edited, json!({ "version": 1, "is_draft": true, "is_changed": true }));
    let diff = api.good(Method::GET, "/configuration/diff", Value::Null).await;
    assert_eq!(diff["changes"][0]["place"], "resources.wiki");
    let published = api.good(Method::POST, "/configuration/publish", json!({ "comment": "why" })).await;
    assert_eq!(published["version"], 2);
    assert_eq!(api.refused(Method::GET, "/configuration/draft", Value::Null).await.0, 404);
    let versions = api.good(Method::GET, "/configuration/versions", Value::Null).await;
    assert_eq!(versions["versions"][0]["comment"], "why");
    let back = api.good(Method::POST, "/configuration/rollback", json!({ "version": 1 })).await;
    assert_eq!(back["version"], 3);
    assert!(api.good(Method::GET, "/resources", Value::Null).await["resources"]["wiki"].is_null());
}

#[tokio::test]
async fn a_draft_that_others_overtook_is_not_published() {
    let api = Asker::new().await;
    api.good(Method::PUT, "/resources/wiki?draft=true", wiki()).await;
    api.good(Method::PUT, "/rules/staff", json!({ "rule": "password" })).await;
    let (status, answer) = api.ask(Method::POST, "/configuration/publish", json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(answer["changes"][0]["place"], "rules");
}

#[tokio::test]
async fn applying_a_file_replaces_its_sections_unless_others_changed_them() {
    let api = Asker::new().await;
    let file = |text: &str| json!({ "file": text, "comment": "file" });
    api.good(Method::POST, "/configuration/apply", file("base: 1\nrules:\n  staff: password\n")).await;
    let other = api.ask(Method::POST, "/configuration/apply", file("base: 1\nrules: {}\n")).await;
    assert_eq!(other.0, StatusCode::CONFLICT);
    assert_eq!(other.1["changes"][0]["place"], "rules");
    let elsewhere = file("base: 1\nglobal_rule: 'client in 10.0.0.0/8'\n");
    assert_eq!(api.good(Method::POST, "/configuration/apply", elsewhere).await["version"], 3);
    let forced = json!({ "file": "base: 1\nrules: {}\n", "force": true });
    assert_eq!(api.good(Method::POST, "/configuration/apply", forced).await["version"], 4);
    let exported = api.good(Method::GET, "/configuration/export", Value::Null).await;
    let same = api.good(Method::POST, "/configuration/apply", json!({ "file": exported["file"] })).await;
    assert_eq!(same["is_changed"], false);
    let (status, text) = api
        .refused(Method::POST, "/configuration/check", json!({ "file": "rules:\n  a: 'rule(b)'\n" }))
        .await;
    assert_eq!(status, 422);
    assert!(text.contains("rules.a"), "{text}");
}

#[tokio::test]
async fn a_rotation_begins_with_a_key_that_is_made_known() {
    let api = Asker::new().await;
    let states = |keys: &Value| -> Vec<String> {
        let keys = keys["keys"].as_array().unwrap().iter();
        let of = keys.filter(|key| key["purpose"] == "session-token");
        of.map(|key| key["state"].as_str().unwrap().to_owned()).collect()
    };
    let begun = api.good(Method::POST, "/keys/rotate", json!({ "purpose": "session-token" })).await;
    assert_eq!(states(&begun), ["active", "next"]);
    let replaced = json!({ "purpose": "session-token", "emergency": true });
    let begun = api.good(Method::POST, "/keys/rotate", replaced).await;
    assert_eq!(states(&begun), ["active"]);
    let all = api.good(Method::GET, "/keys", Value::Null).await.to_string();
    assert!(!all.contains("secret"), "{all}");
    assert_eq!(api.refused(Method::POST, "/keys/rotate", json!({ "purpose": "nothing" })).await.0, 404);
}

#[tokio::test]
async fn instances_are_asked_and_the_active_one_is_moved() {
    let api = Asker::new().await;
    let asked = api.good(Method::POST, "/instances/policy1/drain", Value::Null).await;
    assert_eq!((&asked["wish"], &asked["number"]), (&json!("drain"), &json!(1)));
    let asked = api.good(Method::POST, "/instances/policy1/resume", Value::Null).await;
    assert_eq!(asked["number"], 2);
    assert_eq!(api.refused(Method::POST, "/instances/nobody/drain", Value::Null).await.0, 404);
    assert_eq!(api.refused(Method::POST, "/instances/policy1/activate", Value::Null).await.0, 409);
    let one = api.good(Method::GET, "/instances/policy1", Value::Null).await;
    assert_eq!((&one["state"], &one["priority"]), (&json!("unknown"), &json!(1)));
}

#[tokio::test]
async fn a_new_bootstrap_file_holds_an_admitted_identity_and_nothing_of_others() {
    let api = Asker::new().await;
    let file = api.good(Method::POST, "/instances/policy1/bootstrap", Value::Null).await;
    let bootstrap: evergate_process::Bootstrap = serde_json::from_value(file).unwrap();
    assert!(bootstrap.wrapping_key.is_none() && bootstrap.database.is_some());
    let own = evergate_process::identity::PeerCertificate::read_pem(&bootstrap.certificate).unwrap();
    let mut reading = api.fixture.office.store.read().await.unwrap();
    let admitted = evergate_store::instances::admitted(&mut reading).await.unwrap();
    let mine = admitted.iter().find(|one| one.instance == own.peer.instance).unwrap();
    assert!(mine.certificates.contains(&own.sha256));
    assert_eq!(mine.certificates.len(), 2, "the one in use stays");
    assert_eq!(api.refused(Method::POST, "/instances/nobody/bootstrap", Value::Null).await.0, 404);
}

#[tokio::test]
async fn without_policy_and_distribution_their_parts_say_so_and_the_rest_works() {
    let api = Asker::new().await;
    for (method, path) in [(Method::GET, "/sessions"), (Method::POST, "/mail/probe")] {
        let (status, answer) = api.ask(method, path, Value::Null).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path} {answer}");
    }
    api.good(Method::GET, "/users", Value::Null).await;
}

#[tokio::test]
async fn the_audit_log_is_read_by_number_and_time() {
    let api = Asker::new().await;
    let records = |answer: Value| answer["records"].as_array().unwrap().len();
    let all = records(api.good(Method::GET, "/audit", Value::Null).await);
    assert!(all > 10, "{all}");
    assert_eq!(records(api.good(Method::GET, "/audit?after=3&limit=2", Value::Null).await), 2);
    assert_eq!(records(api.good(Method::GET, "/audit?since=1h", Value::Null).await), all);
    assert_eq!(records(api.good(Method::GET, "/audit?since=2999-01-01T00:00:00Z", Value::Null).await), 0);
    assert_eq!(api.refused(Method::GET, "/audit?since=yesterday", Value::Null).await.0, 422);
}

#[tokio::test]
async fn a_drill_is_noted_with_who_what_and_the_result() {
    let api = Asker::new().await;
    let note = |happening: &str| json!({ "drill": "drill-1", "happening": happening, "detail": { "fault": "hang", "lost": 0 } });
    for happening in ["started", "struck", "ended"] {
        api.good(Method::POST, "/drills", note(happening)).await;
    }
    let audit = api.good(Method::GET, "/audit?subject=drill-1", Value::Null).await;
    let records = audit["records"].as_array().unwrap();
    let actions: Vec<&str> = records.iter().filter_map(|record| record["action"].as_str()).collect();
    assert_eq!(actions, ["drill.started", "drill.struck", "drill.ended"]);
    assert!(records.iter().all(|record| record["detail"]["fault"] == "hang"), "{records:?}");
    assert_eq!(
        api.refused(Method::POST, "/drills", json!({ "drill": "", "happening": "ended" })).await.0,
        422
    );
    let long = json!({ "drill": "d", "happening": "ended", "detail": { "text": "x".repeat(20_000) } });
    assert_eq!(api.refused(Method::POST, "/drills", long).await.0, 422);
}
