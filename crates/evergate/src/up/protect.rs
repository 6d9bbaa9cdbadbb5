//! The resources that the command line asks for: `--protect NAME=URL`, and the demo.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::Context;
use evergate_administration::setup::Installation;
use evergate_model::configuration::Resource;
use evergate_model::topology::Mode;
use evergate_model::{Host, Name, Period};

use super::UpArguments;
use super::ports::loopback;
use crate::demo::RESOURCE as DEMO;

/// An application to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protect {
    name: Name,
    url: String,
}

impl FromStr for Protect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, url) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not NAME=URL, such as `wiki=http://127.0.0.1:3000`"))?;
        let name: Name = name.parse().map_err(|error| format!("{error}"))?;
        if ["portal", "console", DEMO].contains(&name.as_str()) {
            return Err(format!("`{name}` is taken; choose another name"));
        }
        let parsed: http::Uri = url.parse().map_err(|error| format!("`{url}` is not an address: {error}"))?;
        let is_origin = matches!(parsed.scheme_str(), Some("http" | "https"))
            && parsed.host().is_some_and(|host| !host.is_empty())
            && parsed.path() == "/"
            && parsed.query().is_none();
        if !is_origin {
            return Err(format!("`{url}` is not an origin, such as `http://127.0.0.1:3000`"));
        }
        Ok(Self { name, url: url.trim_end_matches('/').to_owned() })
    }
}

/// Where the applications that the command line names are published, as the configuration has it: one
/// that was there already stays as it is.
pub(super) fn addresses(arguments: &UpArguments, installation: &Installation, port: u16) -> Vec<String> {
    let published = |Protect { name, url }: &Protect| {
        let resource = installation.resources.get(name)?;
        let host = resource.hosts.first()?;
        let kept = if resource.upstreams == [url.as_str()] {
            ""
        } else {
            "   (published before, with other servers, which it keeps)"
        };
        Some(format!("{:<8} https://{host}:{port}/{kept}", name.as_str()))
    };
    arguments.protect.iter().filter_map(published).collect()
}

/// The demo's resource, unless it is not wanted.
pub(super) fn demo(arguments: &UpArguments, servers: &[u16]) -> anyhow::Result<Option<(Name, Resource)>> {
    if arguments.no_demo || servers.is_empty() {
        return Ok(None);
    }
    let upstreams = servers.iter().map(|port| format!("http://{}", loopback(*port))).collect();
    let demo = resource(DEMO, &arguments.domain, upstreams, "password and totp")?;
    Ok(Some((DEMO.parse()?, Resource { title: Some("Welcome".to_owned()), ..demo })))
}

/// The resources that must exist, by name.
pub(super) fn resources(arguments: &UpArguments) -> anyhow::Result<BTreeMap<Name, Resource>> {
    let mut resources = BTreeMap::new();
    for Protect { name, url } in &arguments.protect {
        let wanted = resource(name.as_str(), &arguments.domain, vec![url.clone()], "password")?;
        resources.insert(name.clone(), wanted);
    }
    Ok(resources)
}

fn resource(name: &str, domain: &Host, upstreams: Vec<String>, rule: &str) -> anyhow::Result<Resource> {
    let host = format!("{name}.{domain}");
    Ok(Resource {
        hosts: vec![host.parse().with_context(|| format!("`{host}` cannot be a host"))?],
        upstreams,
        rule: rule.to_owned(),
        paths: BTreeMap::new(),
        general: Vec::new(),
        headers: BTreeMap::new(),
        grace: Period::from_seconds(15 * 60),
        permit_cache: Period::from_seconds(30),
        mode: Mode::Failover,
        title: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_a_name_and_an_origin() {
        let wiki: Protect = "wiki=http://127.0.0.1:3000/".parse().unwrap();
        assert_eq!((wiki.name.as_str(), wiki.url.as_str()), ("wiki", "http://127.0.0.1:3000"));
        for bad in
            ["wiki", "Wiki=http://a", "portal=http://a", "a=ftp://a", "a=http://a/b", "a=", "a=http://"]
        {
            assert!(bad.parse::<Protect>().is_err(), "{bad}");
        }
    }
}
