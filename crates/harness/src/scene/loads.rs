//! What is sent to each service, and what counts as a good answer.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::{Method, Request};
use serde_json::json;

use crate::api::Api;
use crate::client::Answer;
use crate::load::{Connections, Judge, Load, Make, Plan, Report};
use crate::scene::{Cache, Scene};

/// How long any answer may take while an instance hangs or is cut off.
const AT_ONCE: Duration = Duration::from_millis(500);
/// The same where a password is checked.
const A_PASSWORD: Duration = Duration::from_secs(3);
/// One in so many sign-in requests is the form itself.
const FORMS: u32 = 20;
/// Beside the load of another service go requests to the application, at this share of its rate.
const BESIDE: u32 = 5;

/// Several loads at once, of which the first is the one that the test is about.
pub struct Loads(Vec<Part>);

struct Part {
    name: &'static str,
    limit: Duration,
    load: Load,
}

/// What became of several loads.
#[derive(Debug)]
pub struct Reports(Vec<(&'static str, Duration, Report)>);

impl Scene {
    /// Requests of the signed-in user on kept connections.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn requests(&self, rate: u32) -> Result<Loads> {
        Ok(Loads(vec![self.to_the_application(rate, Connections::Kept)?]))
    }

    /// The same, on kept connections or new ones.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn requests_on(&self, rate: u32, connections: Connections) -> Result<Loads> {
        Ok(Loads(vec![self.to_the_application(rate, connections)?]))
    }

    fn to_the_application(&self, rate: u32, connections: Connections) -> Result<Part> {
        let of = |name: &&str| {
            (self.installation.url(name), self.client().cookie_header(&format!("{name}.localhost")))
        };
        let targets: Vec<(String, String)> = self.cache.resources().iter().map(of).collect();
        let is_new_to_the_cache = self.cache == Cache::Default;
        let make = move |number: u64| {
            let (url, cookie) = &targets[number as usize % targets.len()];
            let mut request = Request::builder().uri(format!("{url}{number}")).header("cookie", cookie);
            if is_new_to_the_cache && number.is_multiple_of(10) {
                request = request.header("x-turn", number);
            }
            request.body(Default::default()).expect("a request of constants")
        };
        self.part("requests", AT_ONCE, rate, connections, Arc::new(make), Arc::new(a_page_of_the_application))
    }

    fn part(
        &self,
        name: &'static str,
        limit: Duration,
        rate: u32,
        connections: Connections,
        make: Arc<Make>,
        judge: Arc<Judge>,
    ) -> Result<Part> {
        let plan = Plan { rate: rate.max(1), connections, make, judge };
        Ok(Part {
            name,
            limit,
            load: Load::start_by(self.installation.way(), &self.installation.read()?.local_ca, plan)?,
        })
    }

    /// Sign-in pages; and the right name and password, each of which opens a session.
    ///
    /// # Errors
    /// When the pages are not as expected.
    pub async fn sign_ins(&self, rate: u32) -> Result<Loads> {
        let mut client = self.installation.client()?;
        let page = client.get(&self.installation.url("uncached")).await?;
        let address = page.leads_to().context("no redirect to the sign-in page")?;
        let page = client.get(&address.to_string()).await?;
        let form = page.form("password").context("no form asks for a password")?;
        let target = page.resolve(&form.action).context("a form that leads nowhere")?;
        let fields = form.filled(&[("name", &self.user.name), ("password", &self.user.password)]);
        let body = serde_urlencoded::to_string(fields)?;
        let cookie = client.cookie_header(target.host().context("no host")?);
        let origin = format!("https://{}", target.authority().context("no host")?);
        let (get_cookie, get_address) = (cookie.clone(), address.clone());
        let get = move |_: u64| {
            let request = Request::builder().uri(get_address.clone()).header("cookie", &get_cookie);
            request.header("accept", "text/html").body(Default::default()).expect("a request of constants")
        };
        let post = move |_: u64| {
            let request = Request::builder().method(Method::POST).uri(target.clone());
            let request = request.header("cookie", &cookie).header("origin", &origin);
            let request = request.header("accept", "text/html");
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            request.body(bytes::Bytes::from(body.clone())).expect("a request of constants")
        };
        let forms = rate.div_ceil(FORMS);
        let kept = Connections::Kept;
        Ok(Loads(vec![
            self.part("sign-in pages", AT_ONCE, rate - forms, kept, Arc::new(get), Arc::new(a_form))?,
            self.part("sign-ins", A_PASSWORD, forms, kept, Arc::new(post), Arc::new(a_session))?,
            self.beside(rate)?,
        ]))
    }

    /// Mails that must be accepted, each with a key of its own.
    ///
    /// # Errors
    /// When there is no API.
    pub fn mails(&self, rate: u32) -> Result<Loads> {
        let api = Api::through_console(&self.installation)?;
        let make = move |number: u64| {
            let key = format!("01900000-0000-7000-8000-{number:012x}");
            api.request_with_key(Method::POST, "/mail/probe", Some(&json!({})), Some(&key))
                .expect("a request of constants")
        };
        let mails =
            self.part("mails", AT_ONCE, rate, Connections::Kept, Arc::new(make), Arc::new(a_success))?;
        Ok(Loads(vec![mails, self.beside(rate)?]))
    }

    /// The API: all resources as often as a new group.
    ///
    /// # Errors
    /// When there is no API.
    pub fn reads_and_writes(&self, rate: u32) -> Result<Loads> {
        let api = Api::through_console(&self.installation)?;
        let read =
            move |_: u64| api.request(Method::GET, "/resources", None).expect("a request of constants");
        let api = Api::through_console(&self.installation)?;
        let write = move |number: u64| {
            let key = format!("01900000-0000-7000-8000-{number:012x}");
            let body = json!({"name": format!("group-{number}")});
            api.request_with_key(Method::POST, "/groups", Some(&body), Some(&key))
                .expect("a request of constants")
        };
        let (half, kept) = (rate.div_ceil(2), Connections::Kept);
        Ok(Loads(vec![
            self.part("API reads", AT_ONCE, half, kept, Arc::new(read), Arc::new(a_success))?,
            self.part("API writes", AT_ONCE, half, kept, Arc::new(write), Arc::new(a_success))?,
            self.beside(rate)?,
        ]))
    }

    /// Requests to the application meanwhile, which must not notice.
    fn beside(&self, rate: u32) -> Result<Part> {
        self.to_the_application(rate.div_ceil(BESIDE), Connections::Kept)
    }
}

impl Loads {
    /// These and those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The load that the test is about.
    #[must_use]
    pub fn first(&self) -> &Load {
        &self.0[0].load
    }

    /// Lets them go on for so many seconds.
    ///
    /// # Errors
    /// When nothing is answered meanwhile.
    pub async fn go_on(&self, seconds: u32) -> Result<()> {
        let (first, done) = (self.first(), self.first().done());
        let end = first.elapsed() + Duration::from_secs(seconds.into());
        let limit = Duration::from_secs(seconds.into()) * 2;
        let what = format!("{seconds} s have passed");
        crate::until(&what, limit, async || (first.elapsed() >= end).then_some(())).await?;
        ensure!(first.done() > done, "nothing was answered in {seconds} s");
        Ok(())
    }

    /// Holds new requests of all back, waits until none is under way, does `what`, lets them go on.
    pub async fn between_requests<T>(&self, what: impl Future<Output = T>) -> T {
        let mut gates = Vec::new();
        for part in &self.0 {
            gates.push(part.load.hold().await);
        }
        what.await
    }

    /// Stops all, and counts.
    ///
    /// # Errors
    /// When a task of a load panicked.
    pub async fn stop(self) -> Result<Reports> {
        let mut reports = Vec::new();
        for part in self.0 {
            reports.push((part.name, part.limit, part.load.stop().await?));
        }
        Ok(Reports(reports))
    }
}

impl Reports {
    /// Prints a line for each load.
    pub fn print(&self, test: &str, further: &str) {
        for (name, _, report) in &self.0 {
            println!("{test}, {name}: {report}; {further}");
        }
    }

    /// Fails where anything was lost.
    ///
    /// # Errors
    /// With the reasons.
    pub fn nothing_lost(&self) -> Result<()> {
        for (name, _, report) in &self.0 {
            report.nothing_lost().with_context(|| (*name).to_owned())?;
        }
        Ok(())
    }

    /// Fails where an answer took longer than is promised for its kind, times `patience`.
    ///
    /// # Errors
    /// When one did.
    pub fn nobody_waited(&self, patience: u32) -> Result<()> {
        for (name, limit, report) in &self.0 {
            let late = report.answered.iter().filter(|answer| answer.took > *limit * patience);
            let first: Vec<_> = late.clone().take(5).collect();
            ensure!(
                first.is_empty(),
                "{name}: {} answers took longer than {:?}: {first:?}",
                late.count(),
                *limit * patience
            );
        }
        Ok(())
    }

    /// How many requests of the load of that name were answered well.
    #[must_use]
    pub fn answered(&self, name: &str) -> u64 {
        self.of(name).map_or(0, |report| report.sent - report.lost)
    }

    /// The report on the load of that name.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Report> {
        self.0.iter().find(|(of, ..)| *of == name).map(|(.., report)| report)
    }

    /// Each report with its load's name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Report)> {
        self.0.iter().map(|(name, _, report)| (*name, report))
    }

    /// The report on the load that the test is about.
    #[must_use]
    pub fn first(&self) -> &Report {
        &self.0[0].2
    }
}

fn a_page_of_the_application(answer: &Answer) -> Option<String> {
    let is_good = answer.status.is_success() && answer.body.len() == 1024;
    (!is_good).then(|| format!("{} of {} bytes", answer.status, answer.body.len()))
}

fn a_form(answer: &Answer) -> Option<String> {
    let is_good = answer.status.is_success() && answer.form("password").is_some();
    (!is_good).then(|| format!("{}: {:.200}", answer.status, answer.text()))
}

fn a_session(answer: &Answer) -> Option<String> {
    (!answer.opens_a_session()).then(|| format!("{}: {:.200}", answer.status, answer.text()))
}

fn a_success(answer: &Answer) -> Option<String> {
    (!answer.status.is_success()).then(|| format!("{}: {:.200}", answer.status, answer.text()))
}
