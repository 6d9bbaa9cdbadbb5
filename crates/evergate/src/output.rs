//! How commands print: tables for people, JSON for programs, never half a line.

use std::io::{ErrorKind, Write, stdout};

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use evergate_model::Timestamp;
use serde_json::Value;

/// Prints a text and ends its line. A reader that went away (`| head`) is no failure.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(stdout().lock(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot print"),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_json(value: &Value) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// A table with these headings.
#[must_use]
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A table of the objects in a list, a column for each field. Empty lists say so.
#[must_use]
pub fn list(value: &Value, name: &str, columns: &[&str]) -> String {
    let rows = items(value, name);
    if rows.is_empty() {
        return format!("no {}", name.replace('_', " "));
    }
    let cells = |row: &Value| columns.iter().map(|column| cell(row, column)).collect();
    let headings: Vec<String> = columns.iter().map(|column| column.replace('_', " ")).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    table(&headings, rows.iter().map(cells))
}

/// The list in an answer: the answer itself, its field of that name, or its `items`.
#[must_use]
pub fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = [Some(value), value.get(name), value.get("items")].into_iter().flatten();
    list.filter_map(Value::as_array).next().map_or(&[], Vec::as_slice)
}

/// An object as lines of `field  value`.
#[must_use]
pub fn record(value: &Value) -> String {
    let Some(object) = value.as_object() else { return plain(value, "") };
    let width = object.keys().map(String::len).max().unwrap_or_default();
    let line = |(key, value): (&String, &Value)| {
        format!("{:width$}  {}", key.replace('_', " "), plain(value, key).replace('\n', "\n    "))
    };
    object.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A field of an object for people; a dot leads into objects.
#[must_use]
pub fn field(object: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(object, |object, key| object.get(key));
    let name = path.rsplit('.').next().unwrap_or(path);
    found.map_or_else(|| "-".to_owned(), |value| plain(value, name))
}

/// A field in one line: of an object, those of its fields that say something.
#[must_use]
pub fn cell(row: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(row, |object, key| object.get(key));
    let Some(object) = found.and_then(Value::as_object) else { return field(row, path) };
    let says = object.iter().filter(|(_, value)| !value.is_null());
    says.map(|(key, value)| format!("{key}={}", plain(value, key).replace('\n', " ")))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A value for people. Milliseconds in fields that are moments become dates.
fn plain(value: &Value, name: &str) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => match number.as_i64() {
            Some(milliseconds) if is_moment(name) => Timestamp::from_milliseconds(milliseconds).to_string(),
            _ => number.to_string(),
        },
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => {
            let texts: Vec<String> = values.iter().map(|value| plain(value, name)).collect();
            texts.join(if values.iter().any(Value::is_object) { "; " } else { ", " })
        }
        Value::Object(_) => {
            let text = record(value);
            if text.contains('\n') { format!("\n{text}") } else { text }
        }
    }
}

fn is_moment(name: &str) -> bool {
    matches!(name, "at" | "since") || name.ends_with("_at") || name.ends_with("_until")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_becomes_a_table_of_the_columns_asked_for() {
        let value = json!({ "users": [
            { "name": "alice", "groups": ["a", "b"], "created_at": 0, "locked": true },
            { "name": "bob", "groups": [], "created_at": null, "locked": false },
        ] });
        let text = list(&value, "users", &["name", "groups", "created_at", "locked", "missing"]);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|w| !w.is_empty()).collect())
            .collect();
        assert_eq!(lines[0], ["NAME", "GROUPS", "CREATED AT", "LOCKED", "MISSING"]);
        assert_eq!(lines[1], ["alice", "a, b", "1970-01-01T00:00:00.000Z", "yes", "-"]);
        assert_eq!(lines[2], ["bob", "-", "-", "no", "-"]);
        assert_eq!(list(&json!([]), "api_tokens", &["id"]), "no api tokens");
    }

    #[test]
    fn an_object_in_a_table_stays_in_its_line() {
        let row = json!({ "detail": { "factor": "password", "from": null, "inner": { "a": 1, "b": 2 } } });
        assert_eq!(cell(&row, "detail"), "factor=password inner= a  1 b  2");
        assert_eq!(cell(&row, "detail.factor"), "password");
        assert_eq!(list(&json!([row]), "rows", &["detail"]).lines().count(), 2);
    }

    #[test]
    fn a_record_becomes_lines() {
        let text = record(&json!({ "because": ["a", "b"], "verdict": "permit" }));
        assert_eq!(text, "because  a, b\nverdict  permit");
    }
}
