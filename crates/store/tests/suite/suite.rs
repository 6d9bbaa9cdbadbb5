//! What the store must do on either database; `crate::database` says which it is.

#[path = "sessions.rs"]
mod sessions;
#[path = "store.rs"]
mod store;
