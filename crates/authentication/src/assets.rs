//! Style sheets and pictures of the pages.

use axum::body::Body;
use axum::response::Response;
use evergate_pages::assets;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode, Uri};

/// `GET /.evergate/assets/HASH/FILE`.
pub(crate) async fn get(uri: Uri, headers: HeaderMap) -> Response {
    let Some(served) = assets::lookup(uri.path()) else {
        return answer(StatusCode::NOT_FOUND, &[], Body::empty());
    };
    let has_it = headers.get(IF_NONE_MATCH).is_some_and(|tag| tag == served.etag);
    let (status, body) = if has_it {
        (StatusCode::NOT_MODIFIED, Body::empty())
    } else {
        (StatusCode::OK, Body::from(served.bytes))
    };
    let headers = [
        (CONTENT_TYPE, served.content_type),
        (ETAG, served.etag),
        (CACHE_CONTROL, assets::CACHE_CONTROL),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    answer(status, &headers, body)
}

fn answer(status: StatusCode, headers: &[(http::HeaderName, &'static str)], body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in headers {
        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    response
}
