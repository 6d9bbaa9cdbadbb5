//! Where a sign-in is to lead: read from the query, and refused unless it is ours.

use evergate_model::{Host, NormalPath};

use crate::error::Error;
use crate::progress::Target;
use crate::settings::Settings;

/// The longest query.
const LONGEST: usize = 16 * 1024;

/// The target that a query names: `host`, `path` and `nonce` (a resource, as an access point sends
/// browsers here), or `to` (a page of the portal), or nothing (the portal).
///
/// # Errors
/// When the host is not published, or a part is not of its form.
pub(super) fn read(query: &str, settings: &Settings) -> Result<Target, Error> {
    if query.len() > LONGEST {
        return Err(Error::Malformed("The address is too long."));
    }
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query).map_err(|_| Error::Malformed("The address cannot be read."))?;
    let get = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match get("host") {
        Some(host) => resource(host, get("path").unwrap_or("/"), get("nonce").unwrap_or_default(), settings),
        None => portal(get("to").unwrap_or("/")),
    }
}

fn resource(host: &str, path: &str, nonce_hash: &str, settings: &Settings) -> Result<Target, Error> {
    let not_ours = Error::Malformed("The address to return to is not one of ours.");
    let Some(host) = host.parse::<Host>().ok().filter(|host| settings.publishes(host)) else {
        return Err(not_ours);
    };
    let Ok(path) = NormalPath::new(path) else { return Err(not_ours) };
    let is_hash =
        nonce_hash.len() == 64 && nonce_hash.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hash {
        return Err(Error::Malformed("The sign-in did not begin at the application."));
    }
    Ok(Target::Resource { host, path: path.path_and_query().to_owned(), nonce_hash: nonce_hash.to_owned() })
}

fn portal(path: &str) -> Result<Target, Error> {
    let path = NormalPath::new(path)
        .ok()
        .filter(|path| path.path() == "/" || path.is_under("/account"))
        .ok_or(Error::Malformed("The address to return to is not one of ours."))?;
    Ok(Target::Portal { path: path.path_and_query().to_owned() })
}

#[cfg(test)]
mod tests {
    use evergate_model::configuration::Configuration;

    use super::*;

    fn settings() -> Settings {
        let configuration: Configuration = serde_json::from_value(serde_json::json!({
            "portal_host": "portal.example.com",
            "resources": { "wiki": {
                "hosts": ["wiki.example.com"], "upstreams": ["http://127.0.0.1:1"], "rule": "password"
            } }
        }))
        .unwrap();
        Settings::new(&configuration, evergate_tokens::Verifier::default())
    }

    #[test]
    fn only_published_hosts_are_returned_to() {
        let nonce = "a".repeat(64);
        let read = |query: &str| read(query, &settings());
        let target = read(&format!("host=Wiki.example.com&path=/a/../b%3Fc&nonce={nonce}")).unwrap();
        let Target::Resource { host, path, .. } = target else { panic!() };
        assert_eq!((host.as_str(), path.as_str()), ("wiki.example.com", "/b?c"));
        for bad in [
            format!("host=evil.example.com&path=/&nonce={nonce}"),
            format!("host=portal.example.com&path=/&nonce={nonce}"),
            format!("host=wiki.example.com:444&path=/&nonce={nonce}"),
            format!("host=wiki.example.com&path=//evil&nonce={}", &nonce[1..]),
            format!("host=wiki.example.com&path=https://evil/&nonce={nonce}"),
            "to=//evil.example.com/".to_owned(),
            "to=https://evil.example.com/".to_owned(),
            "to=/sign-out".to_owned(),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
        assert_eq!(read("").unwrap(), Target::Portal { path: "/".to_owned() });
        assert_eq!(read("to=/account").unwrap(), Target::Portal { path: "/account".to_owned() });
    }
}
