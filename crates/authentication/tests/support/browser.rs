//! A browser without script: cookies, forms, hidden inputs. It can go to either instance.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::Body;
use evergate_authentication::Site;
use evergate_keys::new_id;
use evergate_model::id::Request as RequestKind;
use evergate_model::{Id, Service};
use evergate_process::Peer;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::NOW;

#[derive(Clone)]
pub struct Browser {
    instances: Vec<Site>,
    pub cookies: BTreeMap<String, String>,
    pub client: IpAddr,
    /// Which instance the next request goes to.
    pub instance: usize,
    /// The id of the next request; `None`: a new one.
    pub request: Option<Id<RequestKind>>,
    pub origin: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Page {
    pub status: StatusCode,
    pub location: Option<String>,
    pub retry_after: Option<String>,
    pub policy: Option<String>,
    pub html: String,
}

impl Browser {
    pub fn new(instances: Vec<Site>) -> Self {
        Self {
            instances,
            cookies: BTreeMap::new(),
            client: "192.0.2.1".parse().unwrap(),
            instance: 0,
            request: None,
            origin: Some("https://portal.example.com".to_owned()),
        }
    }

    /// The first page of a sign-in for the wiki.
    pub async fn begin(&mut self) -> Page {
        let nonce = "ab".repeat(32);
        self.get(&format!("/sign-in?host=wiki.example.com&path=%2Fpage&nonce={nonce}")).await
    }

    pub async fn get(&mut self, path: &str) -> Page {
        let request = Request::get(path).header("sec-fetch-site", "none");
        self.send(request, Body::empty()).await
    }

    /// Posts the page's form with these fields filled in.
    pub async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let action = page.between("action=\"", "\"").expect("the page has no form").to_owned();
        let mut filled = page.hidden();
        filled.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(&action, &filled).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(String, String)]) -> Page {
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(origin) = &self.origin {
            request = request.header("origin", origin);
        }
        self.send(request, Body::from(serde_urlencoded::to_string(fields).unwrap())).await
    }

    async fn send(&mut self, request: http::request::Builder, body: Body) -> Page {
        let id = self.request.take().unwrap_or_else(|| new_id(NOW));
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request
            .header("x-evergate-request-id", id.to_string())
            .header("x-evergate-client", self.client.to_string())
            .header(header::COOKIE, cookies.join("; "))
            .body(body)
            .unwrap();
        let peer = Peer::new("access-point1".parse().unwrap(), Service::AccessPoint);
        request.extensions_mut().insert(peer);
        let router = evergate_authentication::router(self.instances[self.instance].clone());
        let answer = router.oneshot(request).await.unwrap();
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            assert!(line.contains("Secure; HttpOnly; SameSite=Lax") && line.contains("Path=/"), "{line}");
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let (head, body) = answer.into_parts();
        let html = body.collect().await.unwrap().to_bytes().to_vec();
        let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        Page {
            status: head.status,
            location: header(header::LOCATION),
            retry_after: header(header::RETRY_AFTER),
            policy: header(header::CONTENT_SECURITY_POLICY),
            html: String::from_utf8(html).unwrap(),
        }
    }
}

impl Page {
    pub fn between(&self, from: &str, to: &str) -> Option<&str> {
        let (_, rest) = self.html.split_once(from)?;
        rest.split_once(to).map(|(text, _)| text)
    }

    pub fn heading(&self) -> &str {
        self.between("<h1>", "</h1>").unwrap_or_default()
    }

    pub fn asks_for(&self, field: &str) -> bool {
        self.html.contains(&format!("<input id=\"{field}\""))
    }

    pub fn notice(&self) -> Option<&str> {
        self.between("role=\"alert\">", "<")
    }

    /// Where the page continues by itself.
    pub fn continues_to(&self) -> Option<String> {
        Some(self.between("content=\"0; url=", "\"")?.replace("&#38;", "&"))
    }

    pub fn hidden(&self) -> Vec<(String, String)> {
        self.html
            .split("<input type=\"hidden\" name=\"")
            .skip(1)
            .map(|rest| {
                let (name, rest) = rest.split_once("\" value=\"").unwrap();
                (name.to_owned(), rest.split_once('"').unwrap().0.to_owned())
            })
            .collect()
    }

    /// The page without what differs from one sealing to the next.
    pub fn without_progress(&self) -> String {
        let progress = self.hidden().into_iter().find(|(name, _)| name == "progress").map(|(_, value)| value);
        progress.map_or_else(|| self.html.clone(), |progress| self.html.replace(&progress, "..."))
    }
}
