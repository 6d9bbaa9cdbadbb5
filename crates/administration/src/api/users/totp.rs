//! A soft token that an administrator hands over: distribution makes it and binds it at once.

use axum::extract::Path;
use evergate_failover::shell::CallOptions;
use evergate_store::groups::{self, ADMINISTRATORS};
use evergate_store::users;
use evergate_wire::proto::EnrolDirectlyRequest;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{Answer, Call, Stop};
use super::not_found;
use crate::Privilege;

#[derive(Serialize, JsonSchema)]
pub(in crate::api) struct Enrolled {
    /// The URI that authenticator apps read; shown once.
    otpauth: String,
}

pub(super) async fn enrol(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let mut reading = call.read().await?;
    let user = users::find_by_name(&mut reading, &name).await?.ok_or_else(|| not_found(&name))?;
    if groups::names_of(&mut reading, user.id).await?.iter().any(|group| group == ADMINISTRATORS) {
        call.caller.require(Privilege::ManageAdministrators)?;
    }
    drop(reading);
    let request = EnrolDirectlyRequest {
        effect_key: call.onward_key("totp").into(),
        user: user.id.to_string(),
        account: user.name,
        issuer: "Evergate".to_owned(),
        label: "Authenticator app".to_owned(),
        actor: call.actor().to_string(),
    };
    let reply = call
        .office
        .joined
        .peers
        .distribution(CallOptions::WRITE, move |mut client| {
            let request = request.clone();
            async move { client.enrol_directly(request).await }
        })
        .await?;
    Ok(Answer::created(&Enrolled { otpauth: reply.otpauth }))
}
