//! The console.
use crate::office::Office;
use axum::Router;
pub(crate) fn router(_office: &Office) -> Router {
    Router::new()
}
