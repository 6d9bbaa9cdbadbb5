//! How much of everything access rules may have, so that no configuration can make a decision slow
//! or a check run out of memory.

/// The longest text of one rule, in bytes.
pub const TEXT: usize = 16 * 1024;
/// How deep parentheses may be nested in one text.
pub const DEPTH: usize = 64;
/// How many factors, conditions and references one text may hold.
pub const TERMS: usize = 1000;
/// How many steps the effective rule of one resource or path may take, references followed.
pub const STEPS: usize = 10_000;
/// How many rule texts a configuration may hold: named rules, resources' rules and path rules.
pub const TEXTS: usize = 250_000;
/// How many steps all effective rules may take together.
pub const STEPS_TOGETHER: usize = 5_000_000;
/// How many different patterns `matches` may be given in one configuration.
pub const PATTERNS: usize = 1000;
/// How large one compiled pattern may be, in bytes.
pub const PATTERN_SIZE: usize = 256 * 1024;
/// How many path rules one resource may have.
pub const PATHS: usize = 200;
/// How many sequences of factors an answer offers.
pub const SEQUENCES: usize = 16;
/// How many problems are reported; what is beyond them is found in the next round.
pub const PROBLEMS: usize = 1000;
