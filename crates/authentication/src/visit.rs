//! One request: who asks from where, with what the whole site knows at that moment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use evergate_keys::new_id;
use evergate_model::id::Request;
use evergate_model::{Host, Id, Name, NormalPath, RequestFacts, SessionFacts, Timestamp};
use evergate_process::Peer;
use evergate_wire::page_headers::{CLIENT, REQUEST_ID};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::cookies;
use crate::error::{Error, Failed};
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::site::Site;

/// The most headers that rules are shown, and the longest value.
const HEADERS: (usize, usize) = (64, 1024);
/// The longest description of a browser that is kept.
const USER_AGENT: usize = 256;

/// One request. Made of what the access point says, which a certificate proves it to be.
#[derive(Debug)]
pub(crate) struct Visit {
    /// What all requests share.
    pub site: Site,
    /// What the snapshot said when the request came.
    pub settings: Arc<Settings>,
    /// The keys of that moment.
    pub secrets: Arc<Secrets>,
    /// When the request came.
    pub now: Timestamp,
    /// Its id.
    pub request: Id<Request>,
    /// The client's address.
    pub client: IpAddr,
    access_point: Name,
    headers: HeaderMap,
}

/// A session whose token is genuine; whether it has been ended since only policy knows.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    /// The token.
    pub token: String,
    /// What it says.
    pub facts: SessionFacts,
}

impl Visit {
    /// The session of the portal's cookie, if its token is genuine and has not expired.
    #[must_use]
    pub(crate) fn session(&self) -> Option<Signed> {
        let token = cookies::find(&self.headers, cookies::SESSION)?;
        let verified = self.settings.verifier.verify(token, &self.settings.portal, self.now).ok()?;
        Some(Signed { token: token.to_owned(), facts: verified.into_claims().facts })
    }

    /// The same, or the way to the sign-in page.
    ///
    /// # Errors
    /// [`Error::NoSession`] when there is none.
    pub(crate) fn required_session(&self, path: &str) -> Result<Signed, Error> {
        self.session().ok_or_else(|| Error::NoSession { path: path.to_owned(), clear_cookie: false })
    }

    /// A cookie's value.
    #[must_use]
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        cookies::find(&self.headers, name)
    }

    /// What the browser says to be.
    #[must_use]
    pub(crate) fn user_agent(&self) -> String {
        let text =
            self.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        text.chars().take(USER_AGENT).collect()
    }

    /// Refuses a form that another site made the browser post. Whoever sends neither header is no
    /// browser, and carries no cookie that another site could use.
    ///
    /// # Errors
    /// [`Error::ForeignForm`] when it comes from elsewhere.
    pub(crate) fn check_origin(&self) -> Result<(), Error> {
        let header = |name: &str| self.headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
        let is_ours = match (header("origin"), header("sec-fetch-site")) {
            (Some(origin), _) => origin == self.settings.origin(&self.settings.portal),
            (None, Some(site)) => matches!(site, "same-origin" | "none"),
            (None, None) => true,
        };
        if is_ours { Ok(()) } else { Err(Error::ForeignForm) }
    }

    /// What policy is told of a request for that host and path by this client.
    #[must_use]
    pub(crate) fn facts(&self, host: Host, path: NormalPath) -> RequestFacts {
        RequestFacts {
            method: "GET".to_owned(),
            host,
            path,
            client: self.client,
            access_point: self.access_point.clone(),
            headers: self.shown_headers(),
        }
    }

    /// The headers that rules may read: the browser sends the same ones to the application.
    fn shown_headers(&self) -> BTreeMap<String, String> {
        let is_shown = |name: &str| {
            !matches!(name, "cookie" | "authorization" | "host" | "origin" | "referer" | "content-length")
                && !name.starts_with("x-evergate-")
        };
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &self.headers {
            let Some(value) = value.to_str().ok().filter(|value| value.len() <= HEADERS.1) else { continue };
            if !is_shown(name.as_str()) || (shown.len() == HEADERS.0 && !shown.contains_key(name.as_str())) {
                continue;
            }
            let joined = shown.entry(name.as_str().to_owned()).or_default();
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(value);
        }
        shown
    }

    /// What came of the request, as an answer.
    #[must_use]
    pub(crate) fn finish(&self, outcome: Result<Response, Error>) -> Response {
        outcome.unwrap_or_else(|error| Failed { error, request: self.request }.into_response())
    }
}

impl FromRequestParts<Site> for Visit {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failed> {
        let now = site.clock.now();
        let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let request = text(REQUEST_ID).and_then(|text| text.parse().ok()).unwrap_or_else(|| new_id(now));
        let failed = |error| Failed { error, request };
        let client = text(CLIENT).and_then(|text| text.parse().ok());
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.instance.clone());
        Ok(Self {
            settings: site.settings().map_err(failed)?,
            secrets: site.secrets().map_err(failed)?,
            site: site.clone(),
            now,
            request,
            client: client.ok_or_else(|| failed(Error::Malformed("The client's address is missing.")))?,
            access_point: peer.ok_or_else(|| failed(Error::Malformed("The access point is unknown.")))?,
            headers: parts.headers.clone(),
        })
    }
}
