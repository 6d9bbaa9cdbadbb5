//! `policy.proto`, call by call: who calls, and which file answers.

use evergate_model::Service;
use evergate_process::identity::Peer;
use evergate_wire::proto::policy_server::Policy as PolicyCalls;
use evergate_wire::proto::{
    AddFactorsRequest, CreateHandOverReply, CreateHandOverRequest, DecideReply, DecideRequest,
    EndSessionReply, EndSessionRequest, FollowRevocationsRequest, ListSessionsReply, ListSessionsRequest,
    OpenSessionRequest, RecordAuditReply, RecordAuditRequest, RedeemHandOverRequest, ReportActivityReply,
    ReportActivityRequest, RevokeSessionsReply, RevokeSessionsRequest, TestAccessReply, TestAccessRequest,
    TokenReply,
};
use tonic::{Request, Response, Status};

use crate::policy::Policy;
use crate::{PolicyError, audit, decide, ending, follow, hand_over, listing, opening, test_access};

type Answer<T> = Result<Response<T>, Status>;

/// Who calls, as proven by their certificate. What each kind may call is `wire::authorization`'s
/// table; here it is told apart only where one call means different things to different kinds.
fn peer<T>(request: &Request<T>) -> Result<Peer, PolicyError> {
    request.extensions().get::<Peer>().cloned().ok_or(PolicyError::NotAllowed)
}

fn answer<T>(result: Result<T, PolicyError>) -> Answer<T> {
    result.map(Response::new).map_err(Status::from)
}

#[tonic::async_trait]
impl PolicyCalls for Policy {
    async fn decide(&self, request: Request<DecideRequest>) -> Answer<DecideReply> {
        let is_authentication = peer(&request)?.service == Service::Authentication;
        answer(decide::decide(self, request.into_inner(), is_authentication).await)
    }

    async fn open_session(&self, request: Request<OpenSessionRequest>) -> Answer<TokenReply> {
        answer(opening::open_session(self, request.into_inner()).await)
    }

    async fn add_factors(&self, request: Request<AddFactorsRequest>) -> Answer<TokenReply> {
        answer(opening::add_factors(self, request.into_inner()).await)
    }

    async fn create_hand_over(&self, request: Request<CreateHandOverRequest>) -> Answer<CreateHandOverReply> {
        answer(hand_over::create(self, request.into_inner()).await)
    }

    async fn redeem_hand_over(&self, request: Request<RedeemHandOverRequest>) -> Answer<TokenReply> {
        answer(hand_over::redeem(self, request.into_inner()).await)
    }

    async fn end_session(&self, request: Request<EndSessionRequest>) -> Answer<EndSessionReply> {
        answer(ending::end(self, request.into_inner()).await)
    }

    async fn list_sessions(&self, request: Request<ListSessionsRequest>) -> Answer<ListSessionsReply> {
        let is_administration = peer(&request)?.service == Service::Administration;
        answer(listing::list(self, request.into_inner(), is_administration).await)
    }

    async fn revoke_sessions(&self, request: Request<RevokeSessionsRequest>) -> Answer<RevokeSessionsReply> {
        let peer = peer(&request)?;
        let administration = (peer.service == Service::Administration).then_some(&peer.instance);
        answer(ending::revoke(self, request.into_inner(), administration).await)
    }

    type FollowRevocationsStream = follow::Batches;

    async fn follow_revocations(
        &self,
        request: Request<FollowRevocationsRequest>,
    ) -> Answer<Self::FollowRevocationsStream> {
        Ok(Response::new(follow::follow(self, request.into_inner().after)))
    }

    async fn report_activity(&self, request: Request<ReportActivityRequest>) -> Answer<ReportActivityReply> {
        answer(audit::activity(self, request.into_inner()).await)
    }

    async fn record_audit(&self, request: Request<RecordAuditRequest>) -> Answer<RecordAuditReply> {
        let access_point = peer(&request)?.instance;
        answer(audit::record(self, request.into_inner(), &access_point).await)
    }

    async fn test_access(&self, request: Request<TestAccessRequest>) -> Answer<TestAccessReply> {
        let is_administration = peer(&request)?.service == Service::Administration;
        answer(test_access::test(self, request.into_inner(), is_administration).await)
    }
}
