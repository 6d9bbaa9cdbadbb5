//! What the drill needs for its time: users, a resource, an application behind it, a session.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::{Request, StatusCode, Uri};
use serde_json::json;

use super::DrillError;
use super::application::{ANSWER, Server};
use super::forms;
use super::visitor::Visitor;
use crate::api_client::{ApiClient, ApiError};
use crate::load::{LoadClient, Way};
use crate::running::Running;

/// The name of the drill's user, group and resource.
pub(super) const NAME: &str = "evergate-drill";
/// So many users sign in by turns: as with people, no two sign-ins of one name run at once, which
/// the lockout would take for guesses.
pub(super) const VISITORS: u64 = 24;

/// The name of the user who signs in at this turn.
pub(super) fn visitor_name(turn: u64) -> String {
    format!("{NAME}-{}", turn % VISITORS)
}

/// Everything a load needs.
pub(super) struct Fixture {
    pub(super) data: Running,
    pub(super) client: Arc<LoadClient>,
    /// The resource's address.
    pub(super) resource: Uri,
    /// A session's cookie for it, `name=value`.
    pub(super) cookie: String,
    /// Where a visitor without a session is sent.
    pub(super) sign_in: Uri,
    pub(super) password: String,
    pub(super) token: String,
}

impl Fixture {
    /// Makes everything; the resource leads to these servers.
    pub(super) async fn make(
        running: &Running,
        api: &ApiClient,
        servers: &[Server],
    ) -> Result<Self, DrillError> {
        let local_ca = std::fs::read(&running.local_ca)
            .map_err(|source| ApiError::Read { path: running.local_ca.clone(), source })?;
        let door = running.door().ok_or(DrillError::Addresses)?;
        let host = running.host("drill").ok_or(DrillError::Addresses)?;
        let resource: Uri =
            format!("https://{host}:{}/", door.port()).parse().map_err(|_| DrillError::Addresses)?;
        let password = HEXLOWER.encode(&rand::random::<[u8; 16]>());
        remove(api).await?;
        add(api, &host, servers, &password).await?;
        let client = Arc::new(LoadClient::new(&local_ca, door)?);
        let (sign_in, cookie) = sign_in(&client, &resource, &password).await?;
        Ok(Self {
            data: running.clone(),
            client,
            resource,
            cookie,
            sign_in,
            password,
            token: api.token().expose().clone(),
        })
    }
}

/// The two servers of the application.
pub(super) async fn servers(program: &Path) -> Result<Vec<Server>, DrillError> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(vec![Server::start(program, any).await?, Server::start(program, any).await?])
}

async fn add(api: &ApiClient, host: &str, servers: &[Server], password: &str) -> Result<(), ApiError> {
    api.post("/groups", &json!({ "name": NAME })).await?;
    for name in names() {
        api.post("/users", &json!({ "name": name, "password": password, "groups": [NAME] })).await?;
    }
    let resource = json!({
        "hosts": [host],
        "upstreams": servers.iter().map(Server::url).collect::<Vec<_>>(),
        "rule": format!("group(\"{NAME}\") and password"),
        "permit_cache": "0s",
    });
    api.put(&format!("/resources/{NAME}"), &resource).await?;
    Ok(())
}

/// All users of the drill.
fn names() -> impl Iterator<Item = String> {
    std::iter::once(NAME.to_owned()).chain((0..VISITORS).map(visitor_name))
}

/// Takes away what a drill made, also one that was interrupted.
pub(super) async fn remove(api: &ApiClient) -> Result<(), ApiError> {
    let users = names().map(|name| format!("/users/{name}"));
    let paths = [format!("/resources/{NAME}"), format!("/groups/{NAME}")];
    for path in paths.into_iter().chain(users) {
        match api.delete(&path).await {
            Err(error) if !error.is(StatusCode::NOT_FOUND) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Signs the drill's user in as a person does; where that begins, and the session's cookie.
async fn sign_in(client: &LoadClient, resource: &Uri, password: &str) -> Result<(Uri, String), DrillError> {
    let failed = |why: String| DrillError::SignIn(why);
    let lost = |loss: crate::load::Loss| failed(loss.reason);
    published(client, resource).await?;
    let mut visitor = Visitor::new(client, Way::New);
    let page = visitor.get(resource).await.map_err(lost)?;
    let page = visitor.follow(page).await.map_err(lost)?;
    let begin = page.url.clone();
    if !forms::asks_for(&page.text(), "password") {
        return Err(failed(format!("{} is no sign-in page (status {})", page.url, page.answer.status())));
    }
    let page = visitor.submit(&page, &[("name", NAME), ("password", password)]).await.map_err(lost)?;
    let page = visitor.follow(page).await.map_err(lost)?;
    if page.answer.body() != ANSWER.as_bytes() {
        return Err(failed(format!("it led to {} (status {})", page.url, page.answer.status())));
    }
    let host = resource.host().unwrap_or_default();
    let session =
        visitor.cookie(host, "__Host-evergate").ok_or_else(|| failed("no cookie was set".to_owned()))?;
    Ok((begin, format!("__Host-evergate={session}")))
}

/// Waits until every access point has the resource, its certificate included.
async fn published(client: &LoadClient, resource: &Uri) -> Result<(), DrillError> {
    let mut in_a_row = 0;
    let mut last = String::new();
    for _ in 0..200 {
        let request = Request::get(resource).header("accept", "text/html").body(Bytes::new());
        let request = request.map_err(|_| DrillError::Addresses)?;
        match client.send(Way::New, request).await {
            Ok(answer) if answer.status().is_redirection() => in_a_row += 1,
            Ok(answer) => (in_a_row, last) = (0, format!("status {}", answer.status())),
            Err(loss) => (in_a_row, last) = (0, loss.reason),
        }
        if in_a_row >= 20 {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    Err(DrillError::SignIn(format!("the resource was not published in time: {last}")))
}
