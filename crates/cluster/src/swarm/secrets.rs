//! The secrets of a stack: each is made once, and cannot change.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::SecretSpec;
use bollard::query_parameters::ListSecretsOptionsBuilder;
use data_encoding::BASE64;
use evergate_model::Name;

use super::engine::is_absent;
use super::{Content, MadeFor, Swarm, SwarmError};
use crate::render::label;

/// The label of a stack's secrets.
const SECRET: &str = "secret";
/// Labels for [`MadeFor`].
const NODE: &str = "node";
const LINE: &str = "line";

impl Swarm {
    /// The secrets that have this stack's label.
    async fn own_secrets(&self) -> Result<impl Iterator<Item = SecretSpec>, SwarmError> {
        let options = ListSecretsOptionsBuilder::new().build();
        let secrets = self.docker.list_secrets(Some(options)).await.map_err(|error| self.explained(error))?;
        let own = label(self.stack.as_str(), SECRET);
        let is_own =
            move |spec: &SecretSpec| spec.labels.as_ref().is_some_and(|labels| labels.contains_key(&own));
        Ok(secrets.into_iter().filter_map(|secret| secret.spec).filter(is_own))
    }

    pub(super) async fn secret_names(&self) -> Result<BTreeSet<String>, SwarmError> {
        Ok(self.own_secrets().await?.filter_map(|spec| spec.name).collect())
    }

    /// What is written beside each secret.
    ///
    /// # Errors
    /// When the engine does not tell.
    pub async fn secrets_made(&self) -> Result<BTreeMap<String, MadeFor>, SwarmError> {
        let stack = self.stack.as_str();
        let of = |spec: SecretSpec| {
            let labels = spec.labels.unwrap_or_default();
            let node = labels.get(&label(stack, NODE)).and_then(|node| node.parse().ok());
            Some((spec.name?, MadeFor { node, line: labels.get(&label(stack, LINE)).cloned() }))
        };
        Ok(self.own_secrets().await?.filter_map(of).collect())
    }

    pub(super) async fn make_secret(&self, name: &str, content: &Content) -> Result<(), SwarmError> {
        let data = BASE64.encode(content.text.expose().as_bytes());
        let MadeFor { node, line } = &content.made_for;
        let own = [
            (SECRET, Some("true".to_owned())),
            (NODE, node.as_ref().map(Name::to_string)),
            (LINE, line.clone()),
        ];
        let labels =
            own.into_iter().filter_map(|(key, value)| Some((label(self.stack.as_str(), key), value?)));
        let spec = SecretSpec {
            name: Some(name.to_owned()),
            labels: Some(labels.collect()),
            data: Some(data),
            ..Default::default()
        };
        self.docker.create_secret(spec).await.map_err(|error| self.explained(error))?;
        Ok(())
    }

    pub(super) async fn remove_secret(&self, name: &str) -> Result<(), SwarmError> {
        match self.docker.delete_secret(name).await {
            Err(error) if !is_absent(&error) => Err(self.explained(error)),
            _ => Ok(()),
        }
    }
}
