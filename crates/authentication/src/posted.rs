//! The body of a posted form: no longer than a form may be, and there within a time.

use std::ops::Deref;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use evergate_keys::new_id;

use crate::error::{Error, Failed};
use crate::form::{FormError, LONGEST};
use crate::site::Site;

/// A form that takes longer to arrive is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of a posted form.
#[derive(Debug)]
pub(crate) struct Posted(Bytes);

impl Deref for Posted {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl FromRequest<Site> for Posted {
    type Rejection = Failed;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Failed> {
        let body = axum::body::to_bytes(request.into_body(), LONGEST);
        let failed = |error| Failed { error, request: new_id(site.clock.now()) };
        match tokio::time::timeout(PATIENCE, body).await {
            Ok(Ok(bytes)) => Ok(Self(bytes)),
            Ok(Err(_)) => Err(failed(Error::Form(FormError::TooLong))),
            Err(_) => Err(failed(Error::Malformed("The form did not arrive in time."))),
        }
    }
}
