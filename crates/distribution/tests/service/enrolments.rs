//! A soft token becomes the user's by one right code, which is thereby used up.

use std::time::Duration;

use evergate_keys::totp::{Seed, step_at};
use evergate_keys::{new_id, random, seed};
use evergate_model::id::User;
use evergate_model::{Id, Timestamp};
use evergate_store::credentials::{self, Sort};
use evergate_store::{Actor, audit};
use evergate_wire::proto::distribution_server::Distribution;
use evergate_wire::proto::{
    BeginEnrolmentReply, BeginEnrolmentRequest, ConfirmEnrolmentReply, ConfirmEnrolmentRequest,
    ConfirmOutcome, EnrolDirectlyRequest,
};
use futures_util::future::join;
use tonic::{Code, Request, Status};

use crate::installation::{Installation, Instance, NOW};

fn begin_request(user: Id<User>) -> BeginEnrolmentRequest {
    BeginEnrolmentRequest {
        effect_key: random::bytes::<32>().to_vec().into(),
        user: user.to_string(),
        account: "alice".to_owned(),
        issuer: "Evergate".to_owned(),
    }
}

async fn begin(instance: &Instance, request: &BeginEnrolmentRequest) -> Result<BeginEnrolmentReply, Status> {
    Ok(instance.service.begin_enrolment(Request::new(request.clone())).await?.into_inner())
}

fn confirm_request(user: Id<User>, enrolment: &str, code: &str) -> ConfirmEnrolmentRequest {
    ConfirmEnrolmentRequest {
        effect_key: random::bytes::<32>().to_vec().into(),
        user: user.to_string(),
        enrolment: enrolment.to_owned(),
        code: code.to_owned(),
        label: "phone".to_owned(),
    }
}

async fn confirm(instance: &Instance, request: &ConfirmEnrolmentRequest) -> ConfirmEnrolmentReply {
    instance.service.confirm_enrolment(Request::new(request.clone())).await.unwrap().into_inner()
}

fn seed_in(otpauth: &str) -> Seed {
    let (_, rest) = otpauth.split_once("secret=").unwrap();
    Seed::from_base32(rest.split('&').next().unwrap()).unwrap()
}

/// A code that is wrong at this moment.
fn wrong_code(seed: &Seed, now: Timestamp) -> String {
    let candidates = (0..10).map(|digit| format!("00000{digit}"));
    candidates.into_iter().find(|code| seed.matching_step(code, now).is_none()).unwrap()
}

async fn soft_tokens(installation: &Installation, user: Id<User>) -> Vec<Vec<u8>> {
    let store = installation.store().await;
    let mut reading = store.read().await.unwrap();
    let secrets = credentials::secrets(&mut reading, user, Sort::Totp).await.unwrap();
    secrets.into_iter().map(|(_, secret)| secret).collect()
}

#[tokio::test]
async fn a_right_code_binds_the_token_and_cannot_be_used_again() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    let two = installation.start("distribution2", None, false).await;
    let begun = begin(&one, &begin_request(installation.alice)).await.unwrap();
    let seed = seed_in(&begun.otpauth);
    let code = seed.code_at(NOW);
    let reply = confirm(&two, &confirm_request(installation.alice, &begun.enrolment, &code)).await;
    assert_eq!(reply.outcome(), ConfirmOutcome::Bound);

    let sealed = soft_tokens(&installation, installation.alice).await;
    let opener = installation.authentication.seed_opener().unwrap();
    let opened = opener.open(&seed::context(installation.alice), &sealed[0]).unwrap();
    assert_eq!(Seed::from_bytes(&opened), Some(seed), "authentication can open it");

    let mut tx = one.store.begin().await.unwrap();
    let credential = reply.credential.parse().unwrap();
    let is_fresh = credentials::use_code(&mut tx, NOW, credential, step_at(NOW)).await.unwrap();
    assert!(!is_fresh, "the confirming code is used up");
}

#[tokio::test]
async fn codes_are_tried_ten_times_and_no_more() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    let begun = begin(&one, &begin_request(installation.alice)).await.unwrap();
    let seed = seed_in(&begun.otpauth);
    for _ in 0..10 {
        let wrong = wrong_code(&seed, NOW);
        let reply = confirm(&one, &confirm_request(installation.alice, &begun.enrolment, &wrong)).await;
        assert_eq!(reply.outcome(), ConfirmOutcome::WrongCode);
    }
    let right = confirm_request(installation.alice, &begun.enrolment, &seed.code_at(NOW));
    assert_eq!(confirm(&one, &right).await.outcome(), ConfirmOutcome::Gone);
    assert!(soft_tokens(&installation, installation.alice).await.is_empty());
}

#[tokio::test]
async fn an_enrolment_of_somebody_else_or_of_long_ago_is_gone() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    let mallory = new_id(NOW);
    installation.add_user(&one.store, mallory, "mallory").await;
    let begun = begin(&one, &begin_request(installation.alice)).await.unwrap();
    let code = seed_in(&begun.otpauth).code_at(NOW);
    let stolen = confirm(&one, &confirm_request(mallory, &begun.enrolment, &code)).await;
    assert_eq!(stolen.outcome(), ConfirmOutcome::Gone);
    assert_eq!(
        confirm(&one, &confirm_request(mallory, "rubbish", &code)).await.outcome(),
        ConfirmOutcome::Gone
    );
    installation.clock.advance(Duration::from_secs(15 * 60));
    let later = seed_in(&begun.otpauth).code_at(installation.clock.clock().now());
    let late = confirm(&one, &confirm_request(installation.alice, &begun.enrolment, &later)).await;
    assert_eq!(late.outcome(), ConfirmOutcome::Gone);
}

#[tokio::test]
async fn a_repeated_call_has_one_effect_and_the_same_answer() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    let two = installation.start("distribution2", None, false).await;
    let request = begin_request(installation.alice);
    let begun = begin(&one, &request).await.unwrap();
    assert_eq!(begin(&two, &request).await.unwrap(), begun);
    let code = seed_in(&begun.otpauth).code_at(NOW);
    let request = confirm_request(installation.alice, &begun.enrolment, &code);
    let bound = confirm(&one, &request).await;
    assert_eq!(confirm(&two, &request).await, bound);
    assert_eq!(soft_tokens(&installation, installation.alice).await.len(), 1);
}

#[tokio::test]
async fn a_right_code_raced_at_two_instances_binds_once() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    let two = installation.start("distribution2", None, false).await;
    for _ in 0..20 {
        let user = new_id(NOW);
        installation.add_user(&one.store, user, &user.to_string()).await;
        let begun = begin(&one, &begin_request(user)).await.unwrap();
        let code = seed_in(&begun.otpauth).code_at(NOW);
        let (first, second) =
            (confirm_request(user, &begun.enrolment, &code), confirm_request(user, &begun.enrolment, &code));
        let (first, second) = join(confirm(&one, &first), confirm(&two, &second)).await;
        let mut outcomes = [first.outcome(), second.outcome()];
        outcomes.sort_by_key(|outcome| i32::from(*outcome));
        assert_eq!(outcomes, [ConfirmOutcome::Bound, ConfirmOutcome::Gone]);
        assert_eq!(soft_tokens(&installation, user).await.len(), 1);
    }
}

#[tokio::test]
async fn an_administrator_binds_a_token_at_once_and_is_named_in_the_audit_log() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    let actor = Actor::Administrator(new_id(NOW));
    let request = EnrolDirectlyRequest {
        effect_key: random::bytes::<32>().to_vec().into(),
        user: installation.alice.to_string(),
        account: "alice".to_owned(),
        issuer: "Evergate".to_owned(),
        label: String::new(),
        actor: actor.to_string(),
    };
    let reply = one.service.enrol_directly(Request::new(request.clone())).await.unwrap().into_inner();
    let again = one.service.enrol_directly(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(reply, again);
    let sealed = soft_tokens(&installation, installation.alice).await;
    assert_eq!(sealed.len(), 1);
    let opener = installation.authentication.seed_opener().unwrap();
    let opened = opener.open(&seed::context(installation.alice), &sealed[0]).unwrap();
    assert_eq!(Seed::from_bytes(&opened), Some(seed_in(&reply.otpauth)));
    let mut reading = one.store.read().await.unwrap();
    let rows = audit::list(&mut reading, &audit::Filter::default(), 100).await.unwrap();
    assert!(rows.iter().any(|row| row.action == "credential.added" && row.actor == actor.to_string()));
}

#[tokio::test]
async fn nobody_gets_no_token() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    let refused = begin(&one, &begin_request(new_id(NOW))).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let mut malformed = begin_request(installation.alice);
    malformed.account = "a:b".to_owned();
    assert_eq!(begin(&one, &malformed).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn only_five_enrolments_of_a_user_stay_open() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    let mut begun = Vec::new();
    for _ in 0..6 {
        installation.clock.advance(Duration::from_millis(1));
        begun.push(begin(&one, &begin_request(installation.alice)).await.unwrap());
    }
    let now = installation.clock.clock().now();
    for (begun, expected) in [(&begun[0], ConfirmOutcome::Gone), (&begun[1], ConfirmOutcome::Bound)] {
        let code = seed_in(&begun.otpauth).code_at(now);
        let reply = confirm(&one, &confirm_request(installation.alice, &begun.enrolment, &code)).await;
        assert_eq!(reply.outcome(), expected);
    }
}
