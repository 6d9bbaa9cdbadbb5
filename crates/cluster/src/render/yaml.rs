//! YAML that people read: mappings in the order given, with comments.

use crate::network::{Kind, Tree};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Yaml {
    /// A text, quoted where it must be.
    Text(String),
    /// A number, a truth value or nothing, written as it is.
    Plain(String),
    /// Items.
    List(Vec<Yaml>),
    /// Keys and values.
    Mapping(Vec<Entry>),
}

/// A key and its value, with what is said above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    comment: Option<String>,
    key: String,
    value: Yaml,
}

/// A key and its value.
pub(super) fn entry(key: impl Into<String>, value: Yaml) -> Entry {
    Entry { comment: None, key: key.into(), value }
}

/// A text.
pub(super) fn text(text: impl Into<String>) -> Yaml {
    Yaml::Text(text.into())
}

/// A number, a truth value or nothing.
pub(super) fn plain(value: impl ToString) -> Yaml {
    Yaml::Plain(value.to_string())
}

/// Texts.
pub(super) fn texts<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Yaml {
    Yaml::List(items.into_iter().map(text).collect())
}

/// A mapping.
pub(super) fn mapping(entries: impl IntoIterator<Item = Entry>) -> Yaml {
    Yaml::Mapping(entries.into_iter().collect())
}

impl Entry {
    /// The same with a line above it that says why.
    pub(super) fn why(self, comment: impl Into<String>) -> Self {
        Self { comment: Some(comment.into()), ..self }
    }
}

impl Yaml {
    /// The value of a key, made if it is not there, if this is a mapping.
    pub(super) fn below(&mut self, key: &str) -> Option<&mut Self> {
        let Self::Mapping(entries) = self else { return None };
        let at = match entries.iter().position(|entry| entry.key == key) {
            Some(at) => at,
            None => {
                entries.push(entry(key, mapping([])));
                entries.len() - 1
            }
        };
        entries.get_mut(at).map(|entry| &mut entry.value)
    }

    /// Puts a value below a key of a mapping, or `key=value` at the end of a list.
    pub(super) fn put(&mut self, key: &str, value: &str) {
        match self {
            Self::Mapping(entries) => {
                entries.retain(|entry| entry.key != key);
                entries.push(entry(key, text(value)));
            }
            Self::List(items) => items.push(text(format!("{key}={value}"))),
            Self::Text(_) | Self::Plain(_) => {}
        }
    }

    /// As text, with some entries of a section only.
    pub(super) fn with_only(&self, section: &str, keys: &[&str]) -> String {
        let mut file = self.clone();
        if let Some(Self::Mapping(entries)) = file.below(section) {
            entries.retain(|entry| keys.contains(&entry.key.as_str()));
        }
        let mut text = String::new();
        file.write(0, &mut text);
        text
    }

    /// Merges what a person wrote: mappings are merged, lists become longer, everything else is replaced.
    pub(super) fn merge(&mut self, tree: &Tree) {
        match (self, &tree.value) {
            (this @ Self::Mapping(_), Kind::Mapping(others)) => {
                for (key, other) in others {
                    if let Some(value) = this.below(&key.value) {
                        value.merge(other);
                    }
                }
            }
            (Self::List(items), Kind::List(others)) => items.extend(others.iter().map(Self::from_tree)),
            (this, _) => *this = Self::from_tree(tree),
        }
    }

    fn from_tree(tree: &Tree) -> Self {
        match &tree.value {
            Kind::Mapping(entries) => {
                mapping(entries.iter().map(|(key, value)| entry(key.value.clone(), Self::from_tree(value))))
            }
            Kind::List(items) => Self::List(items.iter().map(Self::from_tree).collect()),
            Kind::Text(value) => text(value.clone()),
            Kind::Number(value) => plain(value),
            Kind::Truth(value) => plain(value),
            Kind::Nothing => plain("null"),
        }
    }

    /// The same without a word of why.
    pub(super) fn without_comments(self) -> Self {
        match self {
            Self::Mapping(entries) => mapping(
                entries.into_iter().map(|entry| self::entry(entry.key, entry.value.without_comments())),
            ),
            Self::List(items) => Self::List(items.into_iter().map(Self::without_comments).collect()),
            scalar => scalar,
        }
    }

    /// As text, every line beginning with `indent` spaces.
    pub(super) fn write(&self, indent: usize, out: &mut String) {
        let margin = " ".repeat(indent);
        match self {
            Self::Mapping(entries) => entries.iter().for_each(|entry| entry.write(indent, out)),
            Self::List(items) => {
                for item in items {
                    let mut written = String::new();
                    item.write_item(indent + 2, &mut written);
                    out.push_str(&format!("{margin}- {}", written.trim_start()));
                }
            }
            Self::Text(_) | Self::Plain(_) => out.push_str(&format!("{margin}{}\n", self.scalar())),
        }
    }

    fn write_item(&self, indent: usize, out: &mut String) {
        match self.scalar() {
            scalar if !scalar.is_empty() => out.push_str(&format!("{scalar}\n")),
            _ => self.write(indent, out),
        }
    }

    /// What fits behind a key: scalars, and what is empty; nothing for what has lines of its own.
    fn scalar(&self) -> String {
        match self {
            Self::Text(text) if is_safe(text) => text.clone(),
            Self::Text(text) => quoted(text),
            Self::Plain(plain) => plain.clone(),
            Self::List(items) if items.is_empty() => "[]".to_owned(),
            Self::Mapping(entries) if entries.is_empty() => "{}".to_owned(),
            Self::List(_) | Self::Mapping(_) => String::new(),
        }
    }
}

impl Entry {
    fn write(&self, indent: usize, out: &mut String) {
        let margin = " ".repeat(indent);
        for line in self.comment.iter().flat_map(|comment| comment.lines()) {
            out.push_str(&format!("{margin}# {line}\n"));
        }
        let key = if is_safe(&self.key) { self.key.clone() } else { quoted(&self.key) };
        match self.value.scalar() {
            scalar if !scalar.is_empty() => out.push_str(&format!("{margin}{key}: {scalar}\n")),
            _ => {
                out.push_str(&format!("{margin}{key}:\n"));
                self.value.write(indent + 2, out);
            }
        }
    }
}

/// Whether a text means itself without quotes in every version of YAML.
fn is_safe(text: &str) -> bool {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let good = |c: char| c.is_ascii_alphanumeric() || "_-./@".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(good)
        && !words.contains(&text.to_ascii_lowercase().as_str())
}

/// In double quotes, which is JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
