//! Whether the images that this node's instances need are in its engine.

use std::collections::{BTreeMap, BTreeSet};

use evergate_model::Name;

use super::Line;
use crate::render::Rendered;

const CHECK: &str = "images";

/// The images that a node needs, with the services that run them.
#[must_use]
pub fn wanted(services: &BTreeMap<String, Rendered>, own: &Name) -> BTreeMap<String, Vec<String>> {
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (service, rendered) in services.iter().filter(|(_, rendered)| rendered.node == *own) {
        wanted.entry(rendered.image.clone()).or_default().push(service.clone());
    }
    wanted
}

/// What is to be said: `wanted` are images with the services that run them, `loaded` those of the engine, `own` those
/// that are made of this program.
#[must_use]
pub fn lines(
    wanted: &BTreeMap<String, Vec<String>>,
    loaded: &BTreeSet<String>,
    own: &BTreeSet<String>,
) -> Vec<Line> {
    if wanted.is_empty() {
        return vec![Line::ok(CHECK, "network.yml lets nothing run on this machine that needs an image")];
    }
    let loaded: BTreeSet<String> = loaded.iter().map(|image| full(image)).collect();
    let line = |(image, services): (&String, &Vec<String>)| {
        let for_whom = services.join(", ");
        if loaded.contains(&full(image)) {
            return Line::ok(CHECK, format!("`{image}` is loaded ({for_whom})"));
        }
        let seen = format!("`{image}` is not in this engine ({for_whom})");
        if own.contains(image) {
            Line::fail(CHECK, seen, "evergate cluster image")
        } else if is_of_a_registry(image) {
            let seen = format!("{seen}: it is fetched when a task starts, if the registry answers then");
            Line::warn(CHECK, seen, format!("docker pull {image}"))
        } else {
            let fix = "leave out `image` in network.yml and say `evergate cluster image`, or docker load --input FILE";
            Line::fail(CHECK, seen, fix)
        }
    };
    wanted.iter().map(line).collect()
}

/// The name with what an engine adds to it.
fn full(image: &str) -> String {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    let image = image.strip_prefix("library/").unwrap_or(image);
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

/// Whether somebody has it for everybody: Docker's own registry has PostgreSQL, and no image of Evergate.
fn is_of_a_registry(image: &str) -> bool {
    let first = image.split_once('/').map(|(first, _)| first);
    first.is_some_and(|first| first == "localhost" || first.contains(['.', ':']))
        || image == crate::render::POSTGRES
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    fn set(images: &[&str]) -> BTreeSet<String> {
        images.iter().map(|image| (*image).to_owned()).collect()
    }

    #[test]
    fn what_is_missing_is_told_and_how_it_gets_there() {
        let wanted = [
            ("evergate:1.0.0", "policy1"),
            ("evergate-access-point:1.0.0", "access-point1"),
            ("registry.example.com:5000/evergate:1.2.3", "policy2"),
            ("evergate:of-yesterday", "policy3"),
            ("postgres:17.6-bookworm", "database"),
            ("ours/evergate", "policy4"),
        ];
        let wanted: BTreeMap<String, Vec<String>> =
            wanted.map(|(image, service)| (image.to_owned(), vec![service.to_owned()])).into_iter().collect();
        let own = set(&["evergate:1.0.0", "evergate-access-point:1.0.0"]);
        let none = lines(&wanted, &set(&[]), &own);
        let loaded = set(&[
            "docker.io/library/evergate:1.0.0",
            "evergate-access-point:1.0.0",
            "registry.example.com:5000/evergate:1.2.3",
            "ours/evergate:latest",
            "postgres:17.6-bookworm",
            "evergate:of-yesterday",
        ]);
        let all = lines(&wanted, &loaded, &own);
        assert!(all.iter().all(|line| line.outcome() == super::super::Outcome::Ok));
        let nothing = lines(&BTreeMap::new(), &loaded, &own);
        insta::assert_snapshot!(shown(&[none, all, nothing].concat()));
    }
}
