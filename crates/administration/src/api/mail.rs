//! A probe through the outbox, as the drill sends it: accepted, never delivered; and how many were
//! taken in, so that it can see that each was once.

use axum::http::Method;
use evergate_failover::shell::CallOptions;
use evergate_model::Timestamp;
use evergate_store::outbox;
use evergate_wire::proto::{MailKind, SendMailRequest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Route, Stop};
use crate::Privilege;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::POST,
            "/mail/probe",
            Privilege::ProbeMail,
            "sends a probe through the outbox",
            probe,
        )
        .gives::<Accepted>(),
        Route::new(Method::GET, "/mail/probes", Privilege::ProbeMail, "how many probes were taken in", count)
            .query::<Since>()
            .gives::<Counted>(),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Since {
    /// Only those since then, in milliseconds since 1970 UTC.
    since: i64,
}

#[derive(Serialize, JsonSchema)]
struct Counted {
    /// Rows of the outbox: a probe that was taken in twice counts twice.
    accepted: u64,
}

#[derive(Serialize, JsonSchema)]
struct Accepted {
    /// The message.
    id: String,
}

async fn probe(call: Call) -> Result<Answer, Stop> {
    let request = SendMailRequest {
        effect_key: call.onward_key("probe").into(),
        to: "probe@example.com".to_owned(),
        kind: MailKind::Probe.into(),
        fields: Default::default(),
    };
    let reply = call
        .office
        .joined
        .peers
        .distribution(CallOptions::WRITE, move |mut client| {
            let request = request.clone();
            async move { client.send_mail(request).await }
        })
        .await?;
    Ok(Answer::accepted(&Accepted { id: reply.message }))
}

async fn count(call: Call) -> Result<Answer, Stop> {
    let since: Since = call.query()?;
    let since = Timestamp::from_milliseconds(since.since);
    let accepted = outbox::accepted_since(&mut *call.read().await?, "probe", since).await?;
    Ok(Answer::ok(&Counted { accepted }))
}
