//! Lengths of time as people write them: `30s`, `15m`, `12h`, `30d`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time in whole milliseconds, at most ten years; written as a whole number and one of
/// `ms`, `s`, `m`, `h`, `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Period(u64);

/// Why a text is not a period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a length of time: write a whole number and ms, s, m, h or d, such as `15m`, at most 3650d"
)]
pub struct PeriodError(String);

const LONGEST: u64 = 3650 * 86_400_000;
const UNITS: [(&str, u64); 5] = [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];

impl Period {
    /// So many milliseconds, or ten years if that is less.
    #[must_use]
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self(if milliseconds > LONGEST { LONGEST } else { milliseconds })
    }

    /// So many seconds, or ten years if that is less.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self::from_milliseconds(seconds.saturating_mul(1000))
    }

    /// The same length for the standard library.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// In milliseconds.
    #[must_use]
    pub const fn as_milliseconds(self) -> u64 {
        self.0
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let largest = UNITS
            .iter()
            .filter(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size))
            .max_by_key(|(_, size)| *size);
        match largest {
            Some((unit, size)) => write!(f, "{}{unit}", self.0 / size),
            None => f.write_str("0s"),
        }
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let wrong = || PeriodError(text.chars().take(80).collect());
        if text == "0" {
            return Ok(Self(0));
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .and_then(|(_, size)| number.checked_mul(*size))
            .filter(|milliseconds| *milliseconds <= LONGEST)
            .map(Self)
            .ok_or_else(wrong)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
impl schemars::JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(0|[0-9]+(ms|s|m|h|d))$", "examples": ["15m"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_written_with_one_unit() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("15m", 900_000),
            ("12h", 43_200_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(text.parse::<Period>().unwrap().as_milliseconds(), milliseconds, "{text}");
        }
        for bad in ["", "s", "1", "1 m", "-1s", "1.5h", "1w", "99999999999999999999s", "3651d"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
        assert_eq!(Period::from_seconds(900).to_string(), "15m");
        assert_eq!(Period::from_milliseconds(1500).to_string(), "1500ms");
        assert_eq!(Period::default().to_string(), "0s");
    }
}
