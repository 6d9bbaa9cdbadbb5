//! The supervisor's control socket: what may be asked of it, and the client that asks.
//!
//! A stream socket in the installation's directory, for the installation's own user only. Messages
//! are JSON, one a line. Every [`Request`] has exactly one [`Answer`], in order; events come in
//! between, unasked.

mod client;
pub(super) mod server;
mod socket;

use serde::{Deserialize, Serialize};

pub use client::{Client, ControlError};
pub use socket::{SOCKET, bind};

/// What a drill does to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Killed, as by SIGKILL; started again at once.
    Crash,
    /// Stopped, as by SIGSTOP, until it is healed.
    Hang,
}

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// Do a fault to a child's process. The answer comes when the signal has been delivered.
    Strike {
        /// Which.
        child: String,
        /// What.
        fault: Fault,
        /// How long a hang lasts, 60 s at most, which also is what it lasts where nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    /// Let a child go on that was stopped; no error if it does already.
    Heal {
        /// Which.
        child: String,
    },
    /// End a child that may be absent, until the next start of the supervisor.
    End {
        /// Which.
        child: String,
    },
}

/// What the supervisor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// To a request.
    Answer(Answer),
    /// Unasked.
    Event(Event),
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Answer {
    /// The signal has been delivered.
    Struck {
        /// Whom.
        child: String,
        /// To which process.
        pid: u32,
    },
    /// It goes on.
    Healed {
        /// Who.
        child: String,
    },
    /// It was asked to end, and will not be started again.
    Ended {
        /// Who.
        child: String,
    },
    /// Nothing was done.
    Refused {
        /// Why.
        why: String,
    },
}

/// What happened to a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Which.
    pub child: String,
    /// Its process.
    pub pid: u32,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What may happen to a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// It goes on after a drill had stopped it.
    Healed {
        /// `asked`, `time` (is over) or `closed` (the drill's connection).
        why: String,
    },
    /// The supervisor killed it, because it hung.
    Killed {
        /// By which rule.
        why: String,
    },
    /// Its process ended, however that came about.
    Ended {
        /// `signal: 9 (SIGKILL)`, `exit status: 0`.
        how: String,
    },
    /// It has a new process.
    Started,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_the_other_side_reads() {
        let strike = r#"{"do":"strike","child":"policy1","fault":"hang","seconds":10}"#;
        let read: Request = serde_json::from_str(strike).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), strike);
        let read: Request =
            serde_json::from_str(r#"{"do":"strike","child":"policy1","fault":"crash","later":1}"#).unwrap();
        assert!(
            matches!(read, Request::Strike { fault: Fault::Crash, seconds: None, .. }),
            "newer words pass"
        );

        let event = Event { child: "policy1".to_owned(), pid: 7, what: What::Killed { why: "w".to_owned() } };
        let text = serde_json::to_string(&Message::Event(event.clone())).unwrap();
        assert_eq!(text, r#"{"event":{"child":"policy1","pid":7,"what":"killed","why":"w"}}"#);
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), Message::Event(event));
    }
}
