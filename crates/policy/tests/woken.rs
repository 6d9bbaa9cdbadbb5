//! An instance that hangs in the middle of a write, at any await point, while the caller repeats the
//! write at the other, and that wakes afterwards: nothing happens twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test"
)]

#[path = "../../store/tests/support/stall.rs"]
mod stall;
mod support;

use aws_lc_rs::digest::{SHA256, digest};
use evergate_model::Service;
use evergate_policy::Policy;
use evergate_wire::proto::policy_server::Policy as _;
use evergate_wire::proto::{CreateHandOverRequest, RedeemHandOverRequest, RevokeSessionsRequest};
use stall::{Progress, stop_after};
use support::{Installation, WIKI, key, request};
use tonic::{Code, Response};

/// So many times the work is stopped, each time at another of its first points. How far it has come
/// there differs from time to time, since the database answers sooner or later.
const ROUNDS: usize = 40;
const POINTS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_opened_once_wherever_the_instance_hangs() {
    let at = Installation::new().await;
    let mut stopped = 0;
    for round in 0..ROUNDS {
        let (before, key) = (at.sessions().await, key());
        let open = |instance| at.open_session(instance, key.clone(), &["password"]);
        let work = match stop_after(round % POINTS, open(&at.one)).await {
            Progress::Stopped(work) => work,
            Progress::Done(_) => continue,
        };
        stopped += 1;
        let outcome = work.meanwhile(open(&at.two)).await;
        let other = outcome.other.unwrap();
        if let Some(woken) = outcome.woken {
            assert_eq!(woken.unwrap().session, other.session, "{round}");
        }
        assert_eq!(at.sessions().await, before + 1, "{round}");
    }
    assert!(stopped > ROUNDS / 4, "{stopped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_opened_since_all_were_ended_stay_wherever_the_instance_hangs() {
    let at = Installation::new().await;
    let mut stopped = 0;
    for round in 0..ROUNDS {
        for _ in 0..2 {
            at.open_session(&at.one, key(), &["password"]).await.unwrap();
        }
        let end = RevokeSessionsRequest {
            user: "alice".to_owned(),
            effect_key: key().into(),
            ..RevokeSessionsRequest::default()
        };
        let end_all = |instance: &Policy| {
            let (instance, request) = (instance.clone(), request(Service::Administration, end.clone()));
            async move { instance.revoke_sessions(request).await }
        };
        let work = match stop_after(round % POINTS, end_all(&at.one)).await {
            Progress::Stopped(work) => work,
            Progress::Done(done) => {
                assert_eq!(done.unwrap().into_inner().revoked, 2);
                continue;
            }
        };
        stopped += 1;
        let outcome = work
            .meanwhile(async {
                let ended = end_all(&at.two).await;
                at.open_session(&at.two, key(), &["password"]).await.unwrap();
                ended
            })
            .await;
        let told = outcome.other.map(Response::into_inner).unwrap();
        if let Some(woken) = outcome.woken {
            assert_eq!(woken.unwrap().into_inner(), told, "{round}: the same answer");
        }
        assert_eq!((told.revoked, at.sessions().await), (2, 1), "{round}");
        let clear = RevokeSessionsRequest { effect_key: key().into(), ..end.clone() };
        at.two.revoke_sessions(request(Service::Administration, clear)).await.unwrap();
    }
    assert!(stopped > ROUNDS / 4, "{stopped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_is_redeemed_once_wherever_the_instance_hangs() {
    let at = Installation::new().await;
    let portal = at.open_session(&at.one, key(), &["password", "totp"]).await.unwrap();
    let mut stopped = 0;
    for round in 0..ROUNDS {
        let nonce = b"a nonce of the browser".to_vec();
        let create = CreateHandOverRequest {
            effect_key: key().into(),
            token: portal.token.clone(),
            host: WIKI.to_owned(),
            nonce_hash: digest(&SHA256, &nonce).as_ref().to_vec().into(),
        };
        let created = at.two.create_hand_over(request(Service::Authentication, create)).await.unwrap();
        let hand_over = created.into_inner().hand_over;
        let redeem = |effect_key: Vec<u8>| RedeemHandOverRequest {
            effect_key: effect_key.into(),
            hand_over: hand_over.clone(),
            host: WIKI.to_owned(),
            nonce: nonce.clone().into(),
        };
        let key_of_both = key();
        let ask = |instance: &Policy| {
            let call = request(Service::AccessPoint, redeem(key_of_both.clone()));
            let instance = instance.clone();
            async move { instance.redeem_hand_over(call).await }
        };
        let work = match stop_after(round % POINTS, ask(&at.one)).await {
            Progress::Stopped(work) => work,
            Progress::Done(_) => continue,
        };
        stopped += 1;
        let outcome = work.meanwhile(ask(&at.two)).await;
        let session = outcome.other.unwrap().into_inner().session;
        if let Some(woken) = outcome.woken {
            assert_eq!(woken.unwrap().into_inner().session, session, "{round}");
        }
        let again = at.two.redeem_hand_over(request(Service::AccessPoint, redeem(key()))).await;
        assert_eq!(again.unwrap_err().code(), Code::NotFound, "{round}: it was used");
    }
    assert!(stopped > ROUNDS / 4, "{stopped}");
}
