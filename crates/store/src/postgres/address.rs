//! The address of a PostgreSQL database: `postgres://name:password@host1:5432,host2:5432/database`,
//! with several hosts of which one takes writes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// What may stand behind the `?`, as libpq calls it.
const PARAMETERS: [&str; 8] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "application_name", "options"];
/// The same, which means nothing here: the writable host is always looked for.
const IGNORED: [&str; 2] = ["target_session_attrs", "load_balance_hosts"];

/// So long an open transaction may lie idle before the server ends it: the instance hangs or its machine is
/// gone, and all other writers wait for it (design.md section 4 says the same of SQLite's lock). Those of its
/// machine that stood in line for the lock get it in turn, and are waited for as long each; so it is short.
const IDLE_IN_TRANSACTION: Duration = Duration::from_millis(500);

/// Why a text is no address. Never contains the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not begin as one.
    #[error(
        "the address of the database is none\nhint: write `postgres://NAME:PASSWORD@HOST:5432/DATABASE`, \
         with several hosts `HOST1:5432,HOST2:5432`, or `sqlite:FILE`"
    )]
    Form,
    /// A name or password with a sign that means something in an address.
    #[error(
        "the name or password in the address of the database has a `/`, `?` or `@`\nhint: write `%2F` for `/`, `%3F` for `?`, `%40` for `@`"
    )]
    Sign,
    /// It names no database.
    #[error(
        "the address of the database at `{0}` does not name the database\nhint: write its name behind the hosts: `/evergate`"
    )]
    NoDatabase(String),
    /// A parameter that is not known.
    #[error("the address of the database has an unknown parameter `{0}`\nhint: known are {known}", known = PARAMETERS.join(", "))]
    Parameter(String),
    /// Host, port or a parameter's value cannot be read.
    #[error("the address of the database at `{host}` cannot be read: {reason}")]
    Host {
        /// The host and port as written.
        host: String,
        /// What is wrong.
        reason: String,
    },
}

/// One server.
#[derive(Clone)]
pub(crate) struct Server {
    /// Host and port, or the directory of its socket: what messages call it.
    pub(crate) name: String,
    /// How it is connected to.
    pub(crate) options: PgConnectOptions,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.name).finish()
    }
}

/// Whether this is an address of PostgreSQL at all.
pub(crate) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// The servers of an address, in its order; a write waits for others as long as `busy_timeout`.
pub(crate) fn servers(url: &str, busy_timeout: Duration) -> Result<Vec<Server>, AddressError> {
    let (_, rest) = url.split_once("://").filter(|_| is_postgres(url)).ok_or(AddressError::Form)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if !authority.contains('@') && tail.contains('@') {
        return Err(AddressError::Sign);
    }
    let tail = known_parameters(tail)?;
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    hosts.split(',').map(|host| server(&user, host, &tail, busy_timeout)).collect()
}

fn server(user: &str, host: &str, tail: &str, busy_timeout: Duration) -> Result<Server, AddressError> {
    // Without a host it stands in a parameter, which wins: the directory of a socket.
    let host = if host.is_empty() { "localhost" } else { host };
    let cannot = |error: sqlx::Error| AddressError::Host { host: host.to_owned(), reason: error.to_string() };
    let options = PgConnectOptions::from_str(&format!("postgres://{user}{host}{tail}")).map_err(cannot)?;
    let name = match options.get_socket() {
        Some(directory) => format!("{}/.s.PGSQL.{}", directory.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    if options.get_database().is_none_or(str::is_empty) {
        return Err(AddressError::NoDatabase(name));
    }
    let milliseconds = |limit: Duration| limit.as_millis().to_string();
    let options = options.application_name("evergate").statement_cache_capacity(64).options([
        ("default_transaction_isolation", "read committed".to_owned()),
        ("lock_timeout", milliseconds(busy_timeout)),
        ("idle_in_transaction_session_timeout", milliseconds(IDLE_IN_TRANSACTION)),
    ]);
    Ok(Server { name, options })
}

/// The part behind the hosts, without what means nothing here.
fn known_parameters(tail: &str) -> Result<String, AddressError> {
    let Some((path, parameters)) = tail.split_once('?') else { return Ok(tail.to_owned()) };
    let mut kept = Vec::new();
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        if PARAMETERS.contains(&name) {
            kept.push(parameter);
        } else if !IGNORED.contains(&name) {
            return Err(AddressError::Parameter(name.to_owned()));
        }
    }
    Ok(format!("{path}?{}", kept.join("&")))
}

/// Whether TLS is never asked of it.
pub(super) fn refuses_tls(server: &Server) -> bool {
    matches!(server.options.get_ssl_mode(), PgSslMode::Disable | PgSslMode::Allow)
}

/// Whether it is on this machine, by its address: a socket, or the machine's own address.
pub(super) fn is_near(server: &Server) -> bool {
    let host = server.options.get_host().trim_matches(['[', ']']);
    let is_own = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_socket(server) || is_own || host == "localhost"
}

/// Whether its certificate is asked for and checked.
pub(super) fn checks_certificate(server: &Server) -> bool {
    matches!(server.options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull)
}

/// Whether it is reached by a socket of this machine.
pub(super) fn is_socket(server: &Server) -> bool {
    server.options.get_socket().is_some() || server.options.get_host().starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(url: &str) -> Result<Vec<String>, AddressError> {
        Ok(servers(url, Duration::from_secs(5))?.into_iter().map(|server| server.name).collect())
    }

    #[test]
    fn several_hosts_are_read_in_order_with_their_ports() {
        let url = "postgres://u:p%40,x@db1:5433,db2,[::1]:5434/evergate?sslmode=require&target_session_attrs=read-write";
        assert_eq!(names(url).unwrap(), ["db1:5433", "db2:5432", "[::1]:5434"]);
        let all = servers(url, Duration::from_secs(5)).unwrap();
        assert!(all.iter().all(|server| server.options.get_username() == "u"));
        assert!(all.iter().all(|server| server.options.get_database() == Some("evergate")));
        assert!(all.iter().all(|server| !refuses_tls(server)));
        let socket = names("postgresql://u@/evergate?host=/run/postgresql&port=5433").unwrap();
        assert_eq!(socket, ["/run/postgresql/.s.PGSQL.5433"]);
    }

    #[test]
    fn what_is_no_address_is_refused_without_telling_the_password() {
        assert_eq!(names("mysql://u:secret@h/x"), Err(AddressError::Form));
        assert_eq!(names("postgres://u:sec/ret@h/x"), Err(AddressError::Sign));
        let refused = [
            "postgres://u:secret@h:5432",
            "postgres://u:secret@h:port/x",
            "postgres://u:secret@h/x?sslmode=maybe",
            "postgres://u:secret@h/x?sslmod=require",
        ];
        for url in refused {
            let error = names(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{url}: {error}");
        }
        let unknown = names(refused[3]).unwrap_err();
        assert!(
            unknown.to_string().starts_with("the address of the database has an unknown parameter `sslmod`")
        );
    }

    #[test]
    fn a_server_does_not_show_its_password() {
        let all = servers("postgres://u:secret@h:5432/x", Duration::from_secs(5)).unwrap();
        assert_eq!(format!("{all:?}"), r#"[Server("h:5432")]"#);
    }
}
