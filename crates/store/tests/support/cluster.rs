//! Real PostgreSQL servers for tests: each with its own directory and port, ended with the test
//! program however that ends.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::time::Instant;

/// Where Debian puts the programs, newest first, besides the path.
const PROGRAMS: [&str; 4] = [
    "/usr/lib/postgresql/18/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
];
/// PostgreSQL does not run as root; whoever is root in a test becomes this user: nobody.
const NOBODY: u32 = 65534;

/// Runs a server until its own input ends, which happens however the test program ends; then stops the
/// server and removes its files. `$1`: directory, `$2`: programs, rest: settings.
const KEEPER: &str = r#"
directory=$1 programs=$2; shift 2
"$programs/postgres" -D "$directory/data" "$@" >>"$directory/log" 2>&1 </dev/null &
server=$!
echo "$server"
while read -r word; do
    case $word in
        stop) kill -INT $server; wait $server; echo stopped ;;
        kill) kill -KILL $server $(cat /proc/$server/task/$server/children); wait $server; echo stopped ;;
        start) rm -f "$directory/data/postmaster.pid"; "$programs/postgres" -D "$directory/data" "$@" >>"$directory/log" 2>&1 </dev/null & server=$!; echo "$server" ;;
    esac
done
kill -INT $server 2>/dev/null
wait $server
rm -rf "$directory"
"#;

/// A server.
pub struct Cluster {
    directory: PathBuf,
    port: u16,
    keeper: Child,
    words: Option<ChildStdin>,
    answers: BufReader<std::process::ChildStdout>,
    names: AtomicU32,
}

/// How a server is made.
#[derive(Default)]
pub struct Plan {
    /// Lines of `pg_hba.conf`, in place of one that lets everybody in.
    pub access: Vec<String>,
    /// Settings: `name=value`.
    pub settings: Vec<String>,
    /// Certificate and key, PEM, for TLS.
    pub tls: Option<(String, String)>,
}

impl Cluster {
    /// A server that lets everybody in.
    pub fn start() -> Self {
        Self::start_as(&Plan::default())
    }

    /// A server made to plan.
    pub fn start_as(plan: &Plan) -> Self {
        let directory = private_directory();
        let initdb =
            ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"];
        run(program("initdb").arg("-D").arg(directory.join("data")).args(initdb));
        Self::start_in(directory, plan)
    }

    /// A standby of `primary`, with all that is in it.
    pub fn follow(primary: &Self) -> Self {
        let directory = private_directory();
        let source = format!("host=127.0.0.1 port={} user=postgres", primary.port);
        run(program("pg_basebackup").arg("-D").arg(directory.join("data")).args([
            "-R",
            "-X",
            "stream",
            "--checkpoint=fast",
            "--no-sync",
            "-d",
            &source,
        ]));
        Self::start_in(directory, &Plan::default())
    }

    fn start_in(directory: PathBuf, plan: &Plan) -> Self {
        let port = free_port();
        let data = directory.join("data");
        let default = "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n";
        let access = if plan.access.is_empty() { default.to_owned() } else { plan.access.join("\n") + "\n" };
        std::fs::write(data.join("pg_hba.conf"), format!("local all postgres trust\n{access}")).unwrap();
        let mut settings = vec![
            "fsync=off".to_owned(),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", directory.display()),
        ];
        if let Some((certificate, key)) = &plan.tls {
            std::fs::write(data.join("server.crt"), certificate).unwrap();
            write_private(&data.join("server.key"), key);
            settings.push("ssl=on".to_owned());
        }
        settings.extend(plan.settings.iter().cloned());
        let mut keeper = as_nobody("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(&directory).arg(programs());
        keeper.args(["-p", &port.to_string()]);
        for setting in settings {
            keeper.args(["-c", &setting]);
        }
        let mut keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let words = keeper.stdin.take();
        let answers = BufReader::new(keeper.stdout.take().unwrap());
        let mut cluster = Self { directory, port, keeper, words, answers, names: AtomicU32::new(0) };
        cluster.answer();
        cluster.wait_until_it_answers();
        cluster
    }

    /// Its address for a database, as one who may do everything.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// A name that no database here has yet.
    pub fn next_name(&self) -> String {
        format!("test_{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Has a statement done by one who may do everything.
    pub async fn say(&self, sql: &str) {
        let mut connection = self.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The number that a question is answered with.
    pub async fn count(&self, sql: &str) -> i64 {
        let mut connection = self.connect().await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap()
    }

    /// Stops it: `stop` in an orderly way, `kill` as a power cut would.
    pub fn end(&mut self, how: &str) {
        self.tell(how);
    }

    /// Starts it again.
    pub fn start_again(&mut self) {
        self.tell("start");
        self.wait_until_it_answers();
    }

    /// Makes a standby take writes.
    pub fn promote(&self) {
        run(program("pg_ctl").arg("promote").arg("-w").arg("-D").arg(self.directory.join("data")));
    }

    fn tell(&mut self, word: &str) {
        use std::io::Write;
        let words = self.words.as_mut().unwrap();
        writeln!(words, "{word}").unwrap();
        words.flush().unwrap();
        self.answer();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the server's keeper ended:\n{}", self.log());
        line
    }

    /// Over the socket, which lets this user in whatever the plan says.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.directory)
            .port(self.port)
            .username("postgres")
            .database("postgres")
            .connect()
            .await
    }

    fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let attempt = || {
            std::thread::scope(|scope| {
                scope.spawn(|| runtime.block_on(async { self.connect().await.map(drop) })).join().unwrap()
            })
        };
        while let Err(error) = attempt() {
            assert!(Instant::now() < deadline, "PostgreSQL does not start: {error}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.words.take());
        let _ = self.keeper.wait();
    }
}

/// A command whose process is not root.
fn as_nobody(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir("/");
    if nobody() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn nobody() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

/// A directory that the server's user owns and nobody else reads.
fn private_directory() -> PathBuf {
    let made = as_nobody("mktemp").args(["-d", "-t", "evergate-postgresql-XXXXXX"]).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}

/// Writes a key that PostgreSQL accepts: its own, and nobody else's to read.
fn write_private(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    if nobody() {
        std::os::unix::fs::chown(file, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// The directory of PostgreSQL's programs.
fn programs() -> PathBuf {
    let has = |directory: &&&str| Path::new(directory).join("postgres").exists();
    let found = PROGRAMS.iter().find(has).map(PathBuf::from);
    found.expect("these tests want a real PostgreSQL, which is not here: `apt-get install postgresql`")
}

fn program(name: &str) -> Command {
    as_nobody(programs().join(name))
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
