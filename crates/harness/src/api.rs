//! The administration API as a script uses it: a bearer token, JSON, every request sent once.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use serde_json::Value;

use crate::client::{Answer, Client, Way};
use crate::installation::Installation;

/// A way to the API with the installation's own token.
pub struct Api {
    base: String,
    token: String,
    client: Client,
}

impl Api {
    /// By the console's host, through the access points.
    ///
    /// # Errors
    /// When the installation does not run.
    pub fn through_console(installation: &Installation) -> Result<Self> {
        let base = format!("{}api/v1", installation.read()?.console);
        Self::at(installation, base)
    }

    /// By the address of one administration instance, counted from 0.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn of_instance(installation: &Installation, number: usize) -> Result<Self> {
        let base = installation.read()?.api.get(number).context("no such API address")?.clone();
        Self::at(installation, base)
    }

    /// By the console's port of one machine of a swarm.
    ///
    /// # Errors
    /// When the installation does not run.
    pub fn of_node(installation: &Installation, node: Ipv4Addr, port: u16) -> Result<Self> {
        let api = Self::at(installation, format!("https://{node}:{port}/api/v1"))?;
        let way = Way { to: node, ..Way::default() };
        Ok(Self { client: api.client.by(way), ..api })
    }

    fn at(installation: &Installation, base: String) -> Result<Self> {
        let token = std::fs::read_to_string(installation.data().join("api-token")).context("no API token")?;
        Ok(Self { base, token: token.trim().to_owned(), client: installation.client()? })
    }

    /// A request with the token; `path` begins with `/`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Request<Bytes>> {
        self.request_with_key(method, path, body, None)
    }

    /// The same with an idempotency key, which makes a repetition harmless.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn request_with_key(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Request<Bytes>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        match body {
            Some(body) => {
                Ok(request.header(CONTENT_TYPE, "application/json").body(body.to_string().into())?)
            }
            None => Ok(request.body(Bytes::new())?),
        }
    }

    /// Sends one request; whatever comes back.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn send(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let request = self.request(method, path, body)?;
        self.client.send(request).await
    }

    /// Sends one request that must succeed; the JSON that comes back, or null where nothing does.
    ///
    /// # Errors
    /// When it does not succeed.
    pub async fn call(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.send(method.clone(), path, body).await?;
        ensure!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.text());
        if answer.body.is_empty() { Ok(Value::Null) } else { answer.json() }
    }
}
