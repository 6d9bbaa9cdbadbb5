//! What a deployment needs beside `network.yml`: the names of the secrets, and what goes into those that are made.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use evergate_administration::setup::{self, DATABASE_PASSWORD_FILE};
use evergate_cluster::api_client::{ApiClient, segment};
use evergate_cluster::image;
use evergate_cluster::network::{Database, DistributeKeys, Network, Planned};
use evergate_cluster::plan::{Plan, State, Step};
use evergate_cluster::render::{DATABASE, Inputs};
use evergate_cluster::swarm::{Content, Contents, MadeFor};
use evergate_model::{Name, Secret};
use evergate_process::Bootstrap;
use evergate_process::identity::PeerCertificate;
use serde_json::{Value, json};

use super::{images, tell};
use crate::failure::hinted;

/// A bootstrap file has some thousand bytes.
const LONGEST: u64 = 256 * 1024;

/// What the network file does not say.
pub(super) fn inputs(network: &Network, state: &State, made: &BTreeMap<String, MadeFor>) -> Inputs {
    let bootstraps = network.instances().iter();
    let bootstraps =
        bootstraps.map(|planned| (planned.name.clone(), bootstrap(network, planned, state, made)));
    let is_managed = matches!(network.database(), Database::Managed(_));
    Inputs {
        image: images::own_reference(),
        live: image::LIVE.map(str::to_owned).to_vec(),
        bootstraps: bootstraps.collect(),
        database_password: is_managed.then(|| password(network)),
    }
}

/// The name of the secret with the bootstrap file of an instance: the one that it has or had, as long as it stays on its
/// node. Elsewhere it finds an empty volume, and needs a first certificate that no other machine has: a new number.
fn bootstrap(
    network: &Network,
    planned: &Planned,
    state: &State,
    made: &BTreeMap<String, MadeFor>,
) -> String {
    let prefix = format!("{}_{}-bootstrap-", network.stack(), planned.name);
    let number = |secret: &String| secret.strip_prefix(&prefix)?.parse::<u32>().ok();
    let highest = state.secrets.iter().filter_map(number).max();
    let name = planned.name.as_str();
    let used = state.services.get(name).and_then(|running| running.secrets.iter().filter_map(number).max());
    let is_of_node = |number: &u32| match made.get(&format!("{prefix}{number}")) {
        Some(MadeFor { node: Some(node), .. }) => *node == planned.node,
        // Made by hand.
        _ => used.is_none() || state.nodes_of(name).contains(&planned.node),
    };
    let number = match used.or(highest).filter(is_of_node) {
        Some(number) => number,
        None => highest.unwrap_or_default().saturating_add(1),
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
            Some(instance) => {
                let text = match given(directory, &format!("{instance}.json"))? {
                    Some(given) => given,
                    None if is_carried(network, source) => return Err(not_carried(instance)),
                    None => source.issue(instance).await?,
                };
                let made_for = made_for(network, instance, &text)?;
                Content { text, made_for }
            }
            None if *secret == password(network) => {
                Content { text: database_password(directory, source)?, made_for: MadeFor::default() }
            }
            None => continue,
        };
        contents.insert(secret.clone(), content);
    }
    Ok(contents)
}

/// The password of the managed database: the given one, else one that is made with the installation.
pub(super) fn database_password(
    directory: Option<&Path>,
    source: &Source<'_>,
) -> anyhow::Result<Secret<String>> {
    match (given(directory, DATABASE_PASSWORD_FILE)?, source) {
        (Some(given), _) => Ok(Secret::new(given.expose().trim_end().to_owned())),
        (None, Source::Founding(data)) => setup::database_password(data),
        (None, Source::Running(_)) => Err(hinted(
            "nobody has brought the password of the managed database",
            "write it into DIR/database-password, and say --secrets DIR",
        )),
    }
}

/// What is known of a bootstrap file, which must be the instance's own: that of another one holds what this one's machine
/// is not to have.
fn made_for(network: &Network, instance: &Name, text: &Secret<String>) -> anyhow::Result<MadeFor> {
    let planned = network.instances().iter().find(|planned| planned.name == *instance);
    let planned = planned.with_context(|| format!("network.yml has no instance `{instance}`"))?;
    let file: Bootstrap = serde_json::from_str(text.expose())
        .with_context(|| format!("what is to be the bootstrap file of `{instance}` is none"))?;
    if (&file.instance, file.service) != (instance, planned.service) {
        let text = format!(
            "what is to be the bootstrap file of `{instance}`, {}, is that of `{}`, {}",
            planned.service, file.instance, file.service
        );
        return Err(hinted(text, "files in the directory of --secrets are called INSTANCE.json"));
    }
    let first = PeerCertificate::read_pem(&file.certificate);
    let first = first
        .with_context(|| format!("the certificate in the bootstrap file of `{instance}` cannot be read"))?;
    Ok(MadeFor { node: Some(planned.node.clone()), line: Some(first.sha256) })
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
    use evergate_model::Id;
    use evergate_model::id::Lineage;

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
        let inputs = inputs(&network, &state, &BTreeMap::new());
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

    fn secret_of_policy(state: &State, made: &[(u32, &str)]) -> String {
        let of = |(number, node): &(u32, &str)| {
            let made_for = MadeFor { node: Some(node.parse().unwrap()), line: None };
            (format!("acme_policy1-bootstrap-{number}"), made_for)
        };
        let made: BTreeMap<String, MadeFor> = made.iter().map(of).collect();
        let network = Network::parse(FILE).unwrap();
        inputs(&network, state, &made).bootstraps[&"policy1".parse::<Name>().unwrap()].clone()
    }

    fn running_by(secret: &str) -> Running {
        Running {
            service: None,
            image: String::new(),
            secrets: BTreeSet::from([secret.to_owned()]),
            ports: BTreeSet::new(),
            definition: String::new(),
            is_ready: true,
        }
    }

    #[test]
    fn an_instance_keeps_its_secret_where_it_stays_and_gets_another_where_it_moves() {
        let mut state = State::default();
        assert_eq!(secret_of_policy(&state, &[]), "acme_policy1-bootstrap-1");
        // The stack was removed, its secrets and volumes stayed.
        state.secrets = BTreeSet::from(["acme_policy1-bootstrap-2".to_owned(), "acme_policy1-x".to_owned()]);
        assert_eq!(secret_of_policy(&state, &[]), "acme_policy1-bootstrap-2");
        assert_eq!(secret_of_policy(&state, &[(2, "b")]), "acme_policy1-bootstrap-2");
        assert_eq!(
            secret_of_policy(&state, &[(2, "a")]),
            "acme_policy1-bootstrap-3",
            "it comes back elsewhere"
        );
        state.services.insert("policy1".to_owned(), running_by("acme_policy1-bootstrap-2"));
        state.labels.insert(("b".parse().unwrap(), "policy1".to_owned()));
        assert_eq!(secret_of_policy(&state, &[]), "acme_policy1-bootstrap-2");
        // A deployment was ended when it had moved the labels, and nothing else.
        assert_eq!(secret_of_policy(&state, &[(2, "a")]), "acme_policy1-bootstrap-3");
        state.labels = BTreeSet::from([("a".parse().unwrap(), "policy1".to_owned())]);
        assert_eq!(secret_of_policy(&state, &[]), "acme_policy1-bootstrap-3");
        assert_eq!(
            secret_of_policy(&state, &[(2, "b")]),
            "acme_policy1-bootstrap-2",
            "it was made for there"
        );
    }

    #[test]
    fn a_bootstrap_file_of_another_instance_is_refused() {
        let network = Network::parse(FILE).unwrap();
        let made = |text: &str| {
            let text = Secret::new(text.to_owned());
            made_for(&network, &"access-point1".parse().unwrap(), &text).unwrap_err().to_string()
        };
        assert!(made("{}").contains("the bootstrap file of `access-point1` is none"));
        let other = serde_json::json!({
            "lineage": Id::<Lineage>::from_bytes([7; 16]).to_string(), "instance": "administration1",
            "service": "administration", "identity_roots": [], "certificate": "", "key": "", "administration": [],
            "snapshot_keys": [], "operations": "127.0.0.1:8309",
        });
        let told = made(&other.to_string());
        assert!(told.contains("access-point, is that of `administration1`, administration\n"), "{told}");
    }
}
