//! A whole access point on real sockets, in the clear or over TLS, between a raw client, an
//! application of the tests' own and a policy service that says what it is told to.

mod accepting;
mod application;
mod balancing;
mod client;
mod deciding;
mod draining;
mod forwarding;
mod hanging;
mod kit;
mod policy;
mod signing_in;
mod streams;
mod tls;
