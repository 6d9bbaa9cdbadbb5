//! A WebSocket: two connections joined, for as long as the session lives (RFC 6455).

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;

use super::headers::{self, Told};
use super::sending::Course;
use super::{ForwardError, Forwarder, Leaving};
use crate::accept::guard::InHand;
use crate::body::{Body, ClientFailed, Outgoing};
use crate::decide::sessions::Life;
use crate::decide::{Destination, Permit};

/// No WebSocket stands longer.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

impl Forwarder {
    pub(super) async fn to_websocket(
        &self,
        permit: &Permit,
        leaving: Leaving,
    ) -> Result<Response<Body>, ForwardError> {
        let Destination::Resource(resource) = permit.destination() else {
            return Err(ForwardError::PagesAway("our pages have no WebSocket".to_owned()));
        };
        let Leaving { mut head, asked, client, activity, .. } = leaving;
        let told = Told {
            client,
            authority: &asked.authority,
            identity: permit.identity(),
            reserved: &resource.reserved_headers,
        };
        headers::prepare_request(&mut head.headers, told);
        headers::set_websocket(&mut head.headers);
        head.uri = super::application::target(&asked, &head.uri);
        let client_side = head.extensions.remove::<OnUpgrade>();
        let mut request = Request::new(Outgoing::Whole(Bytes::new()));
        *request.uri_mut() = head.uri;
        *request.headers_mut() = head.headers;
        let client_failed = ClientFailed::default();
        let course = Course::new(&resource.upstreams, request, &client_failed, true);
        let (mut answer, _connection) = self.send(course).await?;
        let server_side = hyper::upgrade::on(&mut answer);
        let (mut head, incoming) = answer.into_parts();
        headers::prepare_answer(&mut head.headers);
        head.version = Version::HTTP_11;
        let Some(client_side) = client_side.filter(|_| head.status == StatusCode::SWITCHING_PROTOCOLS) else {
            return Ok(Response::from_parts(
                head,
                Body::upstream(incoming, None, permit.tether(), self.settings.answer),
            ));
        };
        headers::set_websocket(&mut head.headers);
        activity.becomes_tunnel();
        let (life, in_hand) = (permit.life().cloned(), activity.begin());
        let limit = permit.remaining(self.clock.now(), LONGEST);
        self.connector.tasks.spawn(join(client_side, server_side, life, limit, in_hand));
        Ok(Response::from_parts(head, Body::whole(Bytes::new())))
    }
}

/// Passes bytes both ways until one side ends, the session does, or `limit` is over.
async fn join(client: OnUpgrade, server: OnUpgrade, life: Option<Life>, limit: Duration, in_hand: InHand) {
    let passing = async {
        let (client, server) = (client.await?, server.await?);
        let (mut client, mut server) = (TokioIo::<Upgraded>::new(client), TokioIo::<Upgraded>::new(server));
        if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut server).await {
            tracing::debug!(%error, "a WebSocket broke");
        }
        Ok::<(), hyper::Error>(())
    };
    let ended = async {
        match &life {
            Some(life) => life.ended().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        outcome = passing => if let Err(error) = outcome {
            tracing::debug!(%error, "a WebSocket was not opened");
        },
        () = ended => tracing::debug!("a WebSocket was ended with its session"),
        () = tokio::time::sleep(limit) => tracing::debug!("a WebSocket was ended: its session is over"),
    }
    drop(in_hand);
}
