//! What the database says when it is asked from this machine. It is read, and nothing is written.

use std::io::{ErrorKind, Read};
use std::path::Path;

use evergate_cluster::checks::Line;
use evergate_cluster::checks::clock::Comparison;
use evergate_cluster::checks::database::{self, Database, Other, Privacy, Servers};
use evergate_cluster::network;
use evergate_model::Secret;
use evergate_process::Clock;
use evergate_store::servers::{self, Privacy as Seen};
use evergate_store::{Memory, Problem, Settings, Store, StoreError};
use tokio::time::Instant;

use super::Here;

/// No file with a URL is longer, in bytes.
const LONGEST_URL: u64 = 4096;

/// What is to be said of it, and how its server's clock stands.
pub(super) async fn lines(here: &Here<'_>) -> (Vec<Line>, Option<Comparison>) {
    let (found, clock) = look(here).await;
    (database::lines(&found), clock)
}

async fn look(here: &Here<'_>) -> (Database, Option<Comparison>) {
    let file = match (here.network.database(), here.network.url_file()) {
        _ if !here.uses_database() => return (Database::NotNeeded, None),
        (network::Database::Managed(node), _) => return (Database::Managed(node.clone()), None),
        (_, None) => return (Database::Sqlite, None),
        (_, Some(file)) => file,
    };
    let url = match url(&file) {
        Ok(url) => url,
        Err(why) => return (Database::NoUrl(why), None),
    };
    if url.expose().starts_with("sqlite:") {
        return (Database::NoUrl(no_url(&file)), None);
    }
    match ask(&url, &here.common.target.data).await {
        Ok((servers, clock)) => (Database::Servers(servers), clock),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            (Database::Unusable(format!("{error}{}", cause.unwrap_or_default())), None)
        }
    }
}

fn no_url(file: &Path) -> String {
    format!(
        "`{}` does not hold one URL in one line\nhint: write `postgres://NAME:PASSWORD@HOST/DATABASE`",
        file.display()
    )
}

fn url(path: &Path) -> Result<Secret<String>, String> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => format!("there is no file `{}`", path.display()),
        _ => format!("cannot read `{}`: {error}", path.display()),
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LONGEST_URL + 1).read_to_string(&mut text).map_err(failed)?;
    let is_url = text.len() as u64 <= LONGEST_URL && text.trim().lines().count() == 1;
    if is_url { Ok(Secret::new(text.trim().to_owned())) } else { Err(no_url(path)) }
}

async fn ask(url: &Secret<String>, data: &Path) -> Result<(Servers, Option<Comparison>), StoreError> {
    // What instances on this machine have seen; one that was replaced is not the one in use.
    let memory = Memory::of_instances(data).unwrap_or_default();
    let store = Store::open(url.expose(), Settings { memory, ..Settings::default() }).await?;
    let outcome = async {
        // SQLite, which has no servers, was told apart before.
        let found = servers::look(&store).await?.map(servers_of).unwrap_or_default();
        let clock = compared(&store, &found.writes).await?;
        Ok((found, clock))
    };
    let outcome = outcome.await;
    store.close().await;
    outcome
}

async fn compared(store: &Store, server: &str) -> Result<Option<Comparison>, StoreError> {
    let (begun, now) = (Instant::now(), Clock::system().now());
    let Some(there) = servers::clock(store).await? else { return Ok(None) };
    let half = i64::try_from(begun.elapsed().as_millis() / 2).unwrap_or(i64::MAX);
    Ok(Some(Comparison {
        with: format!("the database's server {server}"),
        peer: None,
        ahead: now.as_milliseconds().saturating_add(half).saturating_sub(there.as_milliseconds()),
        within: half.saturating_add(1).unsigned_abs(),
        is_proven: true,
    }))
}

fn servers_of(found: servers::Servers) -> Servers {
    let other = |trouble: evergate_store::Trouble| Other {
        server: trouble.server,
        is_standby: trouble.problem == Problem::Standby,
        problem: trouble.problem.to_string(),
        hint: trouble.problem.hint().to_owned(),
    };
    Servers {
        writes: found.writes,
        version: found.version.escape_debug().to_string(),
        is_synchronous: found.is_synchronous,
        privacy: match found.privacy {
            Seen::SameMachine | Seen::Checked => Privacy::Kept,
            Seen::Unchecked => Privacy::Unchecked,
            Seen::Plain => Privacy::Plain,
        },
        others: found.others.into_iter().map(other).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_url_is_read_and_what_is_none_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("url");
        assert!(url(&path).unwrap_err().starts_with("there is no file `"));
        std::fs::write(&path, "postgres://u:secret@h/d\n").unwrap();
        assert_eq!(url(&path).unwrap().expose(), "postgres://u:secret@h/d");
        for text in ["", "a\nb", &"x".repeat(5000)] {
            std::fs::write(&path, text).unwrap();
            assert!(url(&path).unwrap_err().contains("does not hold one URL in one line"), "{text}");
        }
    }
}
