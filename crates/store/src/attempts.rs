//! Attempts at signing in: reserved first, judged after, so that a limit of five raced from two
//! instances lets exactly five through.
//!
//! [`reserve`] counts the attempt as a failure before the password is looked at; whoever turns out
//! to be right gives it back ([`release`]). Counted are an address with a name, a name from all
//! addresses, and an address with all names (one password tried on many). The two that strangers
//! share do not bind who was right from the same address lately: else a stranger behind that address,
//! or anybody who knows the name, could lock them out.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use evergate_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::query::query;
use crate::row::signed;
use crate::{Connection, StoreError, Tx};

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Failures by one address for one name within `pause`.
    pub failures: u32,
    /// Failures for one name from all addresses within `pause`.
    pub failures_per_user: u32,
    /// Failures by one address for all names within `pause`; `None`: not limited.
    pub failures_per_address: Option<u32>,
    /// The window in which failures count, and the pause after the last one allowed.
    pub pause: Duration,
}

/// The name under which an address's failures for all names are counted; no user has it.
const ALL_NAMES: &str = "";

/// So long a name that was right from an address is known there.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 86_400);

/// Whether the attempt may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// It may; it counts as a failure until it is released.
    Reserved(Counted),
    /// It may not, until then.
    Refused {
        /// When the pause ends.
        until: Timestamp,
    },
}

/// Where an attempt is counted, and so where it is to be taken off: whether the name is known may change
/// meanwhile. Kept as `true` where it is everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum Counted {
    /// For the name from this address only, where it was known.
    Here,
    /// Also for the name from all addresses, and for the address with all names.
    Everywhere,
}

impl From<bool> for Counted {
    fn from(is_everywhere: bool) -> Self {
        if is_everywhere { Self::Everywhere } else { Self::Here }
    }
}

impl From<Counted> for bool {
    fn from(counted: Counted) -> Self {
        counted == Counted::Everywhere
    }
}

/// Counts an attempt at `name` from `address` if the limits allow it. When it is refused, roll the
/// transaction back or commit it: nothing was counted.
///
/// # Errors
/// When the database does not answer.
pub async fn reserve(
    tx: &mut Tx,
    now: Timestamp,
    name: &str,
    address: IpAddr,
    limits: Limits,
) -> Result<Reservation, StoreError> {
    let address = counted_address(address);
    if !count(tx, now, name, &address, limits.failures, limits.pause).await? {
        return refused(tx, name, &address, limits.pause).await;
    }
    if is_known(tx, now, name, &address).await? {
        return Ok(Reservation::Reserved(Counted::Here));
    }
    if !count(tx, now, name, "", limits.failures_per_user, limits.pause).await? {
        take_back(tx, name, &address).await?;
        return refused(tx, name, "", limits.pause).await;
    }
    if let Some(limit) = limits.failures_per_address
        && !count(tx, now, ALL_NAMES, &address, limit, limits.pause).await?
    {
        take_back(tx, name, &address).await?;
        take_back(tx, name, "").await?;
        return refused(tx, ALL_NAMES, &address, limits.pause).await;
    }
    Ok(Reservation::Reserved(Counted::Everywhere))
}

/// Gives a reservation back: the attempt was right. The address starts at nought again for this
/// name, which is known there from now on; of the name's failures and of the address's for all names
/// only this one goes.
///
/// # Errors
/// When the database does not answer.
pub async fn release(
    tx: &mut Tx,
    now: Timestamp,
    name: &str,
    address: IpAddr,
    counted: Counted,
) -> Result<(), StoreError> {
    let text = counted_address(address);
    if counted == Counted::Everywhere {
        take_back(tx, name, "").await?;
        take_back(tx, ALL_NAMES, &text).await?;
    }
    query(
        "insert into attempts (name, address, failures, window_started_at, proved_at) \
         values ($1, $2, 0, $3, $3) \
         on conflict (name, address) do update set failures = 0, proved_at = $3",
    )
    .bind(name)
    .bind(text)
    .bind(now.as_milliseconds())
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes one attempt off what an address is counted for with all names: it was no guess.
///
/// # Errors
/// When the database does not answer.
pub async fn release_address(tx: &mut Tx, address: IpAddr, counted: Counted) -> Result<(), StoreError> {
    match counted {
        Counted::Here => Ok(()),
        Counted::Everywhere => take_back(tx, ALL_NAMES, &counted_address(address)).await,
    }
}

/// Forgets all failures of a name, and where it is known: an administrator's word.
///
/// # Errors
/// When the database does not answer.
pub async fn clear(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    query("delete from attempts where name = $1").bind(name).execute(tx).await?;
    Ok(())
}

/// Forgets windows that began before `before`, except of names that are still known; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(tx: &mut Tx, now: Timestamp, before: Timestamp) -> Result<u64, StoreError> {
    let statement =
        "delete from attempts where window_started_at < $1 and (proved_at is null or proved_at <= $2)";
    Ok(query(statement)
        .bind(before.as_milliseconds())
        .bind(now.minus(KNOWN_FOR).as_milliseconds())
        .execute(tx)
        .await?
        .rows_affected())
}

/// What an address is counted as: IPv6 by its /64, all of which one subscriber has (RFC 6177).
fn counted_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let prefix = Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
            format!("{prefix}/64")
        }
    }
}

/// Whether the name was right from that address lately. Names that nobody has never were.
async fn is_known(
    connection: &mut Connection,
    now: Timestamp,
    name: &str,
    address: &str,
) -> Result<bool, StoreError> {
    let statement = "select 1 from attempts where name = $1 and address = $2 and proved_at > $3";
    let row = query(statement)
        .bind(name)
        .bind(address)
        .bind(now.minus(KNOWN_FOR).as_milliseconds())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// One guarded statement: a new window, or one more in this one if there is room. The window
/// starts anew with the last failure allowed, so that a pause is never shorter than said; one without
/// failures has not begun.
async fn count(
    tx: &mut Tx,
    now: Timestamp,
    name: &str,
    address: &str,
    limit: u32,
    pause: Duration,
) -> Result<bool, StoreError> {
    if limit == 0 {
        return Ok(false);
    }
    let counted = query(
        "insert into attempts (name, address, failures, window_started_at) values ($1, $2, 1, $3) \
         on conflict (name, address) do update set \
         failures = case when attempts.window_started_at <= $4 then 1 else attempts.failures + 1 end, \
         moved_from = case \
            when attempts.window_started_at <= $4 or attempts.failures = 0 then null \
            when attempts.failures + 1 >= $5 then attempts.window_started_at else null end, \
         window_started_at = case \
            when attempts.window_started_at <= $4 or attempts.failures = 0 \
            or attempts.failures + 1 >= $5 then $3 else attempts.window_started_at end \
         where attempts.failures < $5 or attempts.window_started_at <= $4",
    )
    .bind(name)
    .bind(address)
    .bind(now.as_milliseconds())
    .bind(now.minus(pause).as_milliseconds())
    .bind(signed(u64::from(limit)))
    .execute(tx)
    .await?
    .rows_affected();
    Ok(counted > 0)
}

/// Takes one off. If it moved the window, that goes back to where it was: else right attempts would
/// keep old failures from ageing.
async fn take_back(tx: &mut Tx, name: &str, address: &str) -> Result<(), StoreError> {
    query(
        "update attempts set failures = failures - 1, moved_from = null, \
         window_started_at = coalesce(moved_from, window_started_at) \
         where name = $1 and address = $2 and failures > 0",
    )
    .bind(name)
    .bind(address)
    .execute(tx)
    .await?;
    Ok(())
}

async fn refused(
    connection: &mut Connection,
    name: &str,
    address: &str,
    pause: Duration,
) -> Result<Reservation, StoreError> {
    let row = query("select window_started_at from attempts where name = $1 and address = $2")
        .bind(name)
        .bind(address)
        .fetch_optional(connection)
        .await?;
    let until = match row {
        Some(row) => row.moment("window_started_at")?.plus(pause),
        None => Timestamp::MAX,
    };
    Ok(Reservation::Refused { until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_counted_by_its_64_and_a_mapped_one_as_ipv4() {
        for (address, counted) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(counted_address(address.parse().unwrap()), counted, "{address}");
        }
    }
}
