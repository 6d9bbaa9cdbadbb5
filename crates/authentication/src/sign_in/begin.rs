//! The beginning of a sign-in: what is wanted, what is there already, and so what is missing.

use axum::response::Response;
use evergate_keys::new_id;
use evergate_model::factor::WantedFactor;
use evergate_model::{Factor, NormalPath, Verdict};

use super::course::{Course, hand_over_url};
use super::{hash_of_nonce, new_nonce, target};
use crate::account::freshness;
use crate::answer;
use crate::cookies;
use crate::effect::EffectKey;
use crate::error::Error;
use crate::flow::{Event, Flow};
use crate::neighbours::NeighbourError;
use crate::progress::{Account, Progress, Standing, Target};
use crate::visit::{Signed, Visit};

/// What is missing for a target.
enum Missing {
    /// Nothing: go on there.
    Nothing,
    /// One of these sequences.
    One(Vec<Vec<WantedFactor>>),
}

pub(super) async fn begin(visit: &Visit, query: &str) -> Result<Response, Error> {
    let target = target::read(query, &visit.settings)?;
    let (signed, missing) = missing(visit, &target).await?;
    let sequences = match missing {
        Missing::Nothing => return go_on(visit, signed, &target).await,
        Missing::One(sequences) => sequences,
    };
    let nonce = visit
        .cookie(cookies::SIGN_IN)
        .filter(|nonce| nonce.len() == 43)
        .map_or_else(new_nonce, str::to_owned);
    let progress = Progress {
        sign_in: new_id(visit.now),
        browser: hash_of_nonce(&nonce),
        started: visit.now,
        target,
        sequences,
        account: signed.as_ref().map(account_of),
        proven: Vec::new(),
        session: signed.as_ref().map(|signed| signed.facts.session),
        asked: None,
        enrolment: None,
    };
    let effect = EffectKey::of_request(&visit.secrets, visit.request);
    let token = signed.map(|signed| signed.token);
    let page = Course::new(visit, effect, Flow::new(progress), token).run(Event::Begun).await?;
    Ok(answer::with_cookie(page, cookies::set(cookies::SIGN_IN, &nonce)))
}

/// What is missing, and the session if there is one that still stands.
async fn missing(visit: &Visit, target: &Target) -> Result<(Option<Signed>, Missing), Error> {
    let signed = standing_session(visit).await?;
    let missing = match target {
        Target::Portal { path } => missing_for_portal(visit, signed.as_ref(), path).await?,
        Target::Resource { host, path, .. } => {
            let path = NormalPath::new(path).map_err(|_| Error::Fault("a normalised path is none"))?;
            let token = signed.as_ref().map_or("", |signed| signed.token.as_str());
            let facts = visit.facts(host.clone(), path);
            match visit.site.neighbours.decide(token, &facts).await? {
                // A rule that wants nobody to sign in never sends anyone here with a use for it;
                // the session, if any, is carried over all the same.
                Verdict::Permit => Missing::Nothing,
                Verdict::Deny { reason } => return Err(Error::Denied(reason)),
                Verdict::SignIn { sequences } => Missing::One(sequences),
            }
        }
    };
    Ok((signed, missing))
}

async fn missing_for_portal(visit: &Visit, signed: Option<&Signed>, path: &str) -> Result<Missing, Error> {
    let Some(signed) = signed else {
        let password = WantedFactor { factor: Factor::Password, within: None };
        return Ok(Missing::One(vec![vec![password]]));
    };
    let sequences =
        if freshness::is_wanted_for(path) { freshness::missing(visit, signed).await? } else { Vec::new() };
    Ok(if sequences.is_empty() { Missing::Nothing } else { Missing::One(sequences) })
}

/// The session of the cookie, if policy says that it has not been ended.
async fn standing_session(visit: &Visit) -> Result<Option<Signed>, Error> {
    let Some(signed) = visit.session() else { return Ok(None) };
    match visit.site.neighbours.list_sessions(&visit.settings.portal, &signed.token).await {
        Ok(_) => Ok(Some(signed)),
        Err(NeighbourError::SessionGone) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Straight on: no form was posted, so that a redirect is not in any policy's way.
async fn go_on(visit: &Visit, signed: Option<Signed>, target: &Target) -> Result<Response, Error> {
    match (target, signed) {
        (Target::Portal { path }, _) => Ok(answer::redirect(path)),
        (Target::Resource { host, path, .. }, None) => {
            Ok(answer::redirect(&format!("{}{path}", visit.settings.origin(host))))
        }
        (Target::Resource { .. }, Some(signed)) => {
            let effect = EffectKey::of_request(&visit.secrets, visit.request).of_part("hand-over");
            Ok(answer::redirect(&hand_over_url(visit, effect, &signed.token, target).await?))
        }
    }
}

fn account_of(signed: &Signed) -> Account {
    Account {
        name: signed.facts.user_name.clone(),
        counted_as: signed.facts.user_name.clone(),
        user: signed.facts.user,
        standing: Standing::User,
    }
}
