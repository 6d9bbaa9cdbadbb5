//! What a stack has in a swarm, in the words of a plan.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{EndpointPortConfigPublishModeEnum, Service};
use bollard::query_parameters::{ListServicesOptionsBuilder, ListTasksOptionsBuilder};

use super::{Swarm, SwarmError, nodes, tasks};
use crate::plan::{Running, State};
use crate::render;

/// By what `docker stack deploy` knows the services of a stack.
const NAMESPACE: &str = "com.docker.stack.namespace";

impl Swarm {
    /// What the stack has.
    ///
    /// # Errors
    /// When the engine does not tell, or something of that name is not Evergate's.
    pub async fn state(&self) -> Result<State, SwarmError> {
        let nodes = self.nodes().await?;
        let tasks = self.tasks().await?;
        let mut services = BTreeMap::new();
        for service in self.services().await? {
            let name = self.short(&service).ok_or_else(|| foreign(&service))?;
            let id = service.id.clone().unwrap_or_default();
            let is_ready = tasks.iter().any(|task| tasks::is_of(task, &id) && tasks::is_running(task));
            services.insert(name, running(service, is_ready)?);
        }
        let labels = nodes::labels(&nodes, self.stack.as_str())?;
        Ok(State { services, labels, secrets: self.secret_names().await? })
    }

    /// The services of the stack's name.
    pub(super) async fn services(&self) -> Result<Vec<Service>, SwarmError> {
        let options = ListServicesOptionsBuilder::new().build();
        let services = self.docker.list_services(Some(options)).await;
        let services = services.map_err(|error| self.explained(error))?;
        Ok(services.into_iter().filter(|service| self.is_own(service)).collect())
    }

    pub(super) async fn tasks(&self) -> Result<Vec<bollard::models::Task>, SwarmError> {
        let options = ListTasksOptionsBuilder::new().build();
        self.docker.list_tasks(Some(options)).await.map_err(|error| self.explained(error))
    }

    /// A service of the stack, if it is there.
    pub(super) async fn service(&self, name: &str) -> Result<Option<Service>, SwarmError> {
        let services = self.services().await?;
        Ok(services.into_iter().find(|service| self.short(service).as_deref() == Some(name)))
    }

    fn is_own(&self, service: &Service) -> bool {
        label(service, NAMESPACE) == Some(self.stack.as_str())
    }

    /// The name without the stack's.
    fn short(&self, service: &Service) -> Option<String> {
        let name = service.spec.as_ref()?.name.as_deref()?;
        name.strip_prefix(self.stack.as_str())?.strip_prefix('_').map(str::to_owned)
    }
}

fn foreign(service: &Service) -> SwarmError {
    let name = service.spec.as_ref().and_then(|spec| spec.name.clone());
    SwarmError::Foreign(name.unwrap_or_default())
}

fn label<'a>(service: &'a Service, key: &str) -> Option<&'a str> {
    service.spec.as_ref()?.labels.as_ref()?.get(key).map(String::as_str)
}

/// A service as a plan sees it. What has no definition was not made from `network.yml`.
fn running(service: Service, is_ready: bool) -> Result<Running, SwarmError> {
    let definition = label(&service, render::DEFINITION).ok_or_else(|| foreign(&service))?.to_owned();
    let runs = label(&service, render::SERVICE).map(str::parse).transpose();
    let runs = runs.map_err(|_| foreign(&service))?;
    let spec = service.spec.unwrap_or_default();
    let container = spec.task_template.and_then(|template| template.container_spec).unwrap_or_default();
    let secrets = container.secrets.unwrap_or_default().into_iter();
    let secrets: BTreeSet<String> = secrets.filter_map(|secret| secret.secret_name).collect();
    let ports = spec.endpoint_spec.and_then(|endpoint| endpoint.ports).unwrap_or_default();
    let on_the_node = Some(EndpointPortConfigPublishModeEnum::HOST);
    let ports = ports.into_iter().filter(|port| port.publish_mode == on_the_node);
    Ok(Running {
        service: runs,
        image: container.image.unwrap_or_default(),
        secrets,
        ports: ports.filter_map(|port| u16::try_from(port.published_port?).ok()).collect(),
        definition,
        is_ready,
    })
}
