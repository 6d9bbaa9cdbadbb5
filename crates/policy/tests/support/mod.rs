//! Two policy instances over one database file, with the callers' certificates taken for granted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evergate_keys::KeyBundle;
use evergate_model::configuration::{Configuration, Resource, SessionLimits, SignInLimits};
use evergate_model::id::User;
use evergate_model::snapshot::{Head, InternalPart, Part, Snapshot};
use evergate_model::{Id, Period, Service, Timestamp, Topology};
use evergate_policy::Policy;
use evergate_process::clock::ManualClock;
use evergate_process::identity::Peer;
use evergate_process::{Lifecycle, Readiness};
use evergate_store::{Actor, Settings, Store, groups, sessions, users};
use evergate_wire::proto::policy_server::Policy as _;
use evergate_wire::proto::{self, DecideRequest, OpenSessionRequest, ProvenFactor, RequestFacts, TokenReply};
use tonic::{Request, Status};

pub const NOW: Timestamp = Timestamp::from_seconds(1_795_168_800);
pub const PORTAL: &str = "portal.example.com";
pub const WIKI: &str = "wiki.example.com";

pub struct Installation {
    pub directory: tempfile::TempDir,
    pub hands: ManualClock,
    pub store: Store,
    pub one: Policy,
    pub two: Policy,
    pub alice: Id<User>,
    pub bob: Id<User>,
    keys: KeyBundle,
}

impl Installation {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("evergate.db").display());
        let store = Store::open(&url, Settings { create: true, ..Settings::default() }).await.unwrap();
        store.migrate().await.unwrap();
        let (alice, bob) = (Id::new(NOW, [1; 10]), Id::new(NOW, [2; 10]));
        let mut tx = store.begin().await.unwrap();
        for (id, name) in [(alice, "alice"), (bob, "bob")] {
            let user = users::User {
                id,
                name: name.to_owned(),
                email: Some(format!("{name}@example.com")),
                state: users::State::Active,
                created_at: NOW,
                invited_at: None,
            };
            users::add(&mut tx, &Actor::System, NOW, &user).await.unwrap();
        }
        groups::add(&mut tx, &Actor::System, NOW, "staff").await.unwrap();
        groups::add_member(&mut tx, &Actor::System, NOW, "staff", alice).await.unwrap();
        tx.commit().await.unwrap();
        let hands = ManualClock::new(NOW);
        let keys = KeyBundle::generate(Service::Policy, NOW);
        let one = instance(&directory, "one", &hands, &keys, &url).await;
        let two = instance(&directory, "two", &hands, &keys, &url).await;
        Self { directory, hands, store, one, two, alice, bob, keys }
    }

    /// An instance that starts in the directory of another while the database is away.
    pub async fn instance_without_database(&self, name: &str) -> Policy {
        let url = format!("sqlite:{}", self.directory.path().join("away.db").display());
        instance(&self.directory, name, &self.hands, &self.keys, &url).await
    }

    pub fn open_request(&self, effect_key: Vec<u8>, factors: &[&str]) -> Request<OpenSessionRequest> {
        open_request(self.alice, effect_key, factors)
    }

    pub async fn open_session(
        &self,
        at: &Policy,
        effect_key: Vec<u8>,
        factors: &[&str],
    ) -> Result<TokenReply, Status> {
        self.open_session_of(at, self.alice, effect_key, factors).await
    }

    pub async fn open_session_of(
        &self,
        at: &Policy,
        user: Id<User>,
        effect_key: Vec<u8>,
        factors: &[&str],
    ) -> Result<TokenReply, Status> {
        at.open_session(open_request(user, effect_key, factors)).await.map(tonic::Response::into_inner)
    }

    /// How many sessions live.
    pub async fn sessions(&self) -> usize {
        let filter = sessions::Filter::default();
        let mut connection = self.store.read().await.unwrap();
        sessions::list(&mut connection, NOW, &filter, 1000).await.unwrap().len()
    }

    pub async fn add_to_groups(&self, user: Id<User>, number: usize) {
        let mut tx = self.store.begin().await.unwrap();
        for number in 0..number {
            let name = format!("a-group-with-a-rather-long-name-{number}");
            groups::add(&mut tx, &Actor::System, NOW, &name).await.unwrap();
            groups::add_member(&mut tx, &Actor::System, NOW, &name, user).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Whether the file of the second instance holds that many revocations.
    pub fn two_knows(&self, number: u64) -> bool {
        let file = self.directory.path().join("two/revocations.json");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.contains(&format!("\"position\":{number}"))
    }

    /// Waits until `is_so`, five seconds at most.
    pub async fn until<F, Fut>(&self, what: &str, mut is_so: F)
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = bool>,
    {
        let waited = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), waited).await.unwrap_or_else(|_| panic!("{what}"));
    }
}

async fn instance(
    directory: &tempfile::TempDir,
    name: &str,
    hands: &ManualClock,
    keys: &KeyBundle,
    url: &str,
) -> Policy {
    let own = directory.path().join(name);
    std::fs::create_dir_all(&own).unwrap();
    let policy = Policy::new(
        hands.clock(),
        Lifecycle::new(),
        Readiness::starting(),
        &own,
        evergate_store::Memory::default(),
    );
    policy.apply(&snapshot(keys), keys).unwrap();
    policy.start(url).await;
    policy
}

fn snapshot(keys: &KeyBundle) -> Snapshot {
    Snapshot {
        head: Head {
            lineage: Id::new(NOW, [3; 10]),
            epoch: 1,
            revision: 1,
            version: 1,
            audience: Service::Policy,
            made_at: NOW,
        },
        topology: Topology::default(),
        admitted: Vec::new(),
        identity_roots: Vec::new(),
        public_keys: keys.public_keys().unwrap(),
        part: Part::Internal(Box::new(InternalPart { configuration: configuration() })),
    }
}

fn configuration() -> Configuration {
    let resource = |host: &str, rule: &str| Resource {
        hosts: vec![host.parse().unwrap()],
        upstreams: vec!["http://127.0.0.1:1".to_owned()],
        rule: rule.to_owned(),
        paths: BTreeMap::new(),
        general: Vec::new(),
        headers: BTreeMap::new(),
        grace: Period::from_seconds(900),
        permit_cache: Period::default(),
        mode: evergate_model::topology::Mode::default(),
        title: None,
    };
    Configuration {
        portal_host: PORTAL.parse().unwrap(),
        console_host: None,
        public_port: Some(8443),
        certificates: Vec::new(),
        global_rule: None,
        rules: BTreeMap::new(),
        resources: BTreeMap::from([
            ("public".parse().unwrap(), resource("public.example.com", "anyone")),
            ("wiki".parse().unwrap(), resource(WIKI, "group(\"staff\") and password and totp")),
        ]),
        sessions: SessionLimits { idle: Period::from_seconds(3600), ..SessionLimits::default() },
        sign_in: SignInLimits::default(),
        mail: None,
        pools: BTreeMap::new(),
    }
}

/// A call by an instance of that kind.
pub fn request<T>(caller: Service, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let instance = format!("{caller}1").parse().unwrap();
    request.extensions_mut().insert(Peer { instance, service: caller, expired: false });
    request
}

/// An effect key that no other call has.
pub fn key() -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    [[7; 24].as_slice(), &number.to_be_bytes()].concat()
}

pub fn proven(factor: &str) -> ProvenFactor {
    ProvenFactor { factor: factor.to_owned(), at: NOW.as_milliseconds() }
}

fn open_request(user: Id<User>, effect_key: Vec<u8>, factors: &[&str]) -> Request<OpenSessionRequest> {
    let message = OpenSessionRequest {
        effect_key: effect_key.into(),
        user: user.to_string(),
        factors: factors.iter().map(|factor| proven(factor)).collect(),
        client: "192.0.2.7".to_owned(),
        user_agent: "a browser".to_owned(),
        host: PORTAL.to_owned(),
    };
    request(Service::Authentication, message)
}

/// What an access point asks for a request to `/`.
pub fn decide_request(token: &str, resource: &str, host: &str) -> Request<DecideRequest> {
    let message = DecideRequest {
        token: token.to_owned(),
        resource: resource.to_owned(),
        facts: Some(RequestFacts {
            method: "GET".to_owned(),
            host: host.to_owned(),
            path: "/".to_owned(),
            client: "192.0.2.7".to_owned(),
            access_point: "access-point1".to_owned(),
            headers: proto::RequestFacts::default().headers,
        }),
        token_is_for_portal: false,
    };
    request(Service::AccessPoint, message)
}
