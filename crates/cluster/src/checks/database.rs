//! Whether the database can be reached from here, and what endangers what it is told.

use super::Line;

const CHECK: &str = "database";

/// The database, as it was found from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// No instance of this machine uses it.
    NotNeeded,
    /// SQLite beside the state of the one machine.
    Sqlite,
    /// Evergate's own PostgreSQL on that node, which only the overlay network reaches.
    Managed(String),
    /// The file with its URL is not here, or cannot be used: the text, with a hint.
    NoUrl(String),
    /// No server takes writes: the text, with a hint.
    Unusable(String),
    /// A PostgreSQL that takes writes.
    Servers(Servers),
}

/// The servers of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Servers {
    /// The one that takes writes.
    pub writes: String,
    /// Its version.
    pub version: String,
    /// Whether a commit waits for a standby.
    pub is_synchronous: bool,
    /// Who else can read what passes on the way.
    pub privacy: Privacy,
    /// The others.
    pub others: Vec<Other>,
}

/// Who else can read what passes on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Privacy {
    /// Nobody.
    #[default]
    Kept,
    /// Whoever takes the server's place.
    Unchecked,
    /// Whoever is in between.
    Plain,
}

/// A server that takes no writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Host and port.
    pub server: String,
    /// Whether it follows another, as it should.
    pub is_standby: bool,
    /// Why it takes none.
    pub problem: String,
    /// What can be done.
    pub hint: String,
}

/// What is to be said of it.
#[must_use]
pub fn lines(database: &Database) -> Vec<Line> {
    match database {
        Database::NotNeeded => vec![Line::ok(CHECK, "no instance on this machine uses it")],
        Database::Sqlite => vec![Line::ok(CHECK, "SQLite, a file on the one machine")],
        Database::Managed(node) => {
            let seen = format!(
                "managed: it runs on node `{node}` and stays there with its data; it is reached inside the swarm only, \
                 and speaks no TLS: who has the join token can read along"
            );
            vec![Line::warn(CHECK, seen, "name a PostgreSQL with TLS by `database: { url_file: FILE }`")]
        }
        Database::NoUrl(text) => vec![unchecked(text)],
        Database::Unusable(text) => vec![Line::refused(CHECK, text, "evergate database check")],
        Database::Servers(servers) => of_servers(servers),
    }
}

/// Instances in a swarm have the URL from their bootstrap files, so that it need not lie on every machine.
fn unchecked(text: &str) -> Line {
    let (seen, hint) = text.split_once("\nhint: ").unwrap_or((text, ""));
    let fix = match hint {
        "" => "run this where the file is, or bring it here for this once (mode 0600)",
        hint => hint,
    };
    Line::warn(CHECK, format!("not checked from here: {seen}"), fix)
}

fn of_servers(servers: &Servers) -> Vec<Line> {
    let mut lines =
        vec![Line::ok(CHECK, format!("PostgreSQL {} at {} takes writes", servers.version, servers.writes))];
    lines.extend(servers.others.iter().map(|other| match other.is_standby {
        true => Line::ok(CHECK, format!("{}: {}", other.server, other.problem)),
        false => Line::warn(CHECK, format!("{}: {}", other.server, other.problem), &other.hint),
    }));
    if !servers.is_synchronous {
        let seen = "without synchronous replication a promotion can lose the last confirmed writes: a code that was \
                    used may be used again, a session that was ended may be good again";
        let fix = "set `synchronous_standby_names` at the server, and `synchronous_commit` to `on`";
        lines.push(Line::warn(CHECK, seen, fix));
    }
    let in_url = "write `sslmode=verify-full` into the URL of the database";
    match servers.privacy {
        Privacy::Kept => {}
        Privacy::Unchecked => {
            let seen = "the server's certificate is not checked: whoever takes its place gets the password";
            lines.push(Line::warn(CHECK, seen, in_url));
        }
        Privacy::Plain => {
            let seen = "the connection is plain: whoever is in between reads and changes everything";
            lines.push(Line::warn(CHECK, seen, in_url));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn what_endangers_it_is_told() {
        let other = |server: &str, is_standby, problem: &str, hint: &str| Other {
            server: server.to_owned(),
            is_standby,
            problem: problem.to_owned(),
            hint: hint.to_owned(),
        };
        let well = Servers {
            writes: "db1:5432".to_owned(),
            version: "15.14".to_owned(),
            is_synchronous: true,
            privacy: Privacy::Kept,
            others: vec![other("db2:5432", true, "it is a standby and takes no writes", "-")],
        };
        let others = vec![other("db3:5432", false, "it refuses connections", "is PostgreSQL running?")];
        let odd = Servers { is_synchronous: false, privacy: Privacy::Plain, others, ..well.clone() };
        let unchecked = Servers { privacy: Privacy::Unchecked, others: Vec::new(), ..well.clone() };
        let unusable = "the database at `db1:5432`: it does not accept the password of `evergate`\n\
                        hint: are name and password in the address right?";
        let all = [
            Database::NotNeeded,
            Database::Sqlite,
            Database::Managed("node-b".to_owned()),
            Database::NoUrl("there is no file `secrets/database-url`".to_owned()),
            Database::NoUrl(
                "`url` does not hold one URL in one line\nhint: write `postgres://...`".to_owned(),
            ),
            Database::Unusable(unusable.to_owned()),
            Database::Unusable("the database did not answer within 5000 ms".to_owned()),
            Database::Servers(well),
            Database::Servers(odd),
            Database::Servers(unchecked),
        ];
        let all: Vec<String> = all.iter().map(|database| shown(&lines(database))).collect();
        insta::assert_snapshot!(all.join("\n"));
    }
}
