//! A real installation in a temporary directory with one administration instance that does not
//! listen: for the tests of API and console.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode, header};
use data_encoding::HEXLOWER;
use evergate_keys::{api_token, new_id};
use evergate_model::{Instance as Known, Name, Service, Topology};
use evergate_process::{Bootstrap, Clock, Instance};
use evergate_store::{Actor, api_tokens};
use serde_json::Value;
use tower::ServiceExt;

use crate::Privilege;
use crate::office::Office;
use crate::setup::{SetUp, set_up};

pub(crate) struct Fixture {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) office: Office,
    pub(crate) router: Router,
}

pub(crate) fn topology() -> Topology {
    let instance = |service: Service, number: u32| Known {
        name: format!("{service}{number}").parse().unwrap(),
        service,
        node: "node".parse().unwrap(),
        priority: number,
        address: format!("127.0.0.1:{number}"),
        operations: "127.0.0.1:0".to_owned(),
        outside_address: None,
        listen: None,
        is_outside: false,
    };
    let all = Service::ALL.into_iter().flat_map(|service| [instance(service, 1), instance(service, 2)]);
    Topology { instances: all.collect(), balanced: Vec::new() }
}

fn welcome() -> evergate_model::configuration::Resource {
    serde_json::from_value(serde_json::json!({
        "hosts": ["welcome.localhost"], "upstreams": ["http://127.0.0.1:3000"], "rule": "password and totp",
    }))
    .unwrap()
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let wanted = SetUp {
            directory: directory.path().to_owned(),
            database: crate::setup::sqlite_url(directory.path()),
            database_from_here: None,
            node: None,
            topology: topology(),
            listeners: BTreeMap::new(),
            domain: "localhost".parse().unwrap(),
            public_port: 10_443,
            resources: BTreeMap::new(),
            demo: Some(("welcome".parse().unwrap(), welcome())),
        };
        let made = set_up(&wanted, &Clock::system()).await.unwrap();
        let name: Name = "administration1".parse().unwrap();
        let bootstrap = Bootstrap::read(&made.bootstrap_files[&name]).unwrap();
        let instance = Instance::prepare(bootstrap, directory.path()).unwrap();
        let office = Office::open(&instance).await.unwrap();
        let router = crate::api::router(&office).merge(crate::console::router(&office));
        Self { directory, office, router }
    }

    /// The same instance as it begins after a restart.
    pub(crate) fn restarted(&self) -> Instance {
        let bootstrap = (*self.office.instance.bootstrap).clone();
        Instance::prepare(bootstrap, self.directory.path()).unwrap()
    }

    /// A token with these privileges.
    pub(crate) async fn token(&self, privileges: &[Privilege]) -> String {
        let text = api_token::generate();
        let now = self.office.now();
        let token = api_tokens::ApiToken {
            id: new_id(now),
            name: "test".to_owned(),
            privileges: privileges.iter().map(ToString::to_string).collect(),
            made_at: now,
            used_at: None,
        };
        let hash = HEXLOWER.encode(&api_token::hash(text.expose()).unwrap());
        let mut tx = self.office.store.begin().await.unwrap();
        api_tokens::add(&mut tx, &Actor::System, now, &token, &hash).await.unwrap();
        tx.commit().await.unwrap();
        text.expose().clone()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Asks the API; status and body.
    pub(crate) async fn ask(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Value,
        key: Option<&str>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = self.send(request.body(body).unwrap()).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

impl Office {
    /// The revision of the latest snapshots.
    pub(crate) async fn store_revision(&self) -> u64 {
        let mut reading = self.store.read().await.unwrap();
        evergate_store::installation::get(&mut reading).await.unwrap().unwrap().revision
    }
}

/// The text of an answer.
pub(crate) async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
