//! A probe through the outbox, as the drill sends it: accepted, never delivered.

use axum::http::Method;
use evergate_failover::shell::CallOptions;
use evergate_wire::proto::{MailKind, SendMailRequest};
use schemars::JsonSchema;
use serde::Serialize;

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
    ]
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
