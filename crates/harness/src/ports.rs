//! Free ports below the range from which the kernel hands out its own.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

/// How many ports from a listen base on an installation uses.
const USED: u16 = 90;
/// How far apart listen bases are.
const STEP: u16 = 100;
/// How many listen bases there are.
const BASES: u16 = 190;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A listen base whose ports are free now; every call gives another one.
///
/// # Errors
/// When no base is free.
pub fn listen_base() -> Result<u16> {
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let mut bases = (0..BASES).map(|_| base());
    bases.find(|base| (*base..base + USED).all(is_free)).context("no listen base is free")
}

/// Test programs run side by side: each begins elsewhere, by its process id.
fn base() -> u16 {
    let turn = std::process::id().wrapping_mul(7) + NEXT.fetch_add(1, Ordering::Relaxed);
    12_000 + u16::try_from(turn % u32::from(BASES)).unwrap_or(0) * STEP
}

/// A port that is free now.
///
/// # Errors
/// When the kernel has none.
pub fn free() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
