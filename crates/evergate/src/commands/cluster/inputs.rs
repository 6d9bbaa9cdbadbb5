//! What a deployment needs beside `network.yml`: the names of the secrets, and what goes into those that are made.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use evergate_cluster::api_client::segment;
use evergate_cluster::image;
use evergate_cluster::network::{Database, Network};
use evergate_cluster::plan::{Plan, Step};
use evergate_cluster::render::{DATABASE, Inputs};
use evergate_cluster::swarm::Contents;
use evergate_model::Secret;
use serde_json::Value;

use super::tell;
use crate::api_client::Target;
use crate::failure::hinted;

/// A bootstrap file has some thousand bytes.
const LONGEST: u64 = 256 * 1024;

/// What the network file does not say.
pub(super) fn inputs(network: &Network) -> Inputs {
    let bootstraps = network.instances().iter();
    let bootstraps =
        bootstraps.map(|planned| (planned.name.clone(), bootstrap(network, planned.name.as_str())));
    let is_managed = matches!(network.database(), Database::Managed(_));
    Inputs {
        image: format!("evergate:{}", env!("CARGO_PKG_VERSION")),
        live: image::LIVE.map(str::to_owned).to_vec(),
        bootstraps: bootstraps.collect(),
        database_password: is_managed.then(|| password(network)),
    }
}

/// Made once per instance, so the number is always the first.
fn bootstrap(network: &Network, instance: &str) -> String {
    format!("{}_{instance}-bootstrap-1", network.stack())
}

fn password(network: &Network) -> String {
    format!("{}_{DATABASE}-password-1", network.stack())
}

/// What goes into the secrets that a plan makes: files of a directory, `INSTANCE.json` and `database-password`, else
/// what the installation's administration issues.
pub(super) async fn contents(
    plan: &Plan,
    network: &Network,
    directory: Option<&Path>,
    target: &Target,
) -> anyhow::Result<Contents> {
    let mut files = BTreeMap::from([(password(network), (None, "database-password".to_owned()))]);
    for planned in network.instances() {
        let name = planned.name.to_string();
        files.insert(bootstrap(network, &name), (Some(name.clone()), format!("{name}.json")));
    }
    let mut contents = Contents::new();
    for step in &plan.steps {
        let Step::MakeSecret(secret) = step else { continue };
        let Some((instance, file)) = files.get(secret) else { continue };
        let path = directory.map(|directory| directory.join(file));
        let content = match (path.filter(|path| path.exists()), instance) {
            (Some(path), _) => read(&path)?,
            (None, Some(instance)) => issued(instance, target).await?,
            (None, None) => {
                let text = format!("there is nothing to make the secret `{secret}` from");
                return Err(hinted(
                    text,
                    format!("write the password into DIR/{file}, and say --secrets DIR"),
                ));
            }
        };
        contents.insert(secret.clone(), content);
    }
    Ok(contents)
}

fn read(path: &Path) -> anyhow::Result<Secret<String>> {
    let failed = || format!("cannot read `{}`", path.display());
    let size = std::fs::metadata(path).with_context(failed)?.len();
    anyhow::ensure!(size <= LONGEST, "`{}` is longer than {LONGEST} bytes", path.display());
    Ok(Secret::new(std::fs::read_to_string(path).with_context(failed)?))
}

/// A first certificate is admitted as soon as it is issued.
async fn issued(instance: &str, target: &Target) -> anyhow::Result<Secret<String>> {
    tell(&format!("asking administration for the bootstrap file of `{instance}`"));
    let path = format!("/instances/{}/bootstrap", segment(instance));
    let asked = async {
        target
            .client()?
            .post(&path, &Value::Object(serde_json::Map::new()))
            .await
            .map_err(anyhow::Error::from)
    };
    let made = asked.await.map_err(|error| {
        let hint = format!("name the installation with --data or --server, or put {instance}.json into a directory and say --secrets DIR");
        error.context(crate::failure::Hinted { text: format!("there is no bootstrap file of `{instance}`"), hint })
    })?;
    Ok(Secret::new(serde_json::to_string_pretty(&made)?))
}
