//! A service behind its real listener, and a caller that it admits.

use std::sync::Arc;

use axum::Router;
use evergate_keys::certificate_authority::{Authority, request};
use evergate_model::snapshot::Admitted;
use evergate_model::{Id, Name, Service};
use evergate_process::internal_listener::{self, Limits};
use evergate_process::link::{Link, Target};
use evergate_process::names::Names;
use evergate_process::{Bootstrap, Clock, Instance, Peer};

/// Where it listens, and who may call.
pub struct Server {
    caller: Instance,
    target: Arc<Target>,
    _directory: tempfile::TempDir,
}

/// Serves what `router` makes as an instance of that service, on the present runtime.
pub async fn serve(service: Service, router: impl FnOnce(&Instance) -> Router) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::generate("test", Clock::system().now()).unwrap();
    let (server, serving) = instance(&authority, service, directory.path());
    let (caller, calling) = instance(&authority, Service::AccessPoint, directory.path());
    for instance in [&server, &caller] {
        instance.identity.set_admitted(vec![serving.clone(), calling.clone()]);
    }
    server.readiness.started();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = router(&server);
    internal_listener::serve(&server, listener, router, Limits::default()).unwrap();
    let peer = Peer::new(serving.instance, service);
    std::mem::forget(server);
    Server { caller, target: Arc::new(Target { peer, address }), _directory: directory }
}

impl Server {
    pub async fn link(&self) -> Link {
        let (identity, lifecycle) = (&self.caller.identity, &self.caller.lifecycle);
        let names = Names::system(lifecycle);
        Link::connect(identity, lifecycle, &names, Arc::clone(&self.target)).await.unwrap()
    }
}

fn instance(authority: &Authority, service: Service, directory: &std::path::Path) -> (Instance, Admitted) {
    let (request, name) = (request().unwrap(), format!("{service}1").parse::<Name>().unwrap());
    let now = Clock::system().now();
    let issued = authority.issue_instance(&request.request, &name, service, now).unwrap();
    let bootstrap = Bootstrap {
        lineage: Id::new(now, [0; 10]),
        instance: name.clone(),
        service,
        identity_roots: vec![authority.certificate_pem().to_owned()],
        certificate: issued.chain,
        key: request.key,
        administration: Vec::new(),
        snapshot_keys: Vec::new(),
        listen: None,
        operations: "127.0.0.1:0".to_owned(),
        database: None,
        wrapping_key: None,
        listeners: Vec::new(),
        is_outside: false,
    };
    let admitted = Admitted { instance: name, service, certificates: vec![issued.fingerprint] };
    (Instance::prepare(bootstrap, directory).unwrap(), admitted)
}
