//! A step of a plan, carried out and waited for; what does not become ready is taken back.

use std::process::Stdio;
use std::time::Duration;

use bollard::models::Service;
use bollard::query_parameters::UpdateServiceOptionsBuilder;
use evergate_model::Name;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::Instant;

use super::engine::is_absent;
use super::nodes::bound;
use super::tasks::{Before, Progress, is_alive, is_of, progress};
use super::{Contents, PERIOD, Swarm, SwarmError};
use crate::plan::Step;
use crate::render::{ComposeFile, label};

/// How long the `docker` command may take to hand a file to the engine.
const HANDING_OVER: Duration = Duration::from_secs(120);

/// How a step is taken back that was carried out, and did not do what it should.
#[derive(Debug)]
pub struct Undo {
    name: String,
    /// What the service was; nothing: it was not there.
    before: Option<Service>,
    /// The labels of nodes, put or taken away, in this order.
    labels: Vec<(Name, bool)>,
    /// The node that it ran on.
    node: Option<Name>,
}

impl Swarm {
    /// Carries out one step, and waits until it is done; answers how it is taken back.
    ///
    /// # Errors
    /// When the engine refuses, or a service does not become ready: then it is as before, as far as that goes.
    pub async fn take(
        &self,
        step: &Step,
        file: &ComposeFile,
        contents: &Contents,
    ) -> Result<Option<Undo>, SwarmError> {
        match step {
            Step::AddLabel { node, name } => self.put_label(node, name, true).await?,
            Step::RemoveLabel { node, name } => self.put_label(node, name, false).await?,
            Step::MakeSecret(secret) => {
                let content = contents.get(secret).ok_or_else(|| SwarmError::NoContent(secret.clone()))?;
                self.make_secret(secret, content).await?;
            }
            Step::RemoveSecret(secret) => self.remove_secret(secret).await?,
            Step::Await(name) => self.stand_by(name, file, "nothing was changed").await?,
            Step::Remove { name } => self.remove(name).await?,
            Step::Add { name, service } | Step::Change { name, service, .. } => {
                return self.change(name, &service.node, Vec::new(), file).await.map(Some);
            }
            Step::Move { name, service, from } => {
                let others: Vec<&Name> = from.iter().filter(|node| **node != service.node).collect();
                self.put_label(&service.node, name, true).await?;
                for node in &others {
                    self.put_label(node, name, false).await?;
                }
                let back = others.iter().map(|node| ((*node).clone(), true));
                let labels = back.chain([(service.node.clone(), false)]).collect();
                return self.change(name, &service.node, labels, file).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Starts several new services at once, and waits until all of them are ready: where nothing serves yet.
    ///
    /// # Errors
    /// When the engine refuses, or one of them does not become ready; all stay then as they are.
    pub async fn add_together(&self, names: &[&str], file: &ComposeFile) -> Result<(), SwarmError> {
        self.deploy(names, file).await?;
        for name in names {
            self.stand_by(name, file, "all that was started stays as it is (see `docker service logs`)")
                .await?;
        }
        Ok(())
    }

    /// The Docker id of a node of `network.yml`.
    async fn id_of(&self, node: &Name) -> Result<String, SwarmError> {
        let nodes = self.nodes().await?;
        let found = bound(&nodes)?.get(node).map(|node| node.id.clone());
        found.ok_or_else(|| SwarmError::NotAccepted(node.clone()))
    }

    async fn put_label(&self, node: &Name, name: &str, is_put: bool) -> Result<(), SwarmError> {
        let key = label(self.stack.as_str(), name);
        let id = self.id_of(node).await?;
        self.label(&id, |labels| labels.push((key.clone(), is_put.then(|| "true".to_owned())))).await
    }

    async fn change(
        &self,
        name: &str,
        to: &Name,
        labels: Vec<(Name, bool)>,
        file: &ComposeFile,
    ) -> Result<Undo, SwarmError> {
        let node = self.id_of(to).await?;
        let service = self.service(name).await?;
        let id = service.as_ref().and_then(|service| service.id.clone()).unwrap_or_default();
        let tasks = self.tasks().await?;
        let tasks = tasks.into_iter().filter(|task| is_of(task, &id)).filter_map(|task| task.id).collect();
        let was_on = labels.iter().find(|(_, is_put)| *is_put).map_or(to, |(node, _)| node).clone();
        let node_before = service.is_some().then_some(was_on);
        let undo = Undo { name: name.to_owned(), before: service.clone(), labels, node: node_before };
        self.deploy(&[name], file).await?;
        let before = Before { tasks, service };
        let Err(why) = self.until_ready(name, &node, &before).await? else { return Ok(undo) };
        let undone = self.take_back(undo).await?;
        Err(SwarmError::NotReady { name: name.to_owned(), why, undone })
    }

    /// Takes a step back; says what was done.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn take_back(&self, undo: Undo) -> Result<String, SwarmError> {
        let Undo { name, before, labels, node } = undo;
        for (node, is_put) in &labels {
            self.put_label(node, &name, *is_put).await?;
        }
        let Some(was) = before else {
            self.remove(&name).await?;
            return Ok("it was removed again".to_owned());
        };
        self.put_back(&name, was).await?;
        let done = "the definition before was put back";
        let Some(node) = node else { return Ok(done.to_owned()) };
        let node = self.id_of(&node).await?;
        Ok(match self.until_ready(&name, &node, &Before::default()).await? {
            Ok(()) => format!("{done}, and is ready"),
            Err(why) => format!("{done}, and is not ready: {why}"),
        })
    }

    /// Gives a service the definition that it had, unless the swarm has done so by itself.
    async fn put_back(&self, name: &str, was: Service) -> Result<(), SwarmError> {
        let Some(now) = self.service(name).await?.filter(|now| now.spec != was.spec) else { return Ok(()) };
        let version = now.version.and_then(|version| version.index).unwrap_or_default();
        let version = i32::try_from(version).unwrap_or(i32::MAX);
        let options = UpdateServiceOptionsBuilder::new().version(version).build();
        let id = now.id.unwrap_or_default();
        let spec = was.spec.unwrap_or_default();
        let put_back = self.docker.update_service(&id, spec, options, None).await;
        put_back.map_err(|error| self.explained(error))?;
        Ok(())
    }

    /// Waits for a service that is to stay as it is.
    async fn stand_by(&self, name: &str, file: &ComposeFile, undone: &str) -> Result<(), SwarmError> {
        let Some(service) = file.services.get(name) else { return Ok(()) };
        let node = self.id_of(&service.node).await?;
        let seen = self.until_ready(name, &node, &Before::default()).await?;
        let not_ready = |why| SwarmError::NotReady { name: name.to_owned(), why, undone: undone.to_owned() };
        seen.map_err(not_ready)
    }

    /// Waits until a service is ready; else says why it is not.
    async fn until_ready(
        &self,
        name: &str,
        node: &str,
        before: &Before,
    ) -> Result<Result<(), String>, SwarmError> {
        let end = Instant::now() + self.patience;
        loop {
            let seen = match self.service(name).await? {
                Some(service) => progress(&service, &self.tasks().await?, node, before),
                None => Progress::GivenUp("it is gone".to_owned()),
            };
            match seen {
                Progress::Ready => return Ok(Ok(())),
                Progress::GivenUp(why) => return Ok(Err(why)),
                Progress::Waiting(why) if Instant::now() >= end => return Ok(Err(why)),
                Progress::Waiting(_) => tokio::time::sleep(PERIOD).await,
            }
        }
    }

    /// Hands services of the file to the engine.
    async fn deploy(&self, names: &[&str], file: &ComposeFile) -> Result<(), SwarmError> {
        let words = ["deploy", "--resolve-image", "never", "--compose-file", "-"];
        self.stack("deploy", &words, &file.with_only(names)).await
    }

    /// `docker stack`, with a text to read.
    async fn stack(&self, verb: &'static str, words: &[&str], text: &str) -> Result<(), SwarmError> {
        let mut command = Command::new("docker");
        command.args(["--host", &self.host, "stack"]).args(words).arg(self.stack.as_str());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(SwarmError::NoCommand)?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(text.as_bytes()).await.map_err(SwarmError::NoCommand)?;
        }
        let failed = |said: String| SwarmError::Stack { verb, said };
        let ended = tokio::time::timeout(HANDING_OVER, child.wait_with_output()).await;
        let ended = ended.map_err(|_| failed("it did not end in time".to_owned()))?;
        let ended = ended.map_err(SwarmError::NoCommand)?;
        if ended.status.success() {
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&ended.stderr).trim().to_owned()))
    }

    async fn remove(&self, name: &str) -> Result<(), SwarmError> {
        let Some(id) = self.service(name).await?.and_then(|service| service.id) else { return Ok(()) };
        match self.docker.delete_service(&id).await {
            Err(error) if !is_absent(&error) => return Err(self.explained(error)),
            _ => {}
        }
        self.until_ended(&[id], name).await
    }

    async fn until_ended(&self, services: &[String], what: &str) -> Result<(), SwarmError> {
        let end = Instant::now() + self.patience;
        let is_left =
            |task: &bollard::models::Task| services.iter().any(|id| is_of(task, id)) && is_alive(task);
        while self.tasks().await?.iter().any(is_left) {
            if Instant::now() >= end {
                return Err(SwarmError::NotGone(format!("`{what}`")));
            }
            tokio::time::sleep(PERIOD).await;
        }
        Ok(())
    }

    /// Waits until nothing of the swarm runs on a node.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn until_drained(&self, id: &str) -> Result<(), SwarmError> {
        let end = Instant::now() + self.patience;
        while self.tasks().await?.iter().any(|task| task.node_id.as_deref() == Some(id) && is_alive(task)) {
            if Instant::now() >= end {
                return Err(SwarmError::NotGone(format!("what runs on the Docker node `{id}`")));
            }
            tokio::time::sleep(PERIOD).await;
        }
        Ok(())
    }

    /// Removes the services and networks of the stack, and its labels of instances; answers the services. Nodes stay
    /// accepted; volumes and secrets stay, so that a deployment begins where this ended.
    ///
    /// # Errors
    /// When the engine refuses, or something does not end.
    pub async fn remove_stack(&self) -> Result<Vec<String>, SwarmError> {
        let state = self.state().await?;
        let services = self.services().await?;
        let ids: Vec<String> = services.into_iter().filter_map(|service| service.id).collect();
        if !ids.is_empty() {
            self.stack("rm", &["rm"], "").await?;
            self.until_ended(&ids, self.stack.as_str()).await?;
        }
        for (node, name) in &state.labels {
            self.put_label(node, name, false).await?;
        }
        Ok(state.services.into_keys().collect())
    }

    /// Removes the secrets with bootstrap files; answers them.
    ///
    /// # Errors
    /// When the engine refuses, as where a service uses one.
    pub async fn remove_bootstraps(&self) -> Result<Vec<String>, SwarmError> {
        let secrets = self.secret_names().await?.into_iter();
        let secrets: Vec<String> = secrets.filter(|secret| secret.contains("-bootstrap-")).collect();
        for secret in &secrets {
            self.remove_secret(secret).await?;
        }
        Ok(secrets)
    }

    /// Removes the secrets of the stack; answers them.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn remove_secrets(&self) -> Result<Vec<String>, SwarmError> {
        let secrets = self.secret_names().await?;
        for secret in &secrets {
            self.remove_secret(secret).await?;
        }
        Ok(secrets.into_iter().collect())
    }
}
