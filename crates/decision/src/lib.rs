//! Access rules: their language, and the decision made from them.
//!
//! A rule is text (`group("staff") and password and totp within 10m`). [`rule::Rule::parse`] reads
//! one; [`RuleSet::compile`] reads all rules of a configuration and reports every problem at once;
//! [`RuleSet::decide`] answers whether a session's request may pass, which inputs of the request
//! the answer rests on, and until when it cannot change.
//!
//! **Not here:** IO, clocks, chance; where sessions come from; how factors are proven.
//!
//! **Begin at** [`rule`] (the language), then [`rule_set`] (what is made of it), then `evaluation`.

mod compile;
pub mod condition;
mod evaluation;
pub mod explain;
mod lexer;
pub mod limits;
mod lowering;
mod parser;
mod prefixes;
mod problem;
mod program;
mod references;
pub mod rule;
mod rule_set;
mod value;
mod window;

pub use explain::Explanation;
pub use problem::{Place, Position, RuleProblem, SyntaxError};
pub use rule::Rule;
pub use rule_set::RuleSet;
