//! The portal: the applications that the user may reach.

use axum::response::Response;
use evergate_model::{NormalPath, Verdict};
use evergate_pages::portal::{Application, Portal};
use http::StatusCode;

use crate::account::{enter, viewer};
use crate::answer;
use crate::error::Error;
use crate::neighbours::Reachable;
use crate::visit::Visit;

/// `GET /`.
pub(crate) async fn get(visit: Visit) -> Response {
    let outcome = page(&visit).await;
    visit.finish(outcome)
}

async fn page(visit: &Visit) -> Result<Response, Error> {
    let entered = enter(visit, "/").await?;
    let portal = &visit.settings.portal;
    let root = NormalPath::new("/").map_err(|_| Error::Fault("the root is no path"))?;
    let facts = visit.facts(portal.clone(), root);
    let reachable = visit.site.neighbours.reachable(portal, &entered.signed.token, &facts).await?;
    let applications = reachable.into_iter().filter_map(application).collect();
    let page = Portal { viewer: viewer(visit, &entered.signed), notice: None, applications };
    Ok(answer::page(StatusCode::OK, &page))
}

/// A resource that the user may reach, now or after proving more.
fn application(reachable: Reachable) -> Option<Application> {
    let asks_more = match reachable.verdict {
        Verdict::Permit => false,
        Verdict::SignIn { .. } => true,
        Verdict::Deny { .. } => return None,
    };
    let host = reachable.url.trim_start_matches("https://").trim_end_matches('/').to_owned();
    Some(Application { title: reachable.title, url: reachable.url, host, asks_more })
}
