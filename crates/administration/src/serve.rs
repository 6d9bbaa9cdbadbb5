//! The service's main: opens what it needs, listens, and goes in order.

use evergate_process::{Instance, internal_listener};
use evergate_wire::authorization::GateLayer;
use evergate_wire::proto::administration_server::AdministrationServer;
use tonic::service::Routes;

use crate::grpc::Grpc;
use crate::office::Office;
use crate::{api, browser_listener, console, lease, upkeep};

/// Serves until the process is asked to stop.
///
/// # Errors
/// When the database cannot be opened or an address cannot be bound.
pub async fn serve(instance: Instance) -> anyhow::Result<()> {
    let office = Office::open(&instance).await?;
    upkeep::apply_latest(&office).await?;
    let pages = api::router(&office).merge(console::router(&office));
    let router = Routes::new(AdministrationServer::new(Grpc(office.clone())))
        .into_axum_router()
        .merge(pages.clone())
        .merge(internal_listener::heartbeat(&instance.readiness))
        .layer(GateLayer);
    internal_listener::bind_and_serve(&instance, router).await?;
    browser_listener::serve(&office, pages).await?;
    upkeep::start(&office);
    instance.readiness.started();
    instance.lifecycle.stopping().await;
    lease::give_up(&office).await;
    Ok(())
}
