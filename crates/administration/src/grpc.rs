//! What instances ask administration for: snapshots, keys, certificates, and where they report.

mod snapshots;

use std::pin::Pin;
use std::sync::Arc;

use evergate_model::Service;
use evergate_process::identity::{Peer, PeerCertificate};
use evergate_store::instances::{self, Admission};
use evergate_store::keys::Role;
use evergate_store::{Actor, effects, installation};
use evergate_wire::proto::administration_server::Administration;
use evergate_wire::proto::{
    FetchKeysReply, FetchKeysRequest, FollowSnapshotsRequest, RenewCertificateReply, RenewCertificateRequest,
    ReportStatusReply, ReportStatusRequest, SeenTimeline, SnapshotMessage, Wish,
};
use evergate_wire::report::InstanceReport;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::api::token_hash;
use crate::bootstrap::CERTIFICATES_KEPT;
use crate::office::Office;
use crate::{Failure, authorities, bundles, publishing};

/// The gRPC service.
#[derive(Debug, Clone)]
pub(crate) struct Grpc(pub(crate) Office);

type Messages = Pin<Box<dyn Stream<Item = Result<SnapshotMessage, Status>> + Send>>;

#[tonic::async_trait]
impl Administration for Grpc {
    type FollowSnapshotsStream = Messages;

    async fn follow_snapshots(
        &self,
        request: Request<FollowSnapshotsRequest>,
    ) -> Result<Response<Messages>, Status> {
        let audience = peer(&request)?.service;
        let FollowSnapshotsRequest { epoch, revision } = request.into_inner();
        Ok(Response::new(snapshots::follow(self.0.clone(), audience, epoch, revision)))
    }

    async fn fetch_keys(
        &self,
        request: Request<FetchKeysRequest>,
    ) -> Result<Response<FetchKeysReply>, Status> {
        let service = peer(&request)?.service;
        let bundle = self.keys(service).await?;
        Ok(Response::new(FetchKeysReply { bundle: bundle.into() }))
    }

    async fn renew_certificate(
        &self,
        request: Request<RenewCertificateRequest>,
    ) -> Result<Response<RenewCertificateReply>, Status> {
        let shown = request.extensions().get::<Arc<PeerCertificate>>().cloned();
        let shown = shown.ok_or_else(|| Status::permission_denied("who are you"))?;
        let certificate =
            issue(&self.0, &request.get_ref().signing_request, &shown.peer, &shown.sha256).await?;
        let not_after =
            PeerCertificate::read_pem(&certificate).map_or(0, |read| read.not_after.saturating_mul(1000));
        Ok(Response::new(RenewCertificateReply { certificate, not_after }))
    }

    async fn report_status(
        &self,
        request: Request<ReportStatusRequest>,
    ) -> Result<Response<ReportStatusReply>, Status> {
        let peer = peer(&request)?;
        let report: InstanceReport = serde_json::from_slice(&request.get_ref().report)
            .map_err(|error| Status::invalid_argument(format!("not a report: {error}")))?;
        if report.instance != peer.instance || report.service != peer.service {
            return Err(Status::permission_denied("an instance reports on itself only"));
        }
        let wish = wish_for(&self.0, &report);
        let database = self.compare_timelines(&peer, &report);
        self.0.statuses.put(report, self.0.now());
        let applied = self.0.statuses.applied_by_all();
        Ok(Response::new(ReportStatusReply { wish: wish.into(), applied, database }))
    }
}

impl Grpc {
    /// Takes in which timeline of the database an instance has seen; the highest that is known. Access
    /// points have no database: they say nothing of it, and hear nothing.
    fn compare_timelines(&self, peer: &Peer, report: &InstanceReport) -> Option<SeenTimeline> {
        if peer.service == Service::AccessPoint {
            return None;
        }
        if let Some(seen) = report.database {
            self.0.store.believe_timeline(seen);
        }
        self.0.store.timeline().map(SeenTimeline::from)
    }

    async fn keys(&self, service: Service) -> Result<Vec<u8>, Failure> {
        let mut reading = self.0.store.read().await?;
        let json = bundles::load_json(&mut reading, &self.0.vault, service).await?;
        Ok(json.expose().clone())
    }
}

/// The proven caller.
fn peer<T>(request: &Request<T>) -> Result<Peer, Status> {
    request.extensions().get::<Peer>().cloned().ok_or_else(|| Status::permission_denied("who are you"))
}

/// A certificate for an instance's own new key, admitted before it is answered, of the line of the one that it has
/// `shown` (SHA-256, hex). Only an instance of the topology gets one, and only by a certificate that is admitted still. A
/// repeated request gets the same certificate: another one would push the one in use from the admitted list.
pub(crate) async fn issue(
    office: &Office,
    signing_request: &str,
    peer: &Peer,
    shown: &str,
) -> Result<String, Failure> {
    let (instance, service, now) = (&peer.instance, peer.service, office.now());
    let key = format!("certificate {}", token_hash(&format!("{instance}\0{signing_request}")));
    let mut tx = office.store.begin().await?;
    if let Some(certificate) = effects::find(&mut tx, &key, "").await? {
        return Ok(certificate);
    }
    let topology = installation::get(&mut tx).await?.ok_or(Failure::Missing("installation"))?.topology;
    if topology.find(instance).is_none_or(|known| known.service != service) {
        return Err(Failure::NotFound(format!("instance `{instance}`")));
    }
    let line = match instances::line(&mut tx, instance, shown).await? {
        Some(line) => line,
        // Nobody else has the name either: this instance was away for longer than its certificates lasted.
        None if instance == office.name() && !instances::is_admitted(&mut tx, instance).await? => {
            shown.to_owned()
        }
        // The caller's connection may outlive its admission by a moment.
        None => return Err(Failure::Conflict("this certificate is admitted no more".to_owned())),
    };
    let authority = authorities::issuing(&mut tx, &office.vault, Role::Identity).await?;
    let issued = authority
        .issue_instance(signing_request, instance, service, now)
        .map_err(|error| Failure::invalid("signing_request", error.to_string()))?;
    let admission = Admission {
        certificate: issued.fingerprint,
        instance: instance.clone(),
        service,
        not_after: issued.expires_at,
        admitted_at: now,
        line,
    };
    let actor = Actor::Instance(instance.clone());
    instances::admit(&mut tx, &actor, now, &admission, CERTIFICATES_KEPT).await?;
    publishing::publish_snapshots(&mut tx, &office.vault, now).await?;
    effects::remember(&mut tx, &key, "", &issued.chain, now).await?;
    tx.commit().await?;
    tracing::info!(%instance, "certificate issued");
    Ok(issued.chain)
}

/// What an instance is asked to do: a restart that it has not made yet, else what was said last.
pub(crate) fn wish_for(office: &Office, report: &InstanceReport) -> Wish {
    let heads = office.heads.borrow();
    match heads.wishes.get(&report.instance) {
        Some(wish) if wish.wish == "drain" => Wish::Drain,
        Some(wish) if wish.wish == "restart" && report.since < wish.at => Wish::Restart,
        _ => Wish::Serve,
    }
}
