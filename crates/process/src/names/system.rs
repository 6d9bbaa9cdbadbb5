//! The resolver of the system: `/etc/hosts`, DNS and whatever else it was told to ask.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Resolver;

/// Asks the system.
#[derive(Debug)]
pub(super) struct System;

impl Resolver for System {
    fn look_up(&self, host: Arc<str>) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        async move { Ok(tokio::net::lookup_host((&*host, 0)).await?.collect()) }.boxed()
    }
}
