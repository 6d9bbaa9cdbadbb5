//! The account pages: for whoever has a session that still stands; changes want a password of the
//! last minutes, and the second factor where there is one.

pub(crate) mod enrol;
pub(crate) mod freshness;
pub(crate) mod overview;
pub(crate) mod password;
pub(crate) mod recovery_codes;
pub(crate) mod sessions;
pub(crate) mod soft_tokens;

use evergate_model::factor::ProvenFactor;
use evergate_pages::components::Viewer;
use evergate_store::users;

use crate::accounts;
use crate::effect::EffectKey;
use crate::error::Error;
use crate::form::Form;
use crate::neighbours::{Mail, MailKind, NeighbourError, SessionSummary};
use crate::visit::{Signed, Visit};

/// The shortest password that is taken, for the pages to say; `keys::password` decides.
pub(crate) const SHORTEST_PASSWORD: usize = 8;

/// Whoever has come in.
#[derive(Debug)]
pub(crate) struct Entered {
    /// Their session.
    pub signed: Signed,
    /// All of their sessions.
    pub sessions: Vec<SessionSummary>,
}

/// Lets in whoever has a session that still stands.
///
/// # Errors
/// [`Error::NoSession`], which leads to the sign-in page and back to `path`.
pub(crate) async fn enter(visit: &Visit, path: &str) -> Result<Entered, Error> {
    let signed = visit.required_session(path)?;
    match visit.site.neighbours.list_sessions(&visit.settings.portal, &signed.token).await {
        Ok(sessions) => Ok(Entered { signed, sessions }),
        Err(NeighbourError::SessionGone) => {
            Err(Error::NoSession { path: path.to_owned(), clear_cookie: true })
        }
        Err(error) => Err(error.into()),
    }
}

/// The same for a page that changes something.
///
/// # Errors
/// As [`enter`], and where a factor must be proven again.
pub(crate) async fn enter_to_change(visit: &Visit, path: &str) -> Result<Entered, Error> {
    let entered = enter(visit, path).await?;
    if freshness::missing(visit, &entered.signed).await?.is_empty() {
        Ok(entered)
    } else {
        Err(Error::NoSession { path: path.to_owned(), clear_cookie: false })
    }
}

/// The form of that session's page.
///
/// # Errors
/// [`Error::ForeignForm`] where it is another's, or comes from another site.
pub(crate) fn own_form(visit: &Visit, signed: &Signed, body: &[u8]) -> Result<(Form, EffectKey), Error> {
    visit.check_origin()?;
    let form = Form::parse(body)?;
    if !visit.secrets.is_form_token(signed.facts.session, form.get("token")) {
        return Err(Error::ForeignForm);
    }
    let effect = EffectKey::of(&visit.secrets, visit.request, &form);
    Ok((form, effect))
}

/// Who is looking.
pub(crate) fn viewer(visit: &Visit, signed: &Signed) -> Viewer {
    Viewer { name: signed.facts.user_name.clone(), token: visit.secrets.form_token(signed.facts.session) }
}

/// Refuses to give a second factor to somebody who may have no more than a stolen password.
///
/// # Errors
/// [`Error::Denied`].
pub(crate) async fn check_may_strengthen(visit: &Visit, signed: &Signed) -> Result<(), Error> {
    let proven: &[ProvenFactor] = &signed.facts.factors;
    let mut connection = visit.site.store.read().await?;
    let user = users::get(&mut connection, signed.facts.user).await?;
    let may = match user {
        Some(user) => accounts::may_enrol(&mut connection, visit, &user, proven).await?,
        None => false,
    };
    if may { Ok(()) } else { Err(Error::Denied(NOT_STRENGTHENED.to_owned())) }
}

const NOT_STRENGTHENED: &str =
    "Another factor can be added here only by whoever has proven more than a password.";

/// Tells the user by mail that something about the account has changed. What was changed stays
/// changed where no mail can be sent.
pub(crate) async fn notify(visit: &Visit, signed: &Signed, effect: &EffectKey, what: &str) {
    let Some(to) = signed.facts.email.clone() else { return };
    let fields = vec![
        ("user", signed.facts.user_name.clone()),
        ("what", what.to_owned()),
        ("client", visit.client.to_string()),
    ];
    let mail = Mail { to, kind: MailKind::Notice, fields };
    if let Err(error) = visit.site.neighbours.send_mail(effect.of_part("notice"), mail).await {
        tracing::warn!(%error, user = %signed.facts.user, what, "a notice could not be sent");
    }
}
