//! Codes of soft tokens, computed by Debian's `oathtool`: nothing of ours is trusted to check ours.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// The code of a soft token now (RFC 6238); `secret` in base32.
///
/// # Errors
/// When `oathtool` is not installed or refuses.
pub fn totp(secret: &str) -> Result<String> {
    oathtool(&["--totp", "--base32", "--", secret])
}

/// The code of a soft token so many seconds from now, which may be negative.
///
/// # Errors
/// When `oathtool` is not installed or refuses.
pub fn totp_in(secret: &str, seconds: i64) -> Result<String> {
    let sign = if seconds < 0 { "-" } else { "+" };
    let now = format!("--now=now {sign} {} seconds", seconds.abs());
    oathtool(&[&now, "--totp", "--base32", "--", secret])
}

/// The secret, base32, in an `otpauth://` address.
///
/// # Errors
/// When there is none.
pub fn secret(otpauth: &str) -> Result<String> {
    let (_, query) = otpauth.split_once('?').context("an otpauth address without a query")?;
    let fields: Vec<(String, String)> = serde_urlencoded::from_str(query)?;
    let found = fields.into_iter().find(|(name, _)| name == "secret");
    found.map(|(_, secret)| secret).context("an otpauth address without a secret")
}

fn oathtool(arguments: &[&str]) -> Result<String> {
    let output = Command::new("oathtool").args(arguments).output().context("cannot start `oathtool`")?;
    if !output.status.success() {
        bail!("`oathtool` refused: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_taken_from_the_address() {
        assert_eq!(secret("otpauth://totp/Evergate:alice?secret=ABC&issuer=Evergate").unwrap(), "ABC");
        assert!(secret("otpauth://totp/x?issuer=y").is_err());
    }
}
