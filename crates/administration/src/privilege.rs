//! What an API token may allow. Administrators in the console have all of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! privileges {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What a caller may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Privilege { $($(#[$doc])* $name,)* }

        impl Privilege {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name, as in tokens and documents.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

privileges! {
    /// See instances, links and versions.
    ReadStatus = "read-status";
    /// Drain, resume and restart instances, and move the active administration.
    OperateInstances = "operate-instances";
    /// Make bootstrap files, which hold an instance's key; an administration instance's opens all keys.
    MakeBootstrapFiles = "make-bootstrap-files";
    /// See users, groups and which credentials they have.
    ReadUsers = "read-users";
    /// Add, change and remove users and groups.
    WriteUsers = "write-users";
    /// Do so with administrators too, which gives every other privilege.
    ManageAdministrators = "manage-administrators";
    /// See the configuration, its versions and the draft; test access.
    ReadConfiguration = "read-configuration";
    /// Change and publish the configuration.
    WriteConfiguration = "write-configuration";
    /// See sessions.
    ReadSessions = "read-sessions";
    /// End sessions.
    RevokeSessions = "revoke-sessions";
    /// See, make and revoke API tokens, of at most one's own privileges.
    ManageApiTokens = "manage-api-tokens";
    /// See which keys there are, never the keys.
    ReadKeys = "read-keys";
    /// Rotate keys.
    RotateKeys = "rotate-keys";
    /// Read and verify the audit log.
    ReadAudit = "read-audit";
    /// Send a probe through the outbox.
    ProbeMail = "probe-mail";
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is no privilege.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a privilege")]
pub struct PrivilegeError(String);

impl FromStr for Privilege {
    type Err = PrivilegeError;

    fn from_str(text: &str) -> Result<Self, PrivilegeError> {
        let found = Self::ALL.iter().find(|privilege| privilege.as_str() == text);
        found.copied().ok_or_else(|| PrivilegeError(text.chars().take(80).collect()))
    }
}
