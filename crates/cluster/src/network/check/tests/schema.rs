//! The JSON Schema of the file says what is read.

use serde_json::Value;

use crate::network::NetworkFile;
use crate::network::check::overrides::SECTIONS;
use crate::network::reading::{DATABASE, FILE, INSTANCE, LIMITS, LISTEN, NODE, PROXY_PROTOCOL};

fn schema() -> Value {
    schemars::schema_for!(NetworkFile).to_value()
}

fn keys(schema: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn sorted<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys
}

#[test]
fn the_schema_knows_the_keys_that_are_read_and_no_others() {
    let schema = schema();
    assert_eq!(keys(&schema), sorted(&FILE));
    for (definition, read) in [
        ("NodeEntry", &NODE[..]),
        ("InstanceEntry", &INSTANCE),
        ("Listen", &LISTEN),
        ("ProxyProtocol", &PROXY_PROTOCOL),
        ("Limits", &LIMITS),
    ] {
        let definition = &schema["$defs"][definition];
        assert_eq!(keys(definition), sorted(read));
        assert_eq!(definition["additionalProperties"], false);
    }
    let databases = schema["$defs"]["Database"]["oneOf"].as_array().unwrap();
    let of_databases: Vec<&str> =
        databases.iter().filter(|of| of["type"] == "object").flat_map(keys).collect();
    assert_eq!(sorted(&of_databases), sorted(&DATABASE));
    assert_eq!(keys(&schema["$defs"]["OverridesWords"]), sorted(&SECTIONS));
}

#[test]
fn the_schema_requires_what_is_required() {
    let schema = schema();
    assert_eq!(schema["required"], serde_json::json!(["stack", "nodes", "instances"]));
    assert_eq!(schema["$defs"]["NodeEntry"]["required"], serde_json::json!(["address"]));
    assert_eq!(schema["$defs"]["InstanceEntry"]["required"], serde_json::json!(["service", "node"]));
    assert_eq!(schema["$defs"]["Listen"]["required"], serde_json::json!(["port"]));
    assert_eq!(schema["$defs"]["ProxyProtocol"]["required"], serde_json::json!(["from"]));
}

#[test]
fn the_committed_schema_is_current() {
    let committed: Value =
        serde_json::from_str(include_str!("../../../../../../docs/reference/network.schema.json")).unwrap();
    assert!(committed == schema(), "run `cargo xtask reference`");
}
