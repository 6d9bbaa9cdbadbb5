//! YAML as a tree in which everything knows its place, so that all mistakes of a file can be told at once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::Problem;
use super::problem::Place;

/// Longer texts are refused unread, in bytes.
pub(super) const LONGEST: u64 = 1 << 20;

/// Something with the place where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed<T> {
    /// Where it begins.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) value: T,
}

/// A node of the tree.
pub(crate) type Tree = Placed<Kind>;

/// What a node of the tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Keys and values in the order of the file; a key may be there twice.
    Mapping(Vec<(Placed<String>, Tree)>),
    /// Items.
    List(Vec<Tree>),
    /// A text.
    Text(String),
    /// A number, as it is written again.
    Number(String),
    /// `true` or `false`.
    Truth(bool),
    /// Nothing.
    Nothing,
}

impl Kind {
    /// What it is, for people.
    pub(crate) const fn noun(&self) -> &'static str {
        match self {
            Self::Mapping(_) => "a mapping",
            Self::List(_) => "a list",
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Truth(_) => "a truth value",
            Self::Nothing => "nothing",
        }
    }
}

/// The tree of a text that is YAML.
pub(super) fn parse(text: &str) -> Result<Tree, Problem> {
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > LONGEST {
        return Err(Problem::whole("a network file has at most 1 MiB"));
    }
    let spanned: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location().map_or_else(Place::default, Place::from);
        Problem::at(place, without_place(&error.to_string()))
    })?;
    Ok(placed(spanned))
}

/// The file is written by people: nothing in it needs many aliases, depth or size. A key that is there twice is told
/// with all other mistakes.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_events: 100_000,
            max_aliases: 100,
            max_depth: 16,
        },
    }
}

/// The library names the place in the text as well.
fn without_place(text: &str) -> String {
    let end = text.rfind(" at line ").or_else(|| text.rfind(" (line ")).unwrap_or(text.len());
    let first = text.get(..end).unwrap_or(text).lines().next().unwrap_or_default();
    first.trim_end_matches(':').to_owned()
}

fn placed(spanned: Spanned<Raw>) -> Tree {
    Tree { place: Place::from(spanned.referenced), value: spanned.value.0 }
}

/// A node as the library reads it.
struct Raw(Kind);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Raw>>()? {
            let key = Placed { place: Place::from(key.referenced), value: key.value };
            entries.push((key, placed(value)));
        }
        Ok(Raw(Kind::Mapping(entries)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<Spanned<Raw>>()? {
            items.push(placed(item));
        }
        Ok(Raw(Kind::List(items)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw(Kind::Text(text.to_owned())))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Raw, E> {
        Ok(Raw(Kind::Truth(truth)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw(Kind::Number(number.to_string())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
        Ok(Raw(Kind::Number(number.to_string())))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Raw, E> {
        Ok(Raw(Kind::Number(number.to_string())))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Raw, E> {
        Ok(Raw(Kind::Number(number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw(Kind::Number(number.to_string())))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw(Kind::Nothing))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw(Kind::Nothing))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }
}
