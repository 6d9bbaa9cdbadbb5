//! The scene of the kill tests: an installation before two applications, a signed-in user, and loads for each service.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use evergate_harness::api::Api;
use evergate_harness::application::Application;
use evergate_harness::load::{Connections, Load, Plan};
use evergate_harness::sign_in::sign_in;
use evergate_harness::users::Credentials;
use evergate_harness::{Answer, Client, Installation};
use http::Method;
use serde_json::json;
use tokio::sync::Mutex;

/// An installation with resources `cached` and `uncached` before the same two applications.
pub(crate) struct Scene {
    pub(crate) installation: Installation,
    applications: Mutex<[Application; 2]>,
    client: Client,
}

impl Scene {
    pub(crate) async fn start() -> Result<Self> {
        let applications = [Application::start().await?, Application::start().await?];
        let installation = Installation::start().await?;
        let [first, second] = [applications[0].url(), applications[1].url()];
        for (name, cache) in [("cached", "30s"), ("uncached", "0s")] {
            let host = format!("{name}.localhost");
            let upstreams = ["--upstream", &first, "--upstream", &second];
            let add =
                ["resource", "add", name, "--host", &host, "--rule", "password", "--permit-cache", cache];
            installation.evergate(&[&add[..], &upstreams[..]].concat()).await?;
        }
        let user = Credentials::with_password(&installation, "carol").await?;
        let mut client = installation.client()?;
        for name in ["cached", "uncached"] {
            let answer = sign_in(&mut client, &installation.url(name), &user).await?;
            ensure!(answer.status.is_success(), "{name}: {} {}", answer.status, answer.text());
        }
        Ok(Self { installation, applications: Mutex::new(applications), client })
    }

    fn load(&self, plan: Plan) -> Result<Load> {
        Load::start(&self.installation.read()?.local_ca, plan)
    }

    /// Requests of the signed-in user, by turns to the resource with and to that without a permit cache.
    pub(crate) async fn requests_cached_and_not(&self, rate: u32) -> Result<Load> {
        self.signed_in(rate, Connections::Kept, &["cached", "uncached"])
    }

    /// The same to the cached one, by turns on connections that were idle and on new ones.
    pub(crate) async fn idle_and_new_connections(&self, rate: u32) -> Result<Load> {
        self.signed_in(rate, Connections::Both, &["cached"])
    }

    fn signed_in(&self, rate: u32, connections: Connections, names: &[&str]) -> Result<Load> {
        let targets: Vec<(String, String)> = names
            .iter()
            .map(|name| {
                (self.installation.url(name), self.client.cookie_header(&format!("{name}.localhost")))
            })
            .collect();
        let make = move |number: u64| {
            let (url, cookie) = &targets[number as usize % targets.len()];
            let request = http::Request::builder().uri(format!("{url}{number}")).header("cookie", cookie);
            request.body(Default::default()).expect("a request of constants")
        };
        self.load(Plan {
            rate,
            connections,
            make: Arc::new(make),
            judge: Arc::new(a_page_of_the_application),
        })
    }

    /// Sign-in pages, and in every twentieth request the right name and password.
    pub(crate) async fn sign_in_pages(&self, rate: u32) -> Result<Load> {
        let user = Credentials::of_demo(&self.installation).await?;
        let mut client = self.installation.client()?;
        let page = client.get(&self.installation.read()?.url).await?;
        let address = page.leads_to().context("no redirect to the sign-in page")?;
        let page = client.get(&address.to_string()).await?;
        let form = page.form("password").context("no form asks for a password")?;
        let target = page.resolve(&form.action).context("a form that leads nowhere")?;
        let fields = form.filled(&[("name", &user.name), ("password", &user.password)]);
        let body = serde_urlencoded::to_string(fields)?;
        let cookie = client.cookie_header(target.host().context("no host")?);
        let origin = format!("https://{}", target.authority().context("no host")?);
        let make = move |number: u64| {
            let request = http::Request::builder().header("cookie", &cookie).header("accept", "text/html");
            let made = if number % 20 == 19 {
                let request = request.method(Method::POST).uri(target.clone()).header("origin", &origin);
                request
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(bytes::Bytes::from(body.clone()))
            } else {
                request.uri(address.clone()).body(Default::default())
            };
            made.expect("a request of constants")
        };
        self.load(Plan {
            rate,
            connections: Connections::Kept,
            make: Arc::new(make),
            judge: Arc::new(a_form),
        })
    }

    /// Mails that must be accepted, each with a key of its own.
    pub(crate) async fn mails(&self, rate: u32) -> Result<Load> {
        let api = Api::through_console(&self.installation)?;
        let make = move |number: u64| {
            let key = format!("01900000-0000-7000-8000-{number:012x}");
            api.request_with_key(Method::POST, "/mail/probe", Some(&json!({})), Some(&key))
                .expect("a request of constants")
        };
        self.load(Plan {
            rate,
            connections: Connections::Kept,
            make: Arc::new(make),
            judge: Arc::new(a_success),
        })
    }

    /// The API: by turns all groups, and a new group.
    pub(crate) async fn reads_and_writes(&self, rate: u32) -> Result<Load> {
        let api = Api::through_console(&self.installation)?;
        let make = move |number: u64| {
            let request = if number.is_multiple_of(2) {
                api.request(Method::GET, "/resources", None)
            } else {
                let key = format!("01900000-0000-7000-8000-{number:012x}");
                let body = json!({"name": format!("group-{number}")});
                api.request_with_key(Method::POST, "/groups", Some(&body), Some(&key))
            };
            request.expect("a request of constants")
        };
        self.load(Plan {
            rate,
            connections: Connections::Kept,
            make: Arc::new(make),
            judge: Arc::new(a_success),
        })
    }

    /// Kills the application that has served most; how much it had.
    pub(crate) async fn kill_the_application_that_serves(&self) -> Result<u64> {
        let mut applications = self.applications.lock().await;
        let served = [applications[0].served().await?, applications[1].served().await?];
        let busiest = usize::from(served[1] > served[0]);
        applications[busiest].kill();
        Ok(served[busiest])
    }

    /// Starts the application that was killed, on its port.
    pub(crate) async fn restart_the_application(&self) -> Result<()> {
        for application in self.applications.lock().await.iter_mut() {
            if application.served().await.is_err() {
                *application = Application::on(application.port()).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn end(mut self) -> Result<()> {
        self.installation.stop().await
    }
}

fn a_page_of_the_application(answer: &Answer) -> Option<String> {
    let is_good = answer.status.is_success() && answer.body.len() == 1024;
    (!is_good).then(|| format!("{} of {} bytes", answer.status, answer.body.len()))
}

fn a_form(answer: &Answer) -> Option<String> {
    let is_good =
        answer.status.is_success() && (answer.form("password").is_some() || answer.form("code").is_some());
    (!is_good).then(|| format!("{}: {:.200}", answer.status, answer.text()))
}

fn a_success(answer: &Answer) -> Option<String> {
    (!answer.status.is_success()).then(|| format!("{}: {:.200}", answer.status, answer.text()))
}
