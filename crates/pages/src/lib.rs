//! Everything HTML: the layout, the sign-in, portal, account and console pages, their assets and
//! the headers they are served with.
//!
//! **Not here:** HTTP, forms' parsing, cookies, and every choice of *which* page is shown: the
//! services fill in a context and send what comes out. The access point's error pages are its own.
//!
//! **Begin at** [`Page`]: each page is a struct with `samples()`, and one test renders them all.

pub mod account;
pub mod assets;
pub mod components;
pub mod console;
pub mod finish;
pub mod message;
pub mod portal;
pub mod qr;
mod samples;
pub mod security;
pub mod sign_in;

pub use components::{Moment, Notice};
pub use message::Message;
pub use samples::{Sample, all_samples};

/// A whole page: a typed context whose template is checked when it is compiled.
pub trait Page: askama::Template + Sized {
    /// Contexts that together show every branch of the template.
    fn samples() -> Vec<Self>;

    /// The page as HTML. Formatting into memory fails only where a template is wrong; what is
    /// shown then says so and holds nothing of the context.
    fn html(&self) -> String {
        self.render().unwrap_or_else(|_| message::UNRENDERABLE.to_owned())
    }
}
