//! A client of the administration services' REST API: what every operator's command is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use evergate_model::Secret;
use evergate_process::http_client::{HttpClient, HttpError};
use http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;

use crate::deployed::{Deployed, DeployedError};
use crate::running::{Running, RunningError};

/// What could not be done now is tried so often again, after such a pause.
const ROUNDS: usize = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// Nothing the API does takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// A client that asks the next server where one does not answer.
#[derive(Debug, Clone)]
pub struct ApiClient {
    servers: Vec<String>,
    http: HttpClient,
    token: Secret<String>,
}

/// Why the API did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The local installation is not known.
    #[error(transparent)]
    Running(#[from] RunningError),
    /// The installation in the swarm is not known.
    #[error(transparent)]
    Deployed(#[from] DeployedError),
    /// A file that is needed to ask cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// No request could be made of it.
    #[error("`{0}` cannot be asked for")]
    Request(String),
    /// No server answered.
    #[error("no administration instance answers at {servers}")]
    Unreachable {
        /// All that were asked.
        servers: String,
        /// What the last one met.
        #[source]
        source: HttpError,
    },
    /// It was refused.
    #[error("{}", refusal(message, problems, hint.as_deref()))]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// Why.
        message: String,
        /// Everything that is wrong, where it is more than one thing.
        problems: Vec<String>,
        /// What can be done.
        hint: Option<String>,
    },
    /// The answer is not one of this API.
    #[error("what answered is not Evergate's API (status {status})")]
    Foreign {
        /// The HTTP status.
        status: StatusCode,
    },
}

fn refusal(message: &str, problems: &[String], hint: Option<&str>) -> String {
    // The message may already be what is wrong.
    let problems = problems.iter().filter(|problem| !message.contains(problem.as_str()));
    let problems = problems.map(|problem| format!("\n  {problem}"));
    let hint = hint.map(|hint| format!("\nhint: {hint}"));
    std::iter::once(message.to_owned()).chain(problems).chain(hint).collect()
}

impl ApiError {
    /// Whether it may be answered otherwise elsewhere, or in a moment; nothing was done.
    fn is_passing(&self) -> bool {
        self.is(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// Whether it was refused with this status.
    #[must_use]
    pub fn is(&self, wanted: StatusCode) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == wanted)
    }
}

impl ApiClient {
    /// A client of these servers (`https://HOST:PORT/api/v1`), in order of preference.
    ///
    /// # Errors
    /// When the CA is none.
    pub fn new(servers: Vec<String>, local_ca: &[u8], token: Secret<String>) -> Result<Self, HttpError> {
        let http = HttpClient::with_ca(local_ca)?.within(LIMIT);
        Ok(Self { servers, http, token })
    }

    /// A client of the installation that runs on this machine, or was brought into a swarm from it, with the token that
    /// is kept there.
    ///
    /// # Errors
    /// When nothing runs there, or its files cannot be read.
    pub fn local(directory: &Path) -> Result<Self, ApiError> {
        let (api, local_ca) = match (Running::read(directory), Deployed::read(directory)?) {
            (Ok(running), _) => (running.api, running.local_ca),
            (Err(_), Some(deployed)) => (deployed.servers, directory.join("local-ca.pem")),
            (Err(error), None) => return Err(error.into()),
        };
        let token = read(&directory.join("api-token"))?;
        let token = Secret::new(String::from_utf8_lossy(&token).trim().to_owned());
        let local_ca = read(&local_ca)?;
        let servers = api.join(" ");
        Self::new(api, &local_ca, token).map_err(|source| ApiError::Unreachable { servers, source })
    }

    /// The token that it shows.
    #[must_use]
    pub const fn token(&self) -> &Secret<String> {
        &self.token
    }

    /// Reads.
    ///
    /// # Errors
    /// When nobody answers, or the answer is a refusal.
    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::GET, path, None).await
    }

    /// Adds or does something.
    ///
    /// # Errors
    /// When nobody answers, or the answer is a refusal.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Puts something in place.
    ///
    /// # Errors
    /// When nobody answers, or the answer is a refusal.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// Takes something away.
    ///
    /// # Errors
    /// When nobody answers, or the answer is a refusal.
    pub async fn delete(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::DELETE, path, None).await
    }

    /// Asks each server in turn until one answers, and once more a little later if none could. Writes
    /// carry a key by which a server knows one that another has already made.
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ApiError> {
        let key = data_encoding::HEXLOWER.encode(&rand::random::<[u8; 16]>());
        let mut last = self.round(&method, path, body, &key).await;
        for _ in 0..ROUNDS {
            if !last.as_ref().is_err_and(ApiError::is_passing) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            last = self.round(&method, path, body, &key).await;
        }
        last
    }

    async fn round(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        key: &str,
    ) -> Result<Value, ApiError> {
        let none = HttpError::Address("no server".to_owned());
        let mut last = ApiError::Unreachable { servers: String::new(), source: none };
        for server in &self.servers {
            let request = self.request(method, server, path, body, key)?;
            match self.http.send(request).await {
                Err(source) => last = ApiError::Unreachable { servers: self.servers.join(" "), source },
                Ok(answer) => match understood(&answer) {
                    Err(error) if error.is_passing() => last = error,
                    understood => return understood,
                },
            }
        }
        Err(last)
    }

    fn request(
        &self,
        method: &Method,
        server: &str,
        path: &str,
        body: Option<&Value>,
        key: &str,
    ) -> Result<Request<Bytes>, ApiError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", server.trim_end_matches('/')))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.expose()))
            .header(header::ACCEPT, "application/json");
        if *method != Method::GET {
            request = request.header("idempotency-key", key);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        request.body(body).map_err(|_| ApiError::Request(path.to_owned()))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ApiError> {
    std::fs::read(path).map_err(|source| ApiError::Read { path: path.to_owned(), source })
}

fn understood(answer: &Response<Bytes>) -> Result<Value, ApiError> {
    let status = answer.status();
    if status.is_success() && answer.body().is_empty() {
        return Ok(Value::Null);
    }
    let body: Value = serde_json::from_slice(answer.body()).map_err(|_| ApiError::Foreign { status })?;
    if status.is_success() {
        return Ok(body);
    }
    let text = |name: &str| text_of(&body, name);
    let list = |name: &str| body.get(name).and_then(Value::as_array).into_iter().flatten();
    Err(ApiError::Refused {
        status,
        message: text("error").unwrap_or_else(|| format!("refused with status {status}")),
        problems: list("problems").map(problem).chain(list("changes").map(change)).collect(),
        hint: text("hint"),
    })
}

fn text_of(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(ToOwned::to_owned)
}

/// One thing that is wrong: a text, or a message with its place.
fn problem(problem: &Value) -> String {
    match (problem.as_str(), text_of(problem, "message"), text_of(problem, "place")) {
        (Some(text), ..) => text.to_owned(),
        (None, Some(message), Some(place)) if !place.is_empty() => format!("{place}: {message}"),
        (None, Some(message), _) => message,
        (None, None, _) => problem.to_string(),
    }
}

/// One value that somebody else changed.
fn change(change: &Value) -> String {
    let side = |name: &str| change.get(name).map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let place = text_of(change, "place").unwrap_or_default();
    format!("{place}: from {} to {}", side("before"), side("after"))
}

/// A text as one segment of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Result<Value, ApiError> {
        understood(&Response::builder().status(status).body(Bytes::from(body)).unwrap())
    }

    #[test]
    fn a_refusal_is_told_with_its_problems_and_its_hint() {
        let error = answer(422, r#"{"error":"the rule is wrong","problems":["column 3"],"hint":"see docs"}"#);
        assert_eq!(error.unwrap_err().to_string(), "the rule is wrong\n  column 3\nhint: see docs");
        let error = answer(
            409,
            r#"{"error":"changed","changes":[{"place":"a.b","before":1}],"problems":[{"place":"c","message":"d"}]}"#,
        );
        assert_eq!(error.unwrap_err().to_string(), "changed\n  c: d\n  a.b: from 1 to nothing");
        assert!(answer(404, "{}").unwrap_err().is(StatusCode::NOT_FOUND));
        assert!(matches!(answer(502, "<html>"), Err(ApiError::Foreign { .. })));
        assert_eq!(answer(204, "").unwrap(), Value::Null);
    }

    #[test]
    fn a_name_cannot_leave_its_segment() {
        assert_eq!(segment("a/../b?c ä"), "a%2F..%2Fb%3Fc%20%C3%A4");
    }
}
