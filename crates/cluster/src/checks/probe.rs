//! What is asked: the engine, the kernel, other machines. Everything is read, each wait has an end.

mod date;
mod engine;
mod machine;
mod way;

pub use date::{Asked, ask_time};
pub use engine::{Found, engine};
pub use machine::{address_of, addresses, free, listening, resolved};
pub use way::{connect, send};
