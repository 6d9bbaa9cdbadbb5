//! A step of a plan, carried out and waited for; what does not become ready is taken back.

use std::process::Stdio;
use std::time::Duration;

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
use crate::render::{ComposeFile, Rendered, label};

/// How long the `docker` command may take to hand a file to the engine.
const HANDING_OVER: Duration = Duration::from_secs(120);

impl Swarm {
    /// Carries out one step, and waits until it is done.
    ///
    /// # Errors
    /// When the engine refuses, or a service does not become ready: then it is as before, as far as that goes.
    pub async fn take(&self, step: &Step, file: &ComposeFile, contents: &Contents) -> Result<(), SwarmError> {
        match step {
            Step::AddLabel { node, name } => self.put_label(node, name, true).await,
            Step::RemoveLabel { node, name } => self.put_label(node, name, false).await,
            Step::MakeSecret(secret) => {
                let content = contents.get(secret).ok_or_else(|| SwarmError::NoContent(secret.clone()))?;
                self.make_secret(secret, content).await
            }
            Step::RemoveSecret(secret) => self.remove_secret(secret).await,
            Step::Await(name) => self.stand_by(name, file).await,
            Step::Add { name, service } => self.add(name, service, file).await,
            Step::Change { name, service, .. } => self.change(name, service, file).await,
            Step::Move { name, service, from } => {
                self.put_label(&service.node, name, true).await?;
                for node in from.iter().filter(|node| **node != service.node) {
                    self.put_label(node, name, false).await?;
                }
                let moved = self.change(name, service, file).await;
                if moved.is_err() {
                    for node in from.iter().filter(|node| **node != service.node) {
                        self.put_label(node, name, true).await?;
                    }
                    self.put_label(&service.node, name, false).await?;
                }
                moved
            }
            Step::Remove { name } => self.remove(name).await,
        }
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

    async fn add(&self, name: &str, service: &Rendered, file: &ComposeFile) -> Result<(), SwarmError> {
        let node = self.id_of(&service.node).await?;
        self.deploy(name, file).await?;
        let Err(why) = self.until_ready(name, &node, &Before::default()).await? else { return Ok(()) };
        self.remove(name).await?;
        Err(SwarmError::NotReady { name: name.to_owned(), why, undone: "it was removed again".to_owned() })
    }

    async fn change(&self, name: &str, service: &Rendered, file: &ComposeFile) -> Result<(), SwarmError> {
        let node = self.id_of(&service.node).await?;
        let before = self.service(name).await?;
        let id = before.as_ref().and_then(|service| service.id.clone()).unwrap_or_default();
        let tasks = self.tasks().await?;
        let tasks = tasks.into_iter().filter(|task| is_of(task, &id)).filter_map(|task| task.id).collect();
        self.deploy(name, file).await?;
        let before = Before { tasks, service: before };
        let Err(why) = self.until_ready(name, &node, &before).await? else { return Ok(()) };
        let undone = self.roll_back(name, &before).await?.to_owned();
        Err(SwarmError::NotReady { name: name.to_owned(), why, undone })
    }

    /// Puts back what a service was, unless the swarm has done so by itself.
    async fn roll_back(&self, name: &str, before: &Before) -> Result<&'static str, SwarmError> {
        let now = self.service(name).await?;
        let (Some(now), Some(was)) = (now, &before.service) else { return Ok("it is gone") };
        if now.spec == was.spec {
            return Ok("the definition before was put back");
        }
        let version = now.version.and_then(|version| version.index).unwrap_or_default();
        let version = i32::try_from(version).unwrap_or(i32::MAX);
        let options = UpdateServiceOptionsBuilder::new().version(version).build();
        let id = now.id.unwrap_or_default();
        let spec = was.spec.clone().unwrap_or_default();
        let put_back = self.docker.update_service(&id, spec, options, None).await;
        put_back.map_err(|error| self.explained(error))?;
        Ok("the definition before was put back")
    }

    /// Waits for a service that is to stay as it is.
    async fn stand_by(&self, name: &str, file: &ComposeFile) -> Result<(), SwarmError> {
        let Some(service) = file.services.get(name) else { return Ok(()) };
        let node = self.id_of(&service.node).await?;
        let seen = self.until_ready(name, &node, &Before::default()).await?;
        let undone = "nothing was changed".to_owned();
        seen.map_err(|why| SwarmError::NotReady { name: name.to_owned(), why, undone })
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

    /// Hands one service of the file to the engine.
    async fn deploy(&self, name: &str, file: &ComposeFile) -> Result<(), SwarmError> {
        let text = file.alone(name).unwrap_or_default();
        let words = ["deploy", "--resolve-image", "never", "--compose-file", "-"];
        self.stack("deploy", &words, text).await
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
