//! What has happened in the end: each acknowledged write once, and none that was not asked for.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use http::Method;

use super::{Reports, Scene};
use crate::api::Api;
use crate::installation::Installation;
use crate::users::Credentials;

/// How much had happened before the loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Effects {
    sessions: u64,
    groups: u64,
    mails: u64,
}

impl Effects {
    /// What has happened so far.
    pub(super) async fn so_far(installation: &Installation, user: &Credentials) -> Result<Self> {
        let mut api = Api::of_instance(installation, 0)?;
        Ok(Self {
            sessions: sessions(&mut api, &user.name).await?,
            groups: audited(&mut api, "group-").await?.len() as u64,
            mails: probes(&mut api).await?,
        })
    }
}

impl Scene {
    /// Fails unless everything that was acknowledged to the loads has happened once, and nothing else has.
    ///
    /// # Errors
    /// With what happened more or less often.
    pub async fn happened_once(&self, reports: &Reports) -> Result<()> {
        let before = &self.before;
        let mut api = Api::of_instance(&self.installation, 0)?;
        let opened = sessions(&mut api, &self.user.name).await? - before.sessions;
        let signed_in = reports.answered("sign-ins");
        ensure!(opened == signed_in, "{signed_in} sign-ins were acknowledged, {opened} sessions are there");

        let groups = audited(&mut api, "group-").await?;
        let twice: Vec<_> = groups.iter().filter(|(_, count)| **count != 1).collect();
        ensure!(twice.is_empty(), "groups were made more than once: {twice:?}");
        let (made, wanted) = (groups.len() as u64 - before.groups, reports.answered("API writes"));
        let missing =
            (0..wanted).map(|number| format!("group-{number}")).filter(|name| !groups.contains_key(name));
        let missing: Vec<String> = missing.take(5).collect();
        ensure!(made == wanted, "{wanted} writes were acknowledged, {made} happened; not there: {missing:?}");

        let accepted = probes(&mut api).await? - before.mails;
        let wanted = reports.answered("mails");
        ensure!(accepted == wanted, "{wanted} mails were acknowledged, {accepted} were taken in");
        println!("{opened} sessions, {made} groups, {accepted} mails, each once");
        Ok(())
    }
}

/// How many sessions a user has.
///
/// # Errors
/// When the API does not answer.
pub async fn sessions(api: &mut Api, user: &str) -> Result<u64> {
    let mut count = 0;
    let mut after = String::new();
    loop {
        let page = api.call(Method::GET, &format!("/sessions?user={user}&limit=1000{after}"), None).await?;
        let sessions = page["sessions"].as_array().context("no sessions")?;
        count += sessions.len() as u64;
        match sessions.last().and_then(|session| session["id"].as_str()) {
            Some(last) if sessions.len() == 1000 => after = format!("&after={last}"),
            _ => return Ok(count),
        }
    }
}

/// How often the audit log says that something of a name that begins so was made.
async fn audited(api: &mut Api, prefix: &str) -> Result<BTreeMap<String, u64>> {
    let mut made = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = api.call(Method::GET, &format!("/audit?after={after}&limit=1000"), None).await?;
        let records = page["records"].as_array().context("no records")?;
        for record in records {
            let subject = record["subject"].as_str().unwrap_or_default();
            let text = format!("{subject} {}", record["detail"]);
            let word =
                text.split(|c: char| !c.is_alphanumeric() && c != '-').find(|word| word.starts_with(prefix));
            if let Some(word) = word {
                *made.entry(word.to_owned()).or_default() += 1;
            }
        }
        match records.last().and_then(|record| record["number"].as_u64()) {
            Some(last) => after = last,
            None => return Ok(made),
        }
    }
}

/// How many mails of the load were taken in; one taken in twice counts twice.
async fn probes(api: &mut Api) -> Result<u64> {
    api.call(Method::GET, "/mail/probes?since=0", None).await?["accepted"].as_u64().context("no count")
}
