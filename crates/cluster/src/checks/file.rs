//! Whether the network file holds together.

use std::error::Error;

use super::Line;
use crate::network::{Network, NetworkError, Problem};

const CHECK: &str = "network-file";

/// What is to be said of the file.
#[must_use]
pub fn lines(read: &Result<Network, NetworkError>) -> Vec<Line> {
    match read {
        Ok(network) => match network.warnings() {
            [] => vec![Line::ok(CHECK, held(network))],
            warnings => warnings.iter().map(warning).collect(),
        },
        Err(NetworkError::Problems { problems, .. }) => problems.iter().map(problem).collect(),
        Err(error) => {
            let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            vec![Line::fail(CHECK, format!("{error}{source}"), "name the file: --network FILE")]
        }
    }
}

fn held(network: &Network) -> String {
    let (nodes, instances) = (network.nodes().len(), network.instances().len());
    format!("stack `{}`: nodes: {nodes}, instances: {instances}", network.stack())
}

fn problem(problem: &Problem) -> Line {
    let fix = problem.hint.as_deref().unwrap_or("mend that place of the file");
    Line::fail(CHECK, placed(problem), fix)
}

fn warning(problem: &Problem) -> Line {
    let fix = problem.hint.as_deref().unwrap_or("docs/high-availability.md says what is lost with it");
    Line::warn(CHECK, placed(problem), fix)
}

fn placed(problem: &Problem) -> String {
    match problem.place.line {
        0 => problem.message.clone(),
        line => format!("line {line}, column {}: {}", problem.place.column, problem.message),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn all_problems_are_told_with_their_places() {
        let text = "
stack: acme
nodes:
  node-a: { address: 10.0.0.11, swarm: manager }
instances:
  policy1: { servise: policy, node: node-a }
  policy2: { service: polizy, node: node-a }
";
        let problems = Network::parse(text).unwrap_err();
        insta::assert_snapshot!(shown(&lines(&Err(NetworkError::Problems { path: "x".into(), problems }))));
    }

    #[test]
    fn a_file_that_is_not_there_is_asked_for() {
        let read = Network::read(std::path::Path::new("nowhere/network.yml"));
        insta::assert_snapshot!(shown(&lines(&read)), @"
        fail  network-file: cannot read `nowhere/network.yml`: No such file or directory (os error 2)
              fix: name the file: --network FILE
        ");
    }

    #[test]
    fn warnings_are_told_and_a_file_without_any_is_well() {
        let warned = Network::parse(super::super::doors::tests::SMALL);
        let warned = warned.map_err(|problems| NetworkError::Problems { path: "x".into(), problems });
        insta::assert_snapshot!(shown(&lines(&warned)));
        let well = Network::parse(super::super::doors::tests::WELL);
        let well = well.map_err(|problems| NetworkError::Problems { path: "x".into(), problems });
        insta::assert_snapshot!(shown(&lines(&well)), @"ok    network-file: stack `acme`: nodes: 6, instances: 10");
    }
}
