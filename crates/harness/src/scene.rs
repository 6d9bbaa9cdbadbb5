//! The scene of the tests of faults: an installation before two applications, a signed-in user, and loads for each
//! service.

mod effects;
mod loads;
mod victim;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::sync::Mutex;

use crate::application::Application;
use crate::client::Client;
use crate::installation::Installation;
use crate::ports;
use crate::sign_in::sign_in;
use crate::until::until;
use crate::users::Credentials;

use effects::Effects;
pub use effects::sessions;
pub use loads::{Loads, Reports};
pub use victim::{Hung, Struck, Victim};

/// So many requests more, and it is clear which application serves.
const SERVING: u64 = 20;

/// Lets in who knows the password. The verdict also rests on a header, so that a request which brings a new value of it
/// is one that no permit cache can know.
const RULE: &str = "header(x-turn) matches \"never\" or password";

/// Whether access points keep permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// As by default; of ten requests one is new to the cache, so that policy is asked.
    Default,
    /// `permit_cache: 0s`: policy is asked each time.
    Off,
    /// Requests to two resources by turns, of either kind.
    Both,
}

impl Cache {
    const fn resources(self) -> &'static [&'static str] {
        match self {
            Self::Default => &["cached"],
            Self::Off => &["uncached"],
            Self::Both => &["cached", "uncached"],
        }
    }
}

/// An installation with resources `cached` and `uncached` before the same two applications.
pub struct Scene {
    /// The installation.
    pub installation: Installation,
    /// A user who knows a password, and has it here only.
    pub user: Credentials,
    applications: Mutex<[Application; 2]>,
    client: Client,
    cache: Cache,
    before: Effects,
}

impl Scene {
    /// Starts everything and signs a user in.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(cache: Cache) -> Result<Self> {
        Self::before(Installation::prepare(&[])?, cache).await
    }

    /// The same with an installation that has been prepared and not been started.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn before(mut installation: Installation, cache: Cache) -> Result<Self> {
        installation.up().await?;
        Self::of(installation, cache).await
    }

    /// The same with an installation that runs.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn of(installation: Installation, cache: Cache) -> Result<Self> {
        let at = |port| Application::at(SocketAddr::from((installation.neighbour(), port)));
        let applications = [at(ports::free()?).await?, at(ports::free()?).await?];
        let [first, second] = [applications[0].url(), applications[1].url()];
        for (name, lives) in [("cached", "30s"), ("uncached", "0s")] {
            let host = format!("{name}.localhost");
            let upstreams = ["--upstream", &first, "--upstream", &second];
            let add = ["resource", "add", name, "--host", &host, "--rule", RULE, "--permit-cache", lives];
            installation.evergate(&[&add[..], &upstreams[..]].concat()).await?;
        }
        let user = Credentials::with_password(&installation, "carol").await?;
        let mut client = installation.client()?;
        for name in ["cached", "uncached"] {
            let answer = sign_in(&mut client, &installation.url(name), &user).await?;
            ensure!(answer.status.is_success(), "{name}: {} {}", answer.status, answer.text());
        }
        let before = Effects::so_far(&installation, &user).await?;
        Ok(Self { installation, user, applications: Mutex::new(applications), client, cache, before })
    }

    /// The client that the user signed in with.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The process of the application that has served most, and how many requests it has served.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn application_that_serves(&self) -> Result<(u32, u64)> {
        let applications = self.applications.lock().await;
        let served = async || anyhow::Ok([applications[0].served().await?, applications[1].served().await?]);
        let before = served().await?;
        // Who serves now, not who served most in its life.
        let grown = until("an application serves", Duration::from_secs(30), async || {
            let after = served().await.ok()?;
            let [first, second] = [0, 1].map(|index| after[index].saturating_sub(before[index]));
            (first + second >= SERVING).then_some((usize::from(second > first), after))
        });
        let (busiest, served) = grown.await?;
        Ok((applications[busiest].pid(), served[busiest]))
    }

    /// Kills the application that is that process.
    pub async fn kill_the_application(&self, pid: u32) {
        let mut applications = self.applications.lock().await;
        applications.iter_mut().filter(|application| application.pid() == pid).for_each(Application::kill);
    }

    /// Starts the application that was killed, on its port.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_the_application(&self) -> Result<()> {
        for application in self.applications.lock().await.iter_mut() {
            if application.served().await.is_err() {
                *application = Application::at(application.address()).await?;
            }
        }
        Ok(())
    }

    /// Ends the installation, which must end well.
    ///
    /// # Errors
    /// When it does not.
    pub async fn end(mut self) -> Result<()> {
        self.installation.stop().await
    }
}
