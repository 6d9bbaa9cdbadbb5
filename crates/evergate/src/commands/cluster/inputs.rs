//! What a deployment needs beside `network.yml`: the names of the secrets, and what goes into those that are made.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use evergate_cluster::api_client::{ApiClient, segment};
use evergate_cluster::image;
use evergate_cluster::network::{Database, DistributeKeys, Network, Planned};
use evergate_cluster::plan::{Plan, State, Step};
use evergate_cluster::render::{DATABASE, Inputs};
use evergate_cluster::swarm::Contents;
use evergate_model::{Name, Secret};
use serde_json::{Value, json};

use super::{images, tell};
use crate::failure::hinted;

/// A bootstrap file has some thousand bytes.
const LONGEST: u64 = 256 * 1024;

/// What the network file does not say.
pub(super) fn inputs(network: &Network, state: &State) -> Inputs {
    let bootstraps = network.instances().iter();
    let bootstraps = bootstraps.map(|planned| (planned.name.clone(), bootstrap(network, planned, state)));
    let is_managed = matches!(network.database(), Database::Managed(_));
    Inputs {
        image: images::own_reference(),
        live: image::LIVE.map(str::to_owned).to_vec(),
        bootstraps: bootstraps.collect(),
        database_password: is_managed.then(|| password(network)),
    }
}

/// The name of the secret with the bootstrap file of an instance: the one that it has, as long as it stays on its
/// node. Elsewhere it finds an empty volume, and needs a first certificate that is not used up: a new number.
fn bootstrap(network: &Network, planned: &Planned, state: &State) -> String {
    let prefix = format!("{}_{}-bootstrap-", network.stack(), planned.name);
    let number = |secret: &String| secret.strip_prefix(&prefix)?.parse::<u32>().ok();
    let highest = state.secrets.iter().filter_map(number).max();
    let name = planned.name.as_str();
    let used = state.services.get(name).and_then(|running| running.secrets.iter().filter_map(number).max());
    let number = match (used, highest) {
        (Some(used), _) if state.nodes_of(name).contains(&planned.node) => used,
        (Some(_), highest) => highest.unwrap_or_default().saturating_add(1),
        (None, Some(highest)) => highest,
        (None, None) => 1,
    };
    format!("{prefix}{number}")
}

fn password(network: &Network) -> String {
    format!("{}_{DATABASE}-password-1", network.stack())
}

/// Where the bootstrap files of new instances are from.
pub(super) enum Source<'a> {
    /// The directory of an installation that is being founded or brought into the swarm.
    Founding(&'a Path),
    /// The administration of a running one.
    Running(&'a ApiClient),
}

/// What goes into the secrets that a plan makes: files of a directory, `INSTANCE.json` and `database-password`, else
/// what the installation issues.
pub(super) async fn contents(
    plan: &Plan,
    network: &Network,
    file: &Inputs,
    directory: Option<&Path>,
    source: &Source<'_>,
) -> anyhow::Result<Contents> {
    let of: BTreeMap<&String, &Name> = file.bootstraps.iter().map(|(name, secret)| (secret, name)).collect();
    let mut contents = Contents::new();
    for step in &plan.steps {
        let Step::MakeSecret(secret) = step else { continue };
        let content = match of.get(secret) {
            Some(instance) => match given(directory, &format!("{instance}.json"))? {
                Some(given) => given,
                None if is_carried(network, source) => return Err(not_carried(instance)),
                None => source.issue(instance).await?,
            },
            None if *secret == password(network) => {
                given(directory, "database-password")?.ok_or_else(|| {
                    let text = format!("there is nothing to make the secret `{secret}` from");
                    hinted(text, "write the password into DIR/database-password, and say --secrets DIR")
                })?
            }
            None => continue,
        };
        contents.insert(secret.clone(), content);
    }
    Ok(contents)
}

/// Whether bootstrap files reach the swarm by somebody's hand only; founding has made them here.
fn is_carried(network: &Network, source: &Source<'_>) -> bool {
    network.distribute_keys() == DistributeKeys::Manual && matches!(source, Source::Running(_))
}

fn not_carried(instance: &Name) -> anyhow::Error {
    hinted(
        format!(
            "network.yml says `distribute_keys: manual`, and nobody has brought the bootstrap file of `{instance}`"
        ),
        format!("evergate bootstrap {instance} -o DIR/{instance}.json, and deploy with --secrets DIR"),
    )
}

fn given(directory: Option<&Path>, file: &str) -> anyhow::Result<Option<Secret<String>>> {
    let path = directory.map(|directory| directory.join(file)).filter(|path| path.exists());
    path.map(|path| read(&path)).transpose()
}

fn read(path: &Path) -> anyhow::Result<Secret<String>> {
    let failed = || format!("cannot read `{}`", path.display());
    let size = std::fs::metadata(path).with_context(failed)?.len();
    anyhow::ensure!(size <= LONGEST, "`{}` is longer than {LONGEST} bytes", path.display());
    Ok(Secret::new(std::fs::read_to_string(path).with_context(failed)?))
}

impl Source<'_> {
    /// A first certificate is admitted as soon as it is issued.
    async fn issue(&self, instance: &Name) -> anyhow::Result<Secret<String>> {
        match self {
            Self::Founding(directory) => read(&bootstrap_file(directory, instance)),
            Self::Running(client) => {
                let path = format!("/instances/{}/bootstrap", segment(instance.as_str()));
                let made: Value = client.post(&path, &json!({})).await.with_context(|| {
                    format!("administration did not issue the bootstrap file of `{instance}`")
                })?;
                tell(&format!("administration issued the bootstrap file of `{instance}`"));
                Ok(Secret::new(serde_json::to_string_pretty(&made)?))
            }
        }
    }
}

/// Where founding an installation leaves the file.
pub(super) fn bootstrap_file(directory: &Path, instance: &Name) -> std::path::PathBuf {
    directory.join("instances").join(instance.as_str()).join("bootstrap.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use evergate_cluster::plan::Running;

    use super::*;

    const FILE: &str = "
stack: acme
database: { url_file: url }
nodes: { a: { address: 10.0.0.1, swarm: manager }, b: { address: 10.0.0.2, swarm: worker } }
instances:
  administration1: { service: administration, node: a }
  policy1: { service: policy, node: b }
  authentication1: { service: authentication, node: a }
  distribution1: { service: distribution, node: a }
  access-point1: { service: access-point, node: a, listen: [{ port: 443, all_interfaces: true }] }
";

    #[tokio::test]
    async fn where_files_are_carried_by_hand_administration_is_not_asked_for_them() {
        let text = FILE.replace("stack: acme", "stack: acme\ndistribute_keys: manual");
        let network = Network::parse(&text).unwrap();
        let state = State::default();
        let inputs = inputs(&network, &state);
        let plan =
            Plan::between(&state, &evergate_cluster::render::render(&network, &inputs).unwrap()).unwrap();
        let nobody = Vec::from(["https://127.0.0.1:1/api/v1".to_owned()]);
        let client = ApiClient::new(nobody, b"", Secret::new(String::new())).unwrap();
        let error = contents(&plan, &network, &inputs, None, &Source::Running(&client)).await.err().unwrap();
        assert!(
            error.to_string().contains("nobody has brought the bootstrap file of `access-point1`"),
            "{error}"
        );
    }

    fn secret_of_policy(state: &State) -> String {
        inputs(&Network::parse(FILE).unwrap(), state).bootstraps[&"policy1".parse::<Name>().unwrap()].clone()
    }

    #[test]
    fn an_instance_keeps_its_secret_where_it_stays_and_gets_another_where_it_moves() {
        let mut state = State::default();
        assert_eq!(secret_of_policy(&state), "acme_policy1-bootstrap-1");
        // The stack was removed, its secrets and volumes stayed.
        state.secrets = BTreeSet::from(["acme_policy1-bootstrap-2".to_owned(), "acme_policy1-x".to_owned()]);
        assert_eq!(secret_of_policy(&state), "acme_policy1-bootstrap-2");
        let running = Running {
            service: None,
            image: String::new(),
            secrets: BTreeSet::from(["acme_policy1-bootstrap-2".to_owned()]),
            ports: BTreeSet::new(),
            definition: String::new(),
            is_ready: true,
        };
        state.services.insert("policy1".to_owned(), running);
        state.labels.insert(("b".parse().unwrap(), "policy1".to_owned()));
        assert_eq!(secret_of_policy(&state), "acme_policy1-bootstrap-2");
        state.labels = BTreeSet::from([("a".parse().unwrap(), "policy1".to_owned())]);
        assert_eq!(secret_of_policy(&state), "acme_policy1-bootstrap-3");
    }
}
