//! From when until when a certificate holds, and its number.

use std::time::Duration;

use evergate_model::Timestamp;
use evergate_model::snapshot::CLOCK_DIFFERENCE;
use rcgen::{CertificateParams, SerialNumber, date_time_ymd};

use crate::random;

/// When a certificate that is made now and holds so many days ends.
pub(super) fn end(now: Timestamp, days: u64) -> Timestamp {
    Timestamp::from_seconds(now.plus(Duration::from_secs(days * 86_400)).as_seconds())
}

/// Sets the bounds of a certificate that is made now and holds so many days.
pub(super) fn set(params: &mut CertificateParams, now: Timestamp, days: u64) {
    let since_epoch = |time: Timestamp| time.since(Timestamp::from_seconds(0));
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(now.minus(CLOCK_DIFFERENCE));
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(end(now, days));
}

/// A random serial number of 127 bits (the top bit would make it negative), as the CA/Browser
/// Forum requires at least 64.
pub(super) fn serial_number() -> SerialNumber {
    let mut bytes = random::bytes::<16>();
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    SerialNumber::from_slice(&bytes)
}
