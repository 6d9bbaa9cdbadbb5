//! How much memory and how many cores a container may use.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Less memory than this and an instance does not start, in bytes.
const LEAST_MEMORY: u64 = 32 << 20;
/// More memory than this is a slip of the pen, in bytes.
const MOST_MEMORY: u64 = 1 << 40;
/// Fewer thousandths of a core than this and heartbeats are late.
const LEAST_CPU: u32 = 50;
/// More thousandths of a core than this is a slip of the pen.
const MOST_CPU: u32 = 512_000;

/// An amount of memory: `512m`, `2g`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(into = "String")]
pub struct Memory(u64);

/// A share of the machine's cores: `0.5`, `2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(into = "f64")]
pub struct Cpu(u32);

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not an amount of memory.
    #[error("`{0}` is not an amount of memory: write 32m to 1024g, with k, m or g")]
    Memory(String),
    /// Not a number of cores.
    #[error("`{0}` is not a number of cores: write 0.05 to 512")]
    Cpu(String),
}

impl FromStr for Memory {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let wrong = || AmountError::Memory(text.chars().take(40).collect());
        let unit = text.chars().last().map(|unit| unit.to_ascii_lowercase());
        let shift = match unit {
            Some('k') => 10,
            Some('m') => 20,
            Some('g') => 30,
            _ => return Err(wrong()),
        };
        let number = text.get(..text.len() - 1).filter(|number| is_number(number)).ok_or_else(wrong)?;
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        bytes.filter(|bytes| (LEAST_MEMORY..=MOST_MEMORY).contains(bytes)).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for Cpu {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let wrong = || AmountError::Cpu(text.chars().take(40).collect());
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        if !is_number(whole) || !is_number(part) || part.len() > 3 {
            return Err(wrong());
        }
        let whole: u32 = whole.parse().map_err(|_| wrong())?;
        let part: u32 = format!("{part:0<3}").parse().map_err(|_| wrong())?;
        let thousandths = whole.checked_mul(1000).and_then(|whole| whole.checked_add(part));
        thousandths.filter(|cpu| (LEAST_CPU..=MOST_CPU).contains(cpu)).map(Self).ok_or_else(wrong)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "G"), (20, "M")];
        let unit = units.into_iter().find(|(shift, _)| self.0.is_multiple_of(1 << *shift));
        let (shift, unit) = unit.unwrap_or((10, "K"));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

impl JsonSchema for Memory {
    fn schema_name() -> Cow<'static, str> {
        "Memory".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{1,12}[kmgKMG]$", "description": "An amount of memory: `512m`, `2g`." })
    }
}

impl JsonSchema for Cpu {
    fn schema_name() -> Cow<'static, str> {
        "Cpu".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0.05, "maximum": 512, "description": "A share of the machine's cores: `0.5`, `2`." })
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> Self {
        memory.to_string()
    }
}

impl From<Cpu> for f64 {
    fn from(cpu: Cpu) -> Self {
        Self::from(cpu.0) / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_as_a_compose_file_has_them() {
        for (text, written) in [("512m", "512M"), ("2G", "2G"), ("1536m", "1536M"), ("40000k", "40000K")] {
            assert_eq!(text.parse::<Memory>().unwrap().to_string(), written);
        }
        for (text, written) in [("0.5", "0.500"), ("2", "2.000"), ("1.25", "1.250")] {
            assert_eq!(text.parse::<Cpu>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_amount_or_a_slip_of_the_pen_is_refused() {
        for text in ["", "m", "512", "512mb", "-1m", "1m", "99999999999g", "5ä", "1.5g"] {
            assert!(text.parse::<Memory>().is_err(), "{text}");
        }
        for text in ["", ".", "0", "0.01", "1.", "-1", "1e3", "600", "1.2345", "99999999999"] {
            assert!(text.parse::<Cpu>().is_err(), "{text}");
        }
    }
}
