//! Whether names and images can be used as such.

use evergate_model::{Name, Service};

use super::super::Problem;
use super::super::file::NetworkFile;
use super::super::tree::Placed;

/// The longest that stack and instance may be together: Docker's names have 63 characters, and `_`, `-bootstrap` and
/// a number are added.
const LONGEST_TOGETHER: usize = 48;
/// What the rendered file calls its PostgreSQL.
pub(in super::super) const DATABASE: &str = "database";
/// Longer references are refused.
const LONGEST_IMAGE: usize = 255;

/// The name, if it is one.
pub(super) fn name(text: &Placed<String>, of: &str, problems: &mut Vec<Problem>) -> Option<Name> {
    let parsed = text.value.parse();
    parsed.map_err(|error| problems.push(Problem::at(text.place, format!("{of} {error}")))).ok()
}

/// The name of an instance: containers, secrets and labels are named after it.
pub(super) fn instance(text: &Placed<String>, stack: &str, problems: &mut Vec<Problem>) -> Option<Name> {
    let name = name(text, "instance", problems)?;
    let problem = if name.as_str() == DATABASE {
        Some(format!("`{DATABASE}` is the name of the managed PostgreSQL, not of an instance"))
    } else if stack.len() + text.value.len() > LONGEST_TOGETHER {
        Some(format!(
            "stack `{stack}` and instance `{name}` are longer than {LONGEST_TOGETHER} characters together"
        ))
    } else {
        None
    };
    match problem {
        Some(message) => problems.push(Problem::at(text.place, message)),
        None => return Some(name),
    }
    None
}

/// Images can be asked for, and those of access points follow from the others' or are named.
pub(super) fn images(file: &NetworkFile, problems: &mut Vec<Problem>) {
    let named = file.instances.iter().filter_map(|(_, entry)| entry.image.as_ref());
    for image in file.image.iter().chain(named).filter(|image| !is_image(&image.value)) {
        let problem = Problem::at(image.place, format!("`{}` is not an image", image.value));
        problems.push(problem.hint("write NAME:TAG or NAME@sha256:DIGEST, as Docker does"));
    }
    let Some(image) = file.image.as_ref().filter(|image| image.value.contains('@')) else { return };
    let unnamed = |(_, entry): &&(_, super::super::file::InstanceEntry)| {
        entry.service == Service::AccessPoint && entry.image.is_none()
    };
    if let Some((name, _)) = file.instances.iter().find(unnamed) {
        let message = format!("a digest does not tell which image the access point `{}` runs", name.value);
        problems.push(Problem::at(image.place, message).hint("give each access point its `image`"));
    }
}

fn is_image(text: &str) -> bool {
    let good = |c: u8| c.is_ascii_alphanumeric() || b"./:-_@".contains(&c);
    let ends = [text.bytes().next(), text.bytes().last()];
    text.len() <= LONGEST_IMAGE
        && text.bytes().all(good)
        && ends.iter().all(|end| end.is_some_and(|c| c.is_ascii_alphanumeric()))
        && !text.contains("//")
        && !text.contains("::")
}
