//! The API's description (OpenAPI 3.1), made from the same list that the router is made from.

use axum::http::Method;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{ROOT, Route, routes};
use crate::ErrorBody;

/// The description of every endpoint.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    let error = generator.subschema_for::<ErrorBody>();
    for route in routes() {
        let path = paths.entry(format!("{ROOT}{}", route.endpoint.path)).or_insert_with(|| json!({}));
        let method = route.endpoint.method.as_str().to_ascii_lowercase();
        if let Some(path) = path.as_object_mut() {
            path.insert(method, operation(&route, &mut generator, &error));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Evergate administration",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every administration instance answers reads and writes. A write may carry \
                `Idempotency-Key`: repeated with the same key, anywhere, it happens once. Times are \
                milliseconds since 1970-01-01 00:00 UTC.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{ "token": [] }],
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator, error: &Schema) -> Value {
    let endpoint = &route.endpoint;
    let mut parameters: Vec<Value> = path_parameters(endpoint.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if let Some(query) = route.query {
        parameters.extend(query_parameters(&query(generator)));
    }
    if endpoint.method != Method::GET {
        parameters.push(json!({ "name": "Idempotency-Key", "in": "header", "schema": { "type": "string" } }));
    }
    let good = route.gives.map_or_else(
        || json!({ "description": "done" }),
        |schema| json!({ "description": "done", "content": { "application/json": { "schema": schema(generator) } } }),
    );
    let bad = json!({ "description": "not done", "content": { "application/json": { "schema": error } } });
    let mut operation = json!({
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": { "2XX": good, "default": bad },
        "x-privilege": endpoint.privilege,
    });
    if let (Some(takes), Some(operation)) = (route.takes, operation.as_object_mut()) {
        let content = json!({ "application/json": { "schema": takes(generator) } });
        operation.insert("requestBody".to_owned(), json!({ "content": content }));
    }
    operation
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn query_parameters(schema: &Schema) -> Vec<Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let one = |(name, schema): (&String, &Value)| json!({ "name": name, "in": "query", "schema": schema });
    properties.into_iter().flatten().map(one).collect()
}
