//! The calls of `distribution.proto`: what came in is checked here and handed on.

use std::sync::Arc;

use evergate_keys::{new_id, totp};
use evergate_model::Timestamp;
use evergate_process::Clock;
use evergate_store::effects::Effect;
use evergate_store::{Actor, Store};
use evergate_wire::convert::{ConvertError, parse};
use evergate_wire::proto::distribution_server::Distribution;
use evergate_wire::proto::{
    BeginEnrolmentReply, BeginEnrolmentRequest, ConfirmEnrolmentReply, ConfirmEnrolmentRequest,
    ConfirmOutcome, EnrolDirectlyRequest, SendMailReply, SendMailRequest,
};
use lettre::Address;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use crate::acceptance::{Acceptance, Incoming};
use crate::current::Current;
use crate::enrolment::{self, Attempt, Confirmation, Wanted};
use crate::letter::{self, Fields, Kind};
use crate::{DistributionError, delivery, measures};

/// The longest address (RFC 5321, section 4.5.3.1).
const LONGEST_ADDRESS: usize = 320;
/// The longest label, account or issuer.
const LONGEST_LABEL: usize = 100;

/// What answers the calls.
#[derive(Debug)]
pub struct Service {
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// The keys to seal with.
    pub current: watch::Receiver<Arc<Current>>,
    /// The door of the outbox.
    pub acceptance: Acceptance,
}

impl Service {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.borrow())
    }

    async fn send(&self, request: SendMailRequest) -> Result<SendMailReply, DistributionError> {
        let kind = Kind::from_wire(request.kind)?;
        let fields: Fields = request.fields.into_iter().collect();
        letter::compose(kind, &fields)?;
        check_address(kind, &request.to)?;
        let effect = Effect::new(
            "send-mail",
            &request.effect_key,
            &[request.to.as_bytes(), kind.as_str().as_bytes()],
        )?;
        let id = new_id(self.now());
        let plain = serde_json::to_vec(&fields).map_err(|error| ConvertError::new("fields", error))?;
        let sealed = self.current().sealer.seal(&delivery::context(id), &Zeroizing::new(plain));
        let recipient = request.to;
        let accepted = self.acceptance.accept(Incoming { effect, id, recipient, kind, sealed }).await?;
        Ok(SendMailReply { message: accepted.to_string() })
    }

    async fn begin(&self, request: BeginEnrolmentRequest) -> Result<BeginEnrolmentReply, DistributionError> {
        let wanted = wanted(&request.user, request.account, request.issuer)?;
        let effect = Effect::new("begin-enrolment", &request.effect_key, &[request.user.as_bytes()])?;
        let handed_out = enrolment::begin(&self.store, &self.current(), &effect, &wanted, self.now()).await?;
        count("begun");
        let otpauth = handed_out.otpauth.expose().clone();
        Ok(BeginEnrolmentReply { enrolment: handed_out.id.to_string(), otpauth })
    }

    async fn confirm(
        &self,
        request: ConfirmEnrolmentRequest,
    ) -> Result<ConfirmEnrolmentReply, DistributionError> {
        let user = parse("user", &request.user)?;
        let Ok(enrolment) = request.enrolment.parse() else {
            return Ok(reply(Confirmation::Gone));
        };
        let label = label(&request.label, "authenticator app")?;
        let effect = Effect::new(
            "confirm-enrolment",
            &request.effect_key,
            &[request.user.as_bytes(), request.enrolment.as_bytes()],
        )?;
        let code = totp::normalise(&request.code).unwrap_or_default();
        let attempt = Attempt { user, enrolment, code: &code, label: &label };
        let outcome = enrolment::confirm(&self.store, &self.current(), &effect, &attempt, self.now()).await?;
        Ok(reply(outcome))
    }

    async fn enrol(&self, request: EnrolDirectlyRequest) -> Result<BeginEnrolmentReply, DistributionError> {
        let wanted = wanted(&request.user, request.account, request.issuer)?;
        let actor: Actor = parse("actor", &request.actor)?;
        let label = label(&request.label, "authenticator app")?;
        let effect = Effect::new("enrol-directly", &request.effect_key, &[request.user.as_bytes()])?;
        let by = (&actor, label.as_str());
        let handed_out =
            enrolment::enrol_directly(&self.store, &self.current(), &effect, &wanted, by, self.now()).await?;
        count("bound");
        let otpauth = handed_out.otpauth.expose().clone();
        Ok(BeginEnrolmentReply { enrolment: handed_out.id.to_string(), otpauth })
    }
}

#[tonic::async_trait]
impl Distribution for Service {
    async fn send_mail(&self, request: Request<SendMailRequest>) -> Result<Response<SendMailReply>, Status> {
        Ok(Response::new(self.send(request.into_inner()).await?))
    }

    async fn begin_enrolment(
        &self,
        request: Request<BeginEnrolmentRequest>,
    ) -> Result<Response<BeginEnrolmentReply>, Status> {
        Ok(Response::new(self.begin(request.into_inner()).await?))
    }

    async fn confirm_enrolment(
        &self,
        request: Request<ConfirmEnrolmentRequest>,
    ) -> Result<Response<ConfirmEnrolmentReply>, Status> {
        Ok(Response::new(self.confirm(request.into_inner()).await?))
    }

    async fn enrol_directly(
        &self,
        request: Request<EnrolDirectlyRequest>,
    ) -> Result<Response<BeginEnrolmentReply>, Status> {
        Ok(Response::new(self.enrol(request.into_inner()).await?))
    }
}

/// A probe goes nowhere, so that its address may be none.
fn check_address(kind: Kind, address: &str) -> Result<(), ConvertError> {
    let is_good =
        address.len() <= LONGEST_ADDRESS && (kind == Kind::Probe || address.parse::<Address>().is_ok());
    if is_good { Ok(()) } else { Err(ConvertError::new("to", "it is not an e-mail address")) }
}

fn wanted(user: &str, account: String, issuer: String) -> Result<Wanted, ConvertError> {
    let is_good = |text: &str| {
        !text.is_empty()
            && text.len() <= LONGEST_LABEL
            && !text.contains(|c: char| c.is_control() || c == ':')
    };
    if !is_good(&account) || !is_good(&issuer) {
        return Err(ConvertError::new("account or issuer", "it is empty, too long or has a `:`"));
    }
    Ok(Wanted { user: parse("user", user)?, account, issuer })
}

fn label(text: &str, otherwise: &str) -> Result<String, ConvertError> {
    let trimmed = text.trim();
    if trimmed.len() > LONGEST_LABEL || trimmed.contains(char::is_control) {
        return Err(ConvertError::new("label", "it is too long or has control characters"));
    }
    Ok(if trimmed.is_empty() { otherwise } else { trimmed }.to_owned())
}

fn reply(outcome: Confirmation) -> ConfirmEnrolmentReply {
    let (outcome, credential, counted) = match outcome {
        Confirmation::Bound(id) => (ConfirmOutcome::Bound, id.to_string(), "bound"),
        Confirmation::WrongCode => (ConfirmOutcome::WrongCode, String::new(), "wrong-code"),
        Confirmation::Gone => (ConfirmOutcome::Gone, String::new(), "gone"),
    };
    count(counted);
    ConfirmEnrolmentReply { outcome: outcome.into(), credential }
}

fn count(outcome: &'static str) {
    metrics::counter!(measures::ENROLMENTS, "outcome" => outcome).increment(1);
}
