//! The secrets of a stack: each is made once, and cannot change.

use std::collections::BTreeSet;

use bollard::models::SecretSpec;
use bollard::query_parameters::ListSecretsOptionsBuilder;
use data_encoding::BASE64;
use evergate_model::Secret;

use super::engine::is_absent;
use super::{Swarm, SwarmError};

impl Swarm {
    /// The label of this stack's secrets.
    fn secret_label(&self) -> String {
        crate::render::label(self.stack.as_str(), "secret")
    }

    /// The secrets that have this stack's label.
    pub(super) async fn secret_names(&self) -> Result<BTreeSet<String>, SwarmError> {
        let options = ListSecretsOptionsBuilder::new().build();
        let secrets = self.docker.list_secrets(Some(options)).await.map_err(|error| self.explained(error))?;
        let label = self.secret_label();
        let specs = secrets.into_iter().filter_map(|secret| secret.spec);
        let own = specs.filter(|spec| spec.labels.as_ref().is_some_and(|labels| labels.contains_key(&label)));
        Ok(own.filter_map(|spec| spec.name).collect())
    }

    pub(super) async fn make_secret(&self, name: &str, content: &Secret<String>) -> Result<(), SwarmError> {
        let data = BASE64.encode(content.expose().as_bytes());
        let spec = SecretSpec {
            name: Some(name.to_owned()),
            labels: Some([(self.secret_label(), "true".to_owned())].into_iter().collect()),
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
