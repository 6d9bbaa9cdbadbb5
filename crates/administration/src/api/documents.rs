//! The API's own description.

use axum::http::Method;

use super::{Answer, Call, Route, Stop, openapi};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Method::GET, "/openapi.json", None, "this API's description", description)]
}

async fn description(_: Call) -> Result<Answer, Stop> {
    Ok(Answer::ok(&openapi::document()))
}
