//! What the services say to each other: protobuf and its one door into the model, who may call
//! what, the failover pools to each service, and the feed of snapshots.
//!
//! **Not here:** what a service does with a call; how a connection is made (`process`); how a pool
//! chooses (`failover`). A protobuf type stops at the file that receives it: [`convert`] turns it
//! into the model's.
//!
//! **Begin at** `proto/evergate/policy.proto`, then [`peers`].

pub mod authorization;
pub mod convert;
pub mod feed;
pub mod joined;
pub mod page_headers;
pub mod peers;
pub mod report;

/// The generated protobuf and gRPC code of `proto/evergate/*.proto`; its comments are there.
#[expect(
    missing_docs,
    clippy::all,
    clippy::allow_attributes,
    clippy::disallowed_types,
    reason = "generated code"
)]
pub mod proto {
    tonic::include_proto!("evergate");
}
