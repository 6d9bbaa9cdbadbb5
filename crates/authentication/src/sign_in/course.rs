//! The shell around the machine: does what it commands and tells it what came of it, until it
//! commands a page.

use axum::response::Response;
use data_encoding::HEXLOWER;
use evergate_model::factor::ProvenFactor;
use evergate_model::{NormalPath, Secret};

use super::views;
use crate::accounts;
use crate::answer;
use crate::cookies;
use crate::effect::EffectKey;
use crate::error::Error;
use crate::flow::{Command, Event, Flow, Judgement, Means};
use crate::metrics::{self, Outcome};
use crate::neighbours::{Confirmation, NeighbourError, NewSession};
use crate::progress::{Account, Enrolment, Target};
use crate::proof::{Attempt, email_code};
use crate::visit::Visit;

/// No request takes more commands than this; more would be a circle.
const MOST_COMMANDS: u32 = 32;

/// One request's way through the machine.
pub(super) struct Course<'a> {
    visit: &'a Visit,
    effect: EffectKey,
    flow: Flow,
    /// The portal's session token, as it is now.
    token: Option<String>,
    /// Whether the browser does not have that token yet.
    token_is_new: bool,
    /// How many effects there were: each has its own key.
    effects: u32,
}

impl<'a> Course<'a> {
    pub(super) const fn new(visit: &'a Visit, effect: EffectKey, flow: Flow, token: Option<String>) -> Self {
        Self { visit, effect, flow, token, token_is_new: false, effects: 0 }
    }

    /// From an event to a page.
    pub(super) async fn run(mut self, first: Event) -> Result<Response, Error> {
        let mut event = first;
        for _ in 0..MOST_COMMANDS {
            event = match self.flow.handle(event, self.visit.now) {
                Command::Show(view) => {
                    let page = views::answer(self.visit, &self.flow.progress, view)?;
                    return Ok(self.with_token(page));
                }
                command => match self.execute(command).await {
                    Ok(event) => event,
                    Err(error) => {
                        metrics::count(Outcome::of_error(&error));
                        return Err(error);
                    }
                },
            };
        }
        Err(Error::Fault("a sign-in went round in a circle"))
    }

    /// The answer, with the new token's cookie if there is a new one.
    fn with_token(&self, page: Response) -> Response {
        match &self.token {
            Some(token) if self.token_is_new => {
                answer::with_cookie(page, cookies::set(cookies::SESSION, token))
            }
            _ => page,
        }
    }

    async fn execute(&mut self, command: Command) -> Result<Event, Error> {
        match command {
            Command::Identify { name } => Ok(Event::Identified(accounts::identify(self.visit, &name).await?)),
            Command::Check { factor, proof } => {
                let judgement = self.attempt()?.check(&factor, proof).await?;
                metrics::count_judgement(judgement);
                Ok(Event::Judged(judgement))
            }
            Command::SendCode => {
                let refused = email_code::send(&self.attempt()?).await?;
                Ok(refused.map_or(Event::CodeSent, Event::Judged))
            }
            Command::LookUpMeans => Ok(Event::MeansFound(self.means().await?)),
            Command::BeginEnrolment => self.begin_enrolment().await,
            Command::ConfirmEnrolment { code } => self.confirm_enrolment(code).await,
            Command::Finish { factors } => self.finish(factors).await,
            Command::Decide => self.decide().await,
            Command::HandOver => self.hand_over().await,
            Command::Show(_) => Err(Error::Fault("a page is no effect")),
        }
    }

    fn account(&self) -> Result<&Account, Error> {
        self.flow.progress.account.as_ref().ok_or(Error::Fault("a step without an account"))
    }

    fn attempt(&self) -> Result<Attempt<'_>, Error> {
        let (account, sign_in) = (self.account()?, self.flow.progress.sign_in);
        Ok(Attempt { visit: self.visit, effect: &self.effect, account, sign_in })
    }

    /// The key of the next effect.
    fn next_effect(&mut self, what: &str) -> Vec<u8> {
        self.effects += 1;
        self.effect.of_part(&format!("{what} {}", self.effects))
    }

    async fn means(&self) -> Result<Means, Error> {
        let progress = &self.flow.progress;
        let stepped_up = self.visit.session().filter(|signed| Some(signed.facts.session) == progress.session);
        let mut proven = progress.proven.clone();
        proven.extend(stepped_up.into_iter().flat_map(|signed| signed.facts.factors));
        accounts::means(self.visit, self.account()?, &proven).await
    }

    async fn begin_enrolment(&mut self) -> Result<Event, Error> {
        let effect = self.next_effect("begin enrolment");
        let account = self.account()?;
        let neighbours = &self.visit.site.neighbours;
        let (id, otpauth) = neighbours.begin_enrolment(effect, account.user, &account.name).await?;
        Ok(Event::EnrolmentBegun(Enrolment { id, otpauth }))
    }

    async fn confirm_enrolment(&mut self, code: Secret<String>) -> Result<Event, Error> {
        let effect = self.next_effect("confirm enrolment");
        let (user, progress) = (self.account()?.user, &self.flow.progress);
        let enrolment = progress.enrolment.as_ref().ok_or(Error::Fault("a code without an enrolment"))?;
        let neighbours = &self.visit.site.neighbours;
        let confirmation = neighbours.confirm_enrolment(effect, user, &enrolment.id, code.expose()).await?;
        Ok(Event::Judged(match confirmation {
            Confirmation::Bound => Judgement::Right,
            Confirmation::WrongCode => Judgement::Wrong,
            Confirmation::Gone => Judgement::Gone,
        }))
    }

    /// Opens the session, or adds to the one there is.
    async fn finish(&mut self, factors: Vec<ProvenFactor>) -> Result<Event, Error> {
        let effect = self.next_effect("finish");
        let (visit, user) = (self.visit, self.account()?.user);
        let (neighbours, portal) = (&visit.site.neighbours, &visit.settings.portal);
        let answer = match &self.token {
            None => {
                let (client, user_agent) = (visit.client, visit.user_agent());
                neighbours
                    .open_session(effect, portal, NewSession { user, factors, client, user_agent })
                    .await
            }
            Some(token) => neighbours.add_factors(effect, portal, token, factors).await,
        };
        match answer {
            Ok(token) => {
                metrics::count(Outcome::Success);
                tracing::info!(session = %token.session, %user, client = %visit.client, "signed in");
                (self.token, self.token_is_new) = (Some(token.text), true);
                Ok(Event::SessionOpened(token.session))
            }
            Err(NeighbourError::SessionGone) => Ok(Event::SessionGone),
            Err(NeighbourError::NotPossible(_) | NeighbourError::NotFound(_)) => Ok(Event::SessionRefused),
            Err(error) => Err(error.into()),
        }
    }

    async fn decide(&self) -> Result<Event, Error> {
        let Target::Resource { host, path, .. } = &self.flow.progress.target else {
            return Err(Error::Fault("the portal is not decided on"));
        };
        let path = NormalPath::new(path).map_err(|_| Error::Fault("a normalised path is none"))?;
        let facts = self.visit.facts(host.clone(), path);
        let token = self.token.as_deref().unwrap_or_default();
        Ok(Event::Decided(self.visit.site.neighbours.decide(token, &facts).await?))
    }

    async fn hand_over(&mut self) -> Result<Event, Error> {
        let effect = self.next_effect("hand-over");
        let token = self.token.clone().ok_or(Error::Fault("a hand-over without a session"))?;
        let url = hand_over_url(self.visit, effect, &token, &self.flow.progress.target).await?;
        Ok(Event::HandedOver(url))
    }
}

/// Where the target's host takes the session over.
pub(super) async fn hand_over_url(
    visit: &Visit,
    effect: Vec<u8>,
    token: &str,
    target: &Target,
) -> Result<String, Error> {
    let Target::Resource { host, path, nonce_hash } = target else {
        return Err(Error::Fault("the portal needs no hand-over"));
    };
    let hash = HEXLOWER.decode(nonce_hash.as_bytes()).map_err(|_| Error::Fault("a hash that is not hex"))?;
    let hand_over = visit.site.neighbours.create_hand_over(effect, token, host, hash).await?;
    let query = serde_urlencoded::to_string([("handover", hand_over.as_str()), ("path", path)])
        .map_err(|_| Error::Fault("a query that cannot be written"))?;
    Ok(format!("{}/.evergate/session?{query}", visit.settings.origin(host)))
}
