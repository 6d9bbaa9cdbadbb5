//! A person with a plain browser: cookies for each host, forms, redirects.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{Method, Request, Response, Uri};

use super::forms;
use crate::load::{LoadClient, Loss, Way};

/// A person with a plain browser.
pub(super) struct Visitor<'a> {
    client: &'a LoadClient,
    way: Way,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// A page, and where it is.
pub(super) struct Page {
    pub(super) url: Uri,
    pub(super) answer: Response<Bytes>,
}

impl<'a> Visitor<'a> {
    pub(super) fn new(client: &'a LoadClient, way: Way) -> Self {
        Self { client, way, cookies: BTreeMap::new() }
    }

    /// The value of a cookie at a host.
    pub(super) fn cookie(&self, host: &str, name: &str) -> Option<&str> {
        self.cookies.get(host)?.get(name).map(String::as_str)
    }

    pub(super) async fn get(&mut self, url: &Uri) -> Result<Page, Loss> {
        self.send(Method::GET, url, Bytes::new()).await
    }

    /// Posts a page's form back, with these fields filled in.
    pub(super) async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Result<Page, Loss> {
        let text = page.text();
        let target = match forms::action(&text) {
            Some(action) => resolve(&page.url, &action)?,
            None => page.url.clone(),
        };
        let hidden = forms::hidden_inputs(&text);
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let form: Vec<(&str, &str)> = hidden.chain(fields.iter().copied()).collect();
        let body = serde_urlencoded::to_string(form).map_err(|error| Loss::because(error.to_string()))?;
        self.send(Method::POST, &target, body.into()).await
    }

    /// Goes where the page leads, to the first that leads no further.
    pub(super) async fn follow(&mut self, mut page: Page) -> Result<Page, Loss> {
        for _ in 0..12 {
            let Some(next) = page.leads_to() else { return Ok(page) };
            page = self.get(&resolve(&page.url, &next)?).await?;
        }
        Err(Loss::because(format!("redirected without end, last to {}", page.url)))
    }

    async fn send(&mut self, method: Method, url: &Uri, body: Bytes) -> Result<Page, Loss> {
        let host = url.host().unwrap_or_default().to_owned();
        let mut request = Request::builder().method(&method).uri(url).header(ACCEPT, "text/html");
        let cookies: Vec<String> = self
            .cookies
            .get(&host)
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if method == Method::POST {
            let authority = url.authority().map(ToString::to_string).unwrap_or_default();
            request = request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(ORIGIN, format!("https://{authority}"));
        }
        let request = request.body(body).map_err(|error| Loss::because(error.to_string()))?;
        let answer = self.client.send(self.way, request).await?;
        for line in answer.headers().get_all(SET_COOKIE) {
            self.keep(&host, line.to_str().unwrap_or_default());
        }
        Ok(Page { url: url.clone(), answer })
    }

    fn keep(&mut self, host: &str, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let jar = self.cookies.entry(host.to_owned()).or_default();
        if parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Page {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.answer.body()).into_owned()
    }

    /// Where it leads by itself: a redirect, or a page that continues.
    fn leads_to(&self) -> Option<String> {
        if self.answer.status().is_redirection() {
            return Some(self.answer.headers().get(LOCATION)?.to_str().ok()?.to_owned());
        }
        forms::continues_at(&self.text())
    }
}

/// An address on a page made whole.
fn resolve(page: &Uri, target: &str) -> Result<Uri, Loss> {
    let authority = page.authority().map(ToString::to_string).unwrap_or_default();
    let whole = if target.contains("://") {
        target.to_owned()
    } else if target.starts_with('?') {
        format!("https://{authority}{}{target}", page.path())
    } else {
        format!("https://{authority}/{}", target.trim_start_matches('/'))
    };
    whole.parse().map_err(|_| Loss::because(format!("`{target}` leads nowhere")))
}
