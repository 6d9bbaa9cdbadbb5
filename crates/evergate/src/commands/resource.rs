//! `evergate resource`: the protected applications.

use clap::{Args, Subcommand};
use evergate_cluster::api_client::{ApiError, segment};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::api_client::Target;
use crate::failure::hinted;
use crate::output;

/// The arguments of `evergate resource`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  evergate resource add wiki --host wiki.example.com --upstream http://10.0.0.21:3000 \
                        --rule 'password and totp'\n  evergate resource test wiki --user bob --path /admin"
)]
pub struct ResourceArguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Publish an application
    #[command(after_help = "Example:\n  evergate resource add wiki --host wiki.example.com \
                            --upstream http://10.0.0.21:3000 --upstream http://10.0.0.22:3000 \
                            --rule 'group(\"staff\") and password' --path /webhook=anyone --header X-WEBAUTH-USER=user")]
    Add(Box<Add>),
    /// List the resources
    #[command(after_help = "Example:\n  evergate resource list")]
    List,
    /// Show one resource
    #[command(after_help = "Example:\n  evergate resource show wiki")]
    Show {
        /// The resource
        name: String,
    },
    /// Remove a resource: its hosts answer no more
    #[command(after_help = "Example:\n  evergate resource remove wiki")]
    Remove {
        /// The resource
        name: String,
        /// Change the draft only; publish it later with `evergate config publish`
        #[arg(long)]
        draft: bool,
    },
    /// Say whether a user would be let in, and which condition decides
    #[command(
        after_help = "Example:\n  evergate resource test wiki --user bob --from 10.0.0.5 --path /admin"
    )]
    Test {
        /// The resource
        name: String,
        /// The user
        #[arg(long)]
        user: String,
        /// The address the request comes from
        #[arg(long, value_name = "IP")]
        from: Option<String>,
        /// The moment of the request, such as `2026-11-22T09:00:00Z`; now, if it is not said
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// The path asked for
        #[arg(long)]
        path: Option<String>,
        /// A factor that the user has just proven, such as `password`; may be repeated
        #[arg(long)]
        factor: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// The resource's name
    name: String,
    /// A host that it answers on; may be repeated
    #[arg(long, required = true)]
    host: Vec<String>,
    /// A server of it, in order of preference; may be repeated
    #[arg(long, required = true, value_name = "URL")]
    upstream: Vec<String>,
    /// Its access rule
    #[arg(long)]
    rule: String,
    /// A rule for a part of it; may be repeated
    #[arg(long, value_name = "PREFIX=RULE", value_parser = pair)]
    path: Vec<(String, String)>,
    /// A request header that carries the user's name, groups or e-mail address; may be repeated
    #[arg(long, value_name = "NAME=user|groups|email", value_parser = pair)]
    header: Vec<(String, String)>,
    /// How long a permit that was seen stays good while no policy instance answers
    #[arg(long, value_name = "TIME")]
    grace: Option<String>,
    /// How long a permit is remembered at most; `0s`: ask policy every time
    #[arg(long, value_name = "TIME")]
    permit_cache: Option<String>,
    /// Take the place of a resource of that name; without it, another one that is there is left as it is
    #[arg(long)]
    replace: bool,
    /// Change the draft only; publish it later with `evergate config publish`
    #[arg(long)]
    draft: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`"))?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Add {
    /// The resource as the API takes it: what was not said keeps its default.
    fn body(&self) -> Value {
        let map = |pairs: &[(String, String)]| {
            pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>()
        };
        let mut body = Map::new();
        body.insert("hosts".to_owned(), json!(self.host));
        body.insert("upstreams".to_owned(), json!(self.upstream));
        body.insert("rule".to_owned(), json!(self.rule));
        body.insert("paths".to_owned(), Value::Object(map(&self.path)));
        body.insert("headers".to_owned(), Value::Object(map(&self.header)));
        for (name, value) in [("grace", &self.grace), ("permit_cache", &self.permit_cache)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        Value::Object(body)
    }
}

pub(super) async fn resource(arguments: &ResourceArguments) -> anyhow::Result<()> {
    let (target, client) = (&arguments.target, arguments.target.client()?);
    let at = |name: &str| format!("/resources/{}", segment(name));
    match &arguments.action {
        Action::Add(add) => {
            let path = format!("{}?draft={}&keep={}", at(&add.name), add.draft, !add.replace);
            let answer = client.put(&path, &add.body()).await.map_err(explained)?;
            target.show(&answer, |answer| edited(answer, &format!("resource {}", add.name)))
        }
        Action::List => target.show(&client.get("/resources").await?, listed),
        Action::Show { name } => target.show(&client.get(&at(name)).await?, output::record),
        Action::Remove { name, draft } => {
            let answer = client.delete(&format!("{}?draft={draft}", at(name))).await?;
            target.show(&answer, |answer| edited(answer, &format!("removal of resource {name}")))
        }
        Action::Test { name, user, from, at: moment, path, factor } => {
            let body = json!({ "user": user, "from": from, "at": moment, "path": path, "factors": factor });
            let answer = client.post(&format!("{}/test", at(name)), &body).await?;
            target.show(&answer, output::record)
        }
    }
}

/// A resource that is in the way can be replaced.
fn explained(error: ApiError) -> anyhow::Error {
    match &error {
        ApiError::Refused { status: StatusCode::PRECONDITION_FAILED, .. } => hinted(
            error.to_string(),
            "see it with `evergate resource show NAME`; put this one in its place with --replace",
        ),
        _ => error.into(),
    }
}

/// What came of a change to the configuration.
pub(super) fn edited(answer: &Value, what: &str) -> String {
    let is = |name: &str| answer.get(name).and_then(Value::as_bool).unwrap_or_default();
    if answer.get("is_changed").is_some() && !is("is_changed") {
        return format!("{what}: nothing differs from version {}", output::field(answer, "version"));
    }
    if is("is_draft") {
        return format!("{what}: in the draft; publish it with `evergate config publish`");
    }
    format!("{what}: published as version {}", output::field(answer, "version"))
}

fn listed(answer: &Value) -> String {
    let resources = answer.get("resources").and_then(Value::as_object).filter(|map| !map.is_empty());
    let Some(resources) = resources else { return "no resources".to_owned() };
    let row = |(name, resource): (&String, &Value)| {
        vec![
            name.clone(),
            output::field(resource, "hosts"),
            output::field(resource, "rule"),
            output::field(resource, "upstreams"),
        ]
    };
    output::table(&["name", "hosts", "rule", "upstreams"], resources.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_is_sent() {
        let add = Add {
            name: "wiki".to_owned(),
            host: vec!["wiki.example.com".to_owned()],
            upstream: vec!["http://a:1".to_owned()],
            rule: "anyone".to_owned(),
            path: vec![pair("/a=group(\"x\") and path under \"=\"").unwrap()],
            header: Vec::new(),
            grace: None,
            permit_cache: Some("0s".to_owned()),
            replace: false,
            draft: false,
        };
        let body = add.body();
        assert_eq!(body["paths"]["/a"], "group(\"x\") and path under \"=\"");
        assert_eq!(body["permit_cache"], "0s");
        assert!(body.get("grace").is_none());
        assert!(pair("no").is_err());
    }
}
