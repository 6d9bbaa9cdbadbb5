//! What an administrator writes: resources, rules, methods, mail, certificates.
//!
//! The file of `evergate config apply` and the body of a published version are this type. Users
//! are data and the topology is `network.yml`'s: neither is here. Access rules are kept as text;
//! the `decision` crate parses and checks them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::topology::Mode;
use crate::{Host, Name, Period, Service};

/// A whole configuration: one published version, or a file to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The host of sign-in, portal and account pages.
    pub portal_host: Host,
    /// The host of the administrators' console; absent: only on the instances' own addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console_host: Option<Host>,
    /// The port that browsers use, where it is not 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_port: Option<u16>,
    /// Certificates brought along; hosts without one get theirs from the local CA.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateFiles>,
    /// The rule that every resource's requests must satisfy as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_rule: Option<String>,
    /// Rules that others refer to by `rule(NAME)`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<Name, String>,
    /// The protected applications.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<Name, Resource>,
    /// Limits of sessions.
    #[serde(default)]
    pub sessions: SessionLimits,
    /// Limits of signing in.
    #[serde(default)]
    pub sign_in: SignInLimits,
    /// How mail leaves; absent: it is written to files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<Mail>,
    /// How the callers of a service use its instances; `failover` where it is not said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<Service, Mode>,
}

/// A certificate and its key, as files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The hosts it is used for.
    pub hosts: Vec<Host>,
    /// The chain, PEM, leaf first.
    pub file: String,
    /// The key, PEM.
    pub key_file: String,
}

/// A protected application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The hosts it answers on.
    pub hosts: Vec<Host>,
    /// Its servers, in order of preference: `http://10.0.0.21:3000`.
    pub upstreams: Vec<String>,
    /// Its access rule.
    pub rule: String,
    /// Rules for parts of it, by path prefix; the longest prefix holds, in place of `rule`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, String>,
    /// General rules that must be satisfied as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub general: Vec<Name>,
    /// Extra request headers that carry what is known of the user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, UserFact>,
    /// How long a permit that was seen stays good while no policy instance answers.
    #[serde(default = "default_grace")]
    pub grace: Period,
    /// How long a permit is remembered at most; `0s`: ask policy every time. At most 30 s.
    #[serde(default = "default_permit_cache")]
    pub permit_cache: Period,
    /// How its servers are used.
    #[serde(default)]
    pub mode: Mode,
    /// What the portal shows; absent: the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What an extra header may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UserFact {
    /// The name the user signs in by.
    User,
    /// The groups, separated by commas.
    Groups,
    /// The e-mail address.
    Email,
}

/// Limits of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionLimits {
    /// A session ends so long after it was opened.
    pub absolute: Period,
    /// A session ends after so long without a request.
    pub idle: Period,
}

/// Limits of signing in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignInLimits {
    /// So many failures by one address for one user, then a pause.
    pub failures: u32,
    /// The pause, and the window in which failures count.
    pub pause: Period,
    /// So many failures for one user from all addresses together, then the same pause.
    pub failures_per_user: u32,
    /// So many failures from one address for all users together, then the same pause: one password
    /// tried on many names. Offices behind one address want it high; never below `failures`.
    #[serde(skip_serializing_if = "is_usual_per_address")]
    pub failures_per_address: u32,
}

/// How mail leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The sender: `Evergate <noreply@example.com>`.
    pub from: String,
    /// Mail servers, in order of preference.
    pub servers: Vec<MailServer>,
}

/// One mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailServer {
    /// Its host.
    pub host: String,
    /// Its port; 587 where it is not said.
    #[serde(default = "default_mail_port")]
    pub port: u16,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: MailTls,
    /// The name to sign in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A file with the password, on the distribution instance's node: none of the installation's own,
    /// except in `secrets` in its directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailTls {
    /// STARTTLS, required.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// None: for a server on the same machine.
    None,
}

const fn default_grace() -> Period {
    Period::from_seconds(900)
}
const fn default_permit_cache() -> Period {
    Period::from_seconds(30)
}
const fn default_mail_port() -> u16 {
    587
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { absolute: Period::from_seconds(12 * 3600), idle: Period::from_seconds(2 * 3600) }
    }
}
/// What every installation has is not written down, so that a program that does not know it yet can
/// read the configuration during an upgrade.
const USUAL_PER_ADDRESS: u32 = 100;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_usual_per_address(failures: &u32) -> bool {
    *failures == USUAL_PER_ADDRESS
}

impl SignInLimits {
    /// The limit of an address for all users together: at least what it has for one of them.
    #[must_use]
    pub fn of_an_address(&self) -> u32 {
        self.failures_per_address.max(self.failures)
    }
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self {
            failures: 5,
            pause: Period::from_seconds(15 * 60),
            failures_per_user: 100,
            failures_per_address: USUAL_PER_ADDRESS,
        }
    }
}
