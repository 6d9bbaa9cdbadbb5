//! What an access point and the pages behind it tell each other beside HTTP: in headers that are taken
//! from clients' requests and never passed on to clients.

use http::HeaderName;

/// In a request: its id, the same where the access point repeats it at another instance.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-evergate-request-id");
/// In a request: the client's address, as the access point sees it.
pub const CLIENT: HeaderName = HeaderName::from_static("x-evergate-client");
/// In an answer: nothing was done for want of time, so another instance can be asked.
pub const BUSY: HeaderName = HeaderName::from_static("x-evergate-busy");
/// In an answer: it speaks of sessions that have ended, known from this position in the revocation log
/// on. The access point passes it on when it knows of them itself, so that who has signed out is.
pub const LOG_POSITION: HeaderName = HeaderName::from_static("x-evergate-log-position");
