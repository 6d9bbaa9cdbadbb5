//! A whole installation moved from SQLite to a real PostgreSQL, and what is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use evergate_model::factor::ProvenFactor;
use evergate_model::id::Kind;
use evergate_model::{Factor, Id, Service, Timestamp};
use evergate_store::moving::{MoveError, move_all};
use evergate_store::snapshots::{self, StoredSnapshot};
use evergate_store::{Actor, Settings, Store, audit, effects, integrity, revocations, sessions, users};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};

use crate::database::Database;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3600);
/// One more than a page of the mover.
const USERS: u8 = 251;

fn id<K: Kind>(number: u8) -> Id<K> {
    Id::new(NOW, [number; 10])
}

/// An SQLite database with this program's tables, and a connection that is not the store's.
struct Original {
    store: Store,
    connection: SqliteConnection,
    _directory: tempfile::TempDir,
}

impl Original {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("evergate.db").display());
        let store = Store::open(&url, Settings { create: true, ..Settings::default() }).await.unwrap();
        store.migrate().await.unwrap();
        let connection = url.parse::<SqliteConnectOptions>().unwrap().connect().await.unwrap();
        Self { store, connection, _directory: directory }
    }

    async fn say(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await.unwrap();
    }

    /// People, their sessions, one of them ended, effects, a snapshot, and the log of all that.
    async fn live(&self) {
        let mut tx = self.store.begin().await.unwrap();
        for number in 1..=USERS {
            let user = users::User {
                id: id(number),
                name: format!("user{number}é"),
                email: (number % 2 == 0).then(|| format!("user{number}@example.com")),
                state: users::State::Active,
                created_at: NOW,
                invited_at: None,
            };
            users::add(&mut tx, &Actor::System, NOW, &user).await.unwrap();
            let session = sessions::NewSession {
                id: id(number),
                user: id(number),
                factors: vec![ProvenFactor { factor: Factor::Password, at: NOW }],
                ends_at: NOW.plus(HOUR),
                client: "192.0.2.7".to_owned(),
                user_agent: "\"quoted\" \u{1f980} 'agent'".to_owned(),
            };
            sessions::open(&mut tx, &Actor::User(id(number)), NOW, &session).await.unwrap();
        }
        sessions::revoke_user(&mut tx, &Actor::System, NOW, id(3)).await.unwrap();
        effects::remember(&mut tx, "key", "fingerprint", &json!({ "came": "of it" }), NOW).await.unwrap();
        let snapshot = StoredSnapshot {
            audience: Service::Policy,
            revision: 7,
            version: 2,
            sealed: (0..=255).collect(),
        };
        snapshots::put(&mut tx, NOW, &snapshot).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Puts a row into every table that has none, by what the catalogue says of its columns.
    async fn fill(&mut self, tables: &[String]) {
        for table in tables {
            let info = format!(
                "select name, lower(type) as type, pk from pragma_table_info('{table}') order by cid"
            );
            let columns = sqlx::query(AssertSqlSafe(info)).fetch_all(&mut self.connection).await.unwrap();
            let references = format!(
                "select \"from\" as f, \"table\" as t, \"to\" as c from pragma_foreign_key_list('{table}')"
            );
            let references =
                sqlx::query(AssertSqlSafe(references)).fetch_all(&mut self.connection).await.unwrap();
            let parents: BTreeMap<String, String> = references
                .iter()
                .map(|row| {
                    let (parent, column): (String, String) = (row.get("t"), row.get("c"));
                    (row.get("f"), format!("(select {column} from {parent} limit 1)"))
                })
                .collect();
            let value = |row: &sqlx::sqlite::SqliteRow| {
                let name: String = row.get("name");
                parents.get(&name).cloned().unwrap_or_else(|| match row.get::<String, _>("type").as_str() {
                    "bigint" => "1".to_owned(),
                    "blob" => "x'00ff10'".to_owned(),
                    _ => format!("'{table} {name}'"),
                })
            };
            let values: Vec<String> = columns.iter().map(value).collect();
            let sql = format!(
                "insert into \"{table}\" select {} where not exists (select 1 from \"{table}\")",
                values.join(", ")
            );
            self.say(&sql).await;
        }
    }
}

/// All rows of a table as texts, whichever database they come from.
macro_rules! contents {
    ($connection:expr, $table:expr) => {{
        let sql = AssertSqlSafe(format!("select * from \"{}\"", $table));
        let rows = sqlx::query(sql).fetch_all($connection).await.unwrap();
        let mut texts = Vec::new();
        for row in &rows {
            let cells: Vec<String> = (0..row.len())
                .map(|place| {
                    let text = row.try_get::<Option<String>, _>(place).map(|value| format!("{value:?}"));
                    let number = || row.try_get::<Option<i64>, _>(place).map(|value| format!("{value:?}"));
                    let bytes = || row.try_get::<Option<Vec<u8>>, _>(place).map(|value| format!("{value:?}"));
                    text.or_else(|_| number()).or_else(|_| bytes()).unwrap()
                })
                .collect();
            texts.push(cells);
        }
        texts.sort();
        texts
    }};
}

#[tokio::test]
async fn an_installation_that_was_moved_is_found_again_to_the_last_row() {
    let mut original = Original::new().await;
    original.live().await;
    let target = Database::new().await;
    let new = target.open().await;
    let tables: Vec<String> =
        sqlx::query_scalar("select name from sqlite_master where type = 'table' and name <> 'migrations' and name not like 'sqlite%'")
            .fetch_all(&mut original.connection)
            .await
            .unwrap();
    // Parents may stand behind their children in the catalogue.
    original.fill(&["groups".to_owned(), "credentials".to_owned()]).await;
    original.fill(&tables).await;

    let moved = move_all(&original.store, &new).await.unwrap();
    assert_eq!(moved.rows.len(), tables.len());
    let mut there = target.connect().await;
    for table in &tables {
        let here = contents!(&mut original.connection, table);
        let found = contents!(&mut there, table);
        assert!(!here.is_empty(), "`{table}` has a row to be moved");
        assert_eq!(here, found, "{table}");
        let counted = moved.rows.iter().find(|(name, _)| name == table).map(|(_, rows)| *rows);
        assert_eq!(counted, Some(u64::try_from(here.len()).unwrap()), "{table}");
    }

    let mut reading = new.read().await.unwrap();
    let whole = audit::Verification::Whole { rows: u64::from(USERS) * 2 + 1, head: moved.head };
    assert_eq!(audit::verify(&mut reading).await.unwrap(), whole);
    assert_eq!(integrity::check(&mut reading).await.unwrap().problems, Vec::<String>::new());
    let alive = sessions::get(&mut reading, id(2)).await.unwrap().unwrap();
    let ended = sessions::get(&mut reading, id(3)).await.unwrap().unwrap();
    assert!(alive.is_alive_at(NOW) && !ended.is_alive_at(NOW));
    let snapshot = snapshots::find_newer(&mut reading, Service::Policy, 6).await.unwrap().unwrap();
    assert_eq!(snapshot.sealed, (0..=255).collect::<Vec<u8>>());
    drop(reading);

    // What is counted goes on where it stood.
    let mut tx = new.begin().await.unwrap();
    let effect: Option<serde_json::Value> = effects::find(&mut tx, "key", "fingerprint").await.unwrap();
    assert_eq!(effect, Some(json!({ "came": "of it" })));
    let next = audit::append(&mut tx, NOW, &Actor::System, "moved", "x", &json!({})).await.unwrap();
    assert_eq!(next, u64::from(USERS) * 2 + 2);
    let before = revocations::position(&mut tx).await.unwrap();
    sessions::revoke_user(&mut tx, &Actor::System, NOW, id(4)).await.unwrap();
    assert_eq!(revocations::position(&mut tx).await.unwrap(), before + 1);
    tx.commit().await.unwrap();

    let again = move_all(&original.store, &new).await.unwrap_err();
    assert!(matches!(&again, MoveError::NotEmpty { table } if table == "installation"), "{again}");
}

#[tokio::test]
async fn no_number_is_given_by_the_server_so_none_has_to_be_moved_on() {
    let database = Database::new().await;
    let mut connection = database.connect().await;
    let given = "select count(*) from information_schema.columns where table_schema = current_schema() \
                 and (is_identity = 'YES' or column_default like 'nextval%')";
    assert_eq!(sqlx::query_scalar::<_, i64>(given).fetch_one(&mut connection).await.unwrap(), 0);
}

#[tokio::test]
async fn a_target_that_holds_anything_is_refused_by_the_name_of_the_table_and_stays_as_it_is() {
    let original = Original::new().await;
    original.live().await;
    let cases = [
        (
            "attempts",
            "insert into attempts (name, address, failures, window_started_at) values ('x', '', 1, 0)",
        ),
        ("revocation_position", "update revocation_position set last = 5"),
    ];
    for (table, sql) in cases {
        let target = Database::new().await;
        target.tamper(sql).await;
        let refused = move_all(&original.store, &target.open().await).await.unwrap_err();
        assert!(matches!(&refused, MoveError::NotEmpty { table: found } if found == table), "{refused}");
        assert!(refused.to_string().contains(&format!("`{table}`")), "{refused}");
        assert_eq!((target.count("users").await, target.count(table).await), (0, 1));
    }
}

#[tokio::test]
async fn other_tables_and_other_directions_are_refused() {
    let mut original = Original::new().await;
    let empty = Database::empty().await;
    let new = empty.open().await;
    let refused = move_all(&original.store, &new).await.unwrap_err();
    assert!(matches!(refused, MoveError::OtherTables { side: "PostgreSQL" }), "{refused}");
    new.migrate().await.unwrap();
    assert!(matches!(move_all(&new, &original.store).await, Err(MoveError::Direction)));
    assert!(matches!(move_all(&new, &new).await, Err(MoveError::Direction)));

    original.say("create table attached_files (name text primary key)").await;
    let backup = move_all(&original.store, &new).await.unwrap_err();
    assert!(matches!(&backup, MoveError::UnknownTable(table) if table == "attached_files"), "{backup}");
    original.say("drop table attached_files; delete from migrations where number = 59").await;
    let older = move_all(&original.store, &new).await.unwrap_err();
    assert!(matches!(older, MoveError::OtherTables { side: "SQLite" }), "{older}");
}

#[tokio::test]
async fn what_cannot_be_kept_or_was_tampered_with_is_told_and_nothing_arrives() {
    let mut original = Original::new().await;
    original.live().await;
    let target = Database::new().await;
    let new = target.open().await;
    original.say("update sessions set user_agent = 'a' || char(0) || 'b' where rowid = 200").await;
    let zero = move_all(&original.store, &new).await.unwrap_err();
    assert!(
        matches!(&zero, MoveError::ZeroByte { table, column } if table == "sessions" && column == "user_agent"),
        "{zero}"
    );
    assert_eq!(target.count("users").await, 0, "all or nothing");
    original
        .say("update sessions set user_agent = ''; update audit set detail = '{}' where number = 300")
        .await;
    let broken = move_all(&original.store, &new).await.unwrap_err();
    assert!(matches!(broken, MoveError::BrokenLog { number: 300 }), "{broken}");
    assert_eq!((target.count("users").await, target.count("revocation_position").await), (0, 1));
}

/// A measurement: `cargo test -p evergate-store --test postgresql -- --ignored --nocapture audit_records`.
#[tokio::test]
#[ignore = "a measurement"]
async fn a_hundred_thousand_audit_records_are_moved() {
    const RECORDS: u64 = 100_000;
    let original = Original::new().await;
    let mut tx = original.store.begin().await.unwrap();
    let detail = json!({ "factor": "password", "from": "192.0.2.7" });
    for number in 0..RECORDS {
        let subject = format!("user_{number}");
        audit::append(&mut tx, NOW, &Actor::System, "session.opened", &subject, &detail).await.unwrap();
    }
    tx.commit().await.unwrap();
    let target = Database::new().await;
    let new = target.open().await;
    let began = tokio::time::Instant::now();
    let moved = move_all(&original.store, &new).await.unwrap();
    println!("{RECORDS} audit records moved in {:?}", began.elapsed());
    let whole = audit::Verification::Whole { rows: RECORDS, head: moved.head };
    assert_eq!(audit::verify(&mut new.read().await.unwrap()).await.unwrap(), whole);
}
