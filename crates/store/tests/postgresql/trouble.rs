//! What can be wrong with a server, each on a real one: told apart, with what to do.

use std::net::TcpListener;
use std::time::Duration;

use evergate_model::Timestamp;
use evergate_store::{Problem, Settings, Store, StoreError, copies, integrity, users};
use sqlx::ConnectOptions;

use crate::cluster::{Cluster, Plan};
use crate::database::Database;

/// Why the database at `url` cannot be opened: of its one server, and in full.
async fn problem(url: &str) -> (Problem, String) {
    match Store::open(url, Settings::default()).await {
        Err(error @ StoreError::Unusable(_)) => {
            let text = error.to_string();
            let StoreError::Unusable(mut troubles) = error else { unreachable!() };
            assert_eq!(troubles.len(), 1);
            (troubles.remove(0).problem, text)
        }
        other => panic!("{url}: {other:?}"),
    }
}

async fn started(plan: Plan) -> Cluster {
    tokio::task::spawn_blocking(move || Cluster::start_as(&plan)).await.unwrap()
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[tokio::test]
async fn a_host_that_is_not_there_and_one_where_nobody_listens_are_told_apart() {
    let (found, text) = problem("postgres://evergate@no-such-host.invalid:5432/evergate").await;
    assert_eq!(found, Problem::HostUnknown);
    assert_eq!(
        text,
        "the database at `no-such-host.invalid:5432`: there is no host of that name\n\
         hint: is the host's name in the address right, and does this machine resolve it?"
    );
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(problem(&format!("postgres://evergate@{free}/evergate")).await.0, Problem::Refused);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://evergate@{}/evergate", silent.local_addr().unwrap());
    assert_eq!(problem(&url).await.0, Problem::Silent(Duration::from_secs(1)));
    let socket = problem("postgres://evergate@/evergate?host=/nowhere").await;
    assert_eq!(socket.0, Problem::Refused, "{}", socket.1);
}

#[tokio::test]
async fn of_several_servers_each_says_what_is_wrong_with_it() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://evergate@{free},no-such-host.invalid:5432/evergate");
    let error = Store::open(&url, Settings::default()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "none of the database's servers takes writes: `{free}`: it refuses connections; \
             `no-such-host.invalid:5432`: there is no host of that name\n\
             hint: is the host's name in the address right, and does this machine resolve it?"
        )
    );
}

#[tokio::test]
async fn name_password_database_and_access_are_told_apart() {
    let access = lines(&[
        "host all strict 127.0.0.1/32 scram-sha-256",
        "host all stranger 127.0.0.1/32 trust",
        "host all postgres 127.0.0.1/32 trust",
    ]);
    let cluster = started(Plan { access, ..Plan::default() }).await;
    cluster.say("create role strict login password 'r/ght'").await;
    cluster.say("create role outsider login").await;
    let url = |who: &str, name: &str| format!("postgres://{who}@127.0.0.1:{}/{name}", cluster.port());

    let (found, text) = problem(&url("strict:wrong", "postgres")).await;
    assert_eq!(found, Problem::WrongPassword("strict".to_owned()));
    assert!(
        text.contains("it does not accept the password of `strict`\nhint: are name and password"),
        "{text}"
    );
    assert!(!text.contains("wrong"), "{text}");
    let (found, _) = problem(&url("strict", "postgres")).await;
    assert_eq!(found, Problem::WrongPassword("strict".to_owned()), "none was given");
    Store::open(&url("strict:r%2Fght", "postgres"), Settings::default()).await.unwrap();

    let (found, text) = problem(&url("stranger", "postgres")).await;
    assert_eq!(found, Problem::NameUnknown("stranger".to_owned()), "{text}");
    let (found, text) = problem(&url("postgres", "nothing")).await;
    assert_eq!(found, Problem::NoDatabase("nothing".to_owned()));
    assert!(text.contains("hint: make it: `create database"), "{text}");
    let (found, text) = problem(&url("outsider", "postgres")).await;
    assert!(matches!(found, Problem::NotLetIn { ref user, .. } if user == "outsider"), "{text}");
    assert!(text.contains("`pg_hba.conf`"), "{text}");
}

#[tokio::test]
async fn tls_that_is_missing_wanted_or_not_believed_is_told_apart() {
    let authority = rcgen::CertificateParams::new(Vec::new()).map(|mut params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
    });
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertifiedIssuer::self_signed(authority.unwrap(), authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();

    let access = lines(&["hostssl all postgres 127.0.0.1/32 trust", "hostssl all postgres ::1/128 trust"]);
    let tls = Some((leaf.pem(), key.serialize_pem()));
    let cluster = started(Plan { access, tls, ..Plan::default() }).await;
    let url = |host: &str, parameters: &str| {
        format!("postgres://postgres@{host}:{}/postgres?{parameters}", cluster.port())
    };
    let believing = format!("sslmode=verify-full&sslrootcert={}", ca.display());

    let (found, text) = problem(&url("127.0.0.1", "sslmode=disable")).await;
    assert_eq!(found, Problem::TlsRequired("postgres".to_owned()), "{text}");
    assert!(text.contains("hint: say `sslmode=verify-full` in the address"), "{text}");
    let (found, text) = problem(&url("localhost", "sslmode=verify-full")).await;
    assert!(matches!(found, Problem::TlsUntrusted(_)), "{text}");
    assert!(text.contains("its certificate is not believed: UnknownIssuer\nhint: name its CA"), "{text}");
    let (found, text) = problem(&url("127.0.0.1", &believing)).await;
    assert!(matches!(found, Problem::TlsUntrusted(_)), "another name stands in it: {text}");
    let (found, text) = problem(&url("localhost", "sslmode=verify-ca&sslrootcert=/nowhere/ca.pem")).await;
    assert!(matches!(found, Problem::File(_)), "{text}");
    Store::open(&url("localhost", &believing), Settings::default()).await.unwrap();

    let plain = Database::empty().await;
    let (found, text) = problem(&format!("{}?sslmode=require", plain.url())).await;
    assert_eq!(found, Problem::TlsNotOffered, "{text}");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_refused_and_says_whether_it_is_a_standby() {
    let primary = started(Plan::default()).await;
    let standby = tokio::task::spawn_blocking(move || (Cluster::follow(&primary), primary)).await.unwrap();
    let (standby, primary) = standby;
    let (found, text) = problem(&standby.url("postgres")).await;
    assert_eq!(found, Problem::Standby);
    assert!(text.contains("it is a standby and takes no writes\nhint: name all servers"), "{text}");
    primary.say("alter database postgres set default_transaction_read_only = on").await;
    let (found, text) = problem(&primary.url("postgres")).await;
    assert_eq!(found, Problem::ReadOnly, "{text}");
}

#[tokio::test]
async fn a_full_server_says_so() {
    let access = lines(&["host all all 127.0.0.1/32 trust"]);
    let settings = lines(&["max_connections=6", "superuser_reserved_connections=3"]);
    let cluster = started(Plan { access, settings, ..Plan::default() }).await;
    cluster.say("create role evergate login").await;
    let url = format!("postgres://evergate@127.0.0.1:{}/postgres", cluster.port());
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(options.connect().await.unwrap());
    }
    let (found, text) = problem(&url).await;
    assert_eq!(found, Problem::Full, "{text}");
    assert!(text.contains("it takes no more connections\nhint: raise `max_connections`"), "{text}");
}

#[tokio::test]
async fn a_database_without_our_tables_and_one_of_a_newer_program_say_so() {
    let database = Database::empty().await;
    let store = database.open().await;
    assert_eq!(integrity::migration(&mut store.read().await.unwrap()).await.unwrap().0, 0);
    let missing = users::find_by_name(&mut store.read().await.unwrap(), "alice").await.unwrap_err();
    assert!(matches!(missing, StoreError::NotMigrated(_)), "{missing:?}");
    assert!(missing.to_string().ends_with("hint: `evergate database migrate` does that"), "{missing}");
    store.migrate().await.unwrap();
    let (applied, known) = integrity::migration(&mut store.read().await.unwrap()).await.unwrap();
    assert_eq!(applied, known);
    database.tamper("insert into migrations values (9999, '9999_contract_tomorrow', '')").await;
    let newer = store.migrate().await.unwrap_err();
    assert!(
        newer.to_string().ends_with("hint: a newer Evergate changed the database; run that one"),
        "{newer}"
    );
}

#[tokio::test]
async fn what_there_is_for_sqlite_alone_says_what_to_do_instead() {
    let database = Database::new().await;
    let store = database.open().await;
    let mut reading = store.read().await.unwrap();
    let copy = copies::copy_to(&mut reading, "/nowhere").await.unwrap_err().to_string();
    assert!(
        copy.contains("a copy in a file is for an SQLite database") && copy.contains("`pg_dump`"),
        "{copy}"
    );
    let mut tx = store.begin().await.unwrap();
    assert!(matches!(copies::revive(&mut tx, Timestamp::MAX).await, Err(StoreError::OnlySqlite { .. })));
}
