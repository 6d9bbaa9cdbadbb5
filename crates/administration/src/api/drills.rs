//! Drills in the audit log: who struck which instance, and what came of it.
//!
//! The drill itself runs at the operator's; this only writes down what it says of itself.

use axum::http::Method;
use evergate_store::audit;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Answer, Call, Route, Stop};
use crate::{Failure, Privilege};

/// A note is no longer than this, in bytes of JSON.
const LONGEST: usize = 16 * 1024;
const LONGEST_NAME: usize = 64;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            Method::POST,
            "/drills",
            Privilege::OperateInstances,
            "notes a drill in the audit log",
            note,
        )
        .takes::<Note>(),
    ]
}

/// What happens in a drill.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Happening {
    /// It begins.
    Started,
    /// An instance is about to be struck.
    Struck,
    /// It is over.
    Ended,
}

impl Happening {
    const fn action(&self) -> &'static str {
        match self {
            Self::Started => "drill.started",
            Self::Struck => "drill.struck",
            Self::Ended => "drill.ended",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    /// The drill, as it names itself.
    drill: String,
    happening: Happening,
    /// Particulars.
    #[serde(default)]
    detail: Map<String, Value>,
}

async fn note(call: Call) -> Result<Answer, Stop> {
    let note: Note = call.json()?;
    let is_name = |text: &str| {
        (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !is_name(&note.drill) || call.body.len() > LONGEST {
        let text = format!(
            "a drill has a name of 1 to {LONGEST_NAME} visible letters, and a note at most {LONGEST} bytes"
        );
        return Err(Failure::invalid("drill", text).into());
    }
    let mut write = call.begin().await?;
    let (actor, now) = (write.actor.clone(), write.now);
    let (action, detail) = (note.happening.action(), Value::Object(note.detail));
    audit::append(&mut write, now, &actor, action, &note.drill, &detail).await?;
    write.finish(Answer::nothing()).await
}
