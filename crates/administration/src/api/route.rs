//! One endpoint: where it is, what it takes, who may, and what answers.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::guard::{Gate, guard};
use crate::Privilege;
use crate::office::Office;

type MakeSchema = fn(&mut SchemaGenerator) -> Schema;

/// An endpoint.
pub(crate) struct Route {
    pub(super) endpoint: Endpoint,
    pub(super) takes: Option<MakeSchema>,
    pub(super) gives: Option<MakeSchema>,
    pub(super) query: Option<MakeSchema>,
    handler: MethodRouter<Office>,
}

/// What is to be known of an endpoint from outside.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its method.
    pub method: Method,
    /// Its path below the API's root, with parameters in braces.
    pub path: &'static str,
    /// What the caller must be allowed to do; absent: anything at all.
    pub privilege: Option<Privilege>,
    /// What it does, in a line.
    pub summary: &'static str,
}

impl Route {
    /// An endpoint that `handler` answers.
    pub(super) fn new<H, T>(
        method: Method,
        path: &'static str,
        privilege: impl Into<Option<Privilege>>,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Office>,
        T: 'static,
    {
        let filter = match method {
            Method::POST => MethodFilter::POST,
            Method::PUT => MethodFilter::PUT,
            Method::PATCH => MethodFilter::PATCH,
            Method::DELETE => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        let endpoint = Endpoint { method, path, privilege: privilege.into(), summary };
        Self { endpoint, takes: None, gives: None, query: None, handler: on(filter, handler) }
    }

    /// Says what its body must be.
    pub(super) fn takes<T: JsonSchema>(self) -> Self {
        Self { takes: Some(|generator| generator.subschema_for::<T>()), ..self }
    }

    /// Says what its answer is.
    pub(super) fn gives<T: JsonSchema>(self) -> Self {
        Self { gives: Some(|generator| generator.subschema_for::<T>()), ..self }
    }

    /// Says what its query may be.
    pub(super) fn query<T: JsonSchema>(self) -> Self {
        Self { query: Some(|generator| generator.root_schema_for::<T>()), ..self }
    }

    /// Adds it to a router, behind its guard.
    pub(super) fn mount(self, router: Router<Office>, office: &Office) -> Router<Office> {
        let gate = Gate { office: office.clone(), privilege: self.endpoint.privilege };
        router.route(self.endpoint.path, self.handler.layer(from_fn_with_state(gate, guard)))
    }
}

/// All endpoints of the API.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    super::routes().into_iter().map(|route| route.endpoint).collect()
}
