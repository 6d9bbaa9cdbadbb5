//! The difference between two configurations, one line per value that differs.

use serde::Serialize;
use serde_json::Value;

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Change {
    /// Where: `resources.wiki.rule`.
    pub place: String,
    /// What it was; absent where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is; absent where there is nothing any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What has to change for `before` to become `after`, by place.
#[must_use]
pub fn changes_between<T: Serialize>(before: &T, after: &T) -> Vec<Change> {
    let value = |it: &T| serde_json::to_value(it).unwrap_or(Value::Null);
    let mut changes = Vec::new();
    compare("", Some(&value(before)), Some(&value(after)), &mut changes);
    changes
}

fn compare(place: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                let inner = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                compare(&inner, old.get(key), new.get(key), changes);
            }
        }
        (before, after) => {
            changes.push(Change { place: place.to_owned(), before: before.cloned(), after: after.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_listed() {
        let before = json!({ "a": 1, "b": { "c": [1], "d": 2 }, "e": 5 });
        let after = json!({ "a": 1, "b": { "c": [1, 2], "d": 2 }, "f": 6 });
        let changes = changes_between(&before, &after);
        let places: Vec<&str> = changes.iter().map(|change| change.place.as_str()).collect();
        assert_eq!(places, ["b.c", "e", "f"]);
        assert_eq!(changes[1].after, None);
        assert_eq!(changes[2].before, None);
        assert_eq!(changes_between(&before, &before), []);
    }
}
