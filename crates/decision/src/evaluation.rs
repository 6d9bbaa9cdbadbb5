//! One evaluation: looks at the session, the request and the time, and records what it saw.

use std::collections::BTreeMap;
use std::net::IpAddr;

use evergate_model::factor::WantedFactor;
use evergate_model::path::is_under;
use evergate_model::reads::{HeaderRead, PathRead};
use evergate_model::{Name, Reads, RequestFacts, SessionFacts, Timestamp};
use ipnet::IpNet;
use regex::bytes::Regex;

use crate::program::Test;
use crate::value::{Outcome, Way};
use crate::window::Window;

/// The inputs of a decision, each behind a question that leaves a record: whoever wants to know
/// something of the request or the time has to ask here.
pub(crate) struct Evaluation<'a> {
    session: Option<&'a SessionFacts>,
    request: &'a RequestFacts,
    now: Timestamp,
    method: Option<String>,
    paths: BTreeMap<String, bool>,
    client: Option<IpAddr>,
    access_point: Option<Name>,
    headers: BTreeMap<String, Option<String>>,
    valid_until: Timestamp,
}

impl<'a> Evaluation<'a> {
    /// Begins. A session that has ended is none.
    pub(crate) fn new(session: Option<&'a SessionFacts>, request: &'a RequestFacts, now: Timestamp) -> Self {
        let session = session.filter(|session| now < session.ends_at);
        Self {
            session,
            request,
            now,
            method: None,
            paths: BTreeMap::new(),
            client: None,
            access_point: None,
            headers: BTreeMap::new(),
            valid_until: session.map_or(Timestamp::MAX, |session| session.ends_at),
        }
    }

    /// What was seen of the request, and until when time alone changes nothing.
    pub(crate) fn finish(self) -> (Reads, Timestamp) {
        let reads = Reads {
            method: self.method,
            paths: self.paths.into_iter().map(|(prefix, is_under)| PathRead { prefix, is_under }).collect(),
            client: self.client,
            access_point: self.access_point,
            headers: self.headers.into_iter().map(|(name, value)| HeaderRead { name, value }).collect(),
        };
        (reads, self.valid_until)
    }

    /// Records a question about the path.
    pub(crate) fn path_asked(&mut self, prefix: &str, is_under: bool) {
        self.paths.insert(prefix.to_owned(), is_under);
    }

    /// What comes of one term.
    pub(crate) fn look(&mut self, test: &Test) -> Outcome {
        match test {
            Test::Anyone => Outcome::Holds,
            Test::Factor(wanted) => self.factor(wanted),
            Test::Group(name) => self.user(|session| session.groups.contains(name)),
            Test::User(name) => self.user(|session| session.user_name == *name),
            Test::Client(networks) => self.client(networks),
            Test::AccessPoint(name) => self.access_point(name),
            Test::PathUnder(prefix) => self.path(prefix),
            Test::RequestMethod(methods) => self.method(methods),
            Test::Header { name, pattern } => self.header(name, pattern),
            Test::Time(window) => self.time(window),
        }
    }

    /// A factor that was proven counts until its age reaches what the rule allows.
    fn factor(&mut self, wanted: &WantedFactor) -> Outcome {
        let proven = self.session.and_then(|session| {
            session
                .factors
                .iter()
                .filter(|proven| proven.factor == wanted.factor)
                .map(|proven| proven.at)
                .max()
        });
        let lapses = match (proven, wanted.within) {
            (None, _) => None,
            (Some(_), None) => Some(Timestamp::MAX),
            (Some(at), Some(within)) => Some(at.plus(within.as_duration())),
        };
        match lapses.filter(|lapses| self.now < *lapses) {
            Some(lapses) => {
                self.until(lapses);
                Outcome::Holds
            }
            None => Outcome::Needs(vec![Way::factor(wanted.clone())]),
        }
    }

    fn user(&self, is_so: impl FnOnce(&SessionFacts) -> bool) -> Outcome {
        match self.session {
            Some(session) => settled(is_so(session)),
            None => Outcome::Needs(vec![Way::any_user()]),
        }
    }

    /// An IPv4 address in IPv6 form (`::ffff:192.0.2.1`) counts as the IPv4 address.
    fn client(&mut self, networks: &[IpNet]) -> Outcome {
        let seen = *self.client.insert(self.request.client);
        settled(networks.iter().any(|network| network.contains(&seen.to_canonical())))
    }

    fn access_point(&mut self, name: &Name) -> Outcome {
        let seen = self.access_point.insert(self.request.access_point.clone());
        settled(seen == name)
    }

    fn path(&mut self, prefix: &str) -> Outcome {
        let is_under = is_under(self.request.path.path(), prefix);
        self.path_asked(prefix, is_under);
        settled(is_under)
    }

    fn method(&mut self, methods: &[String]) -> Outcome {
        let seen = self.method.insert(self.request.method.clone());
        settled(methods.contains(seen))
    }

    fn header(&mut self, name: &str, pattern: &Regex) -> Outcome {
        let value = self.request.headers.get(name);
        self.headers.insert(name.to_owned(), value.cloned());
        settled(value.is_some_and(|value| pattern.is_match(value.as_bytes())))
    }

    fn time(&mut self, window: &Window) -> Outcome {
        let (is_open, next) = window.look(self.now);
        self.until(next);
        settled(is_open)
    }

    fn until(&mut self, moment: Timestamp) {
        self.valid_until = self.valid_until.min(moment);
    }
}

const fn settled(is_so: bool) -> Outcome {
    if is_so { Outcome::Holds } else { Outcome::Fails }
}
