//! The configuration on its way from an administrator's file to a published version.

mod change;
mod check;
mod edit;
mod file;
mod problem;
mod upstream;

pub use change::{Change, changes_between};
pub use check::check;
pub(crate) use check::is_address;
pub use edit::{Edit, Edited, edit, publish_draft, rollback};
pub use file::{ConfigurationFile, export};
pub use problem::Problem;
