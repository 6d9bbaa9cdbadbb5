//! What must have been proven lately before an account is changed.

use evergate_model::factor::{ProvenFactor, WantedFactor};
use evergate_model::{Factor, Period, Timestamp};
use evergate_store::credentials::{self, Sort};

use crate::error::Error;
use crate::visit::{Signed, Visit};

/// A password is fresh for so long.
const FRESH: Period = Period::from_seconds(600);

/// Whether the page of this path changes something.
#[must_use]
pub(crate) fn is_wanted_for(path: &str) -> bool {
    path.starts_with("/account/") && path != "/account/sessions"
}

/// The sequences of which one is still missing; none: nothing is.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn missing(visit: &Visit, signed: &Signed) -> Result<Vec<Vec<WantedFactor>>, Error> {
    let mut connection = visit.site.store.read().await?;
    let all = credentials::list(&mut connection, signed.facts.user).await?;
    let has = |sort| all.iter().any(|credential| credential.sort == sort);
    Ok(sequences(&signed.facts.factors, has(Sort::Password), has(Sort::Totp), visit.now))
}

/// A fresh password where there is one, and the soft token (or what stands in for it) where there
/// is one: a session opened by the password alone must not remove the other factor.
fn sequences(
    proven: &[ProvenFactor],
    has_password: bool,
    has_totp: bool,
    now: Timestamp,
) -> Vec<Vec<WantedFactor>> {
    let password = WantedFactor { factor: Factor::Password, within: Some(FRESH) };
    let first: Vec<WantedFactor> = if has_password { vec![password] } else { Vec::new() };
    let seconds: &[Factor] = match (has_totp, has_password) {
        (true, _) => &[Factor::Totp, Factor::RecoveryCode],
        (false, true) => &[],
        // Nothing but mail is left to prove oneself with.
        (false, false) => &[Factor::EmailCode],
    };
    let second = |factor: &Factor| WantedFactor { factor: factor.clone(), within: None };
    let wanted: Vec<Vec<WantedFactor>> = if seconds.is_empty() {
        vec![first]
    } else {
        seconds.iter().map(|factor| [first.clone(), vec![second(factor)]].concat()).collect()
    };
    let missing: Vec<Vec<WantedFactor>> = wanted
        .into_iter()
        .map(|sequence| sequence.into_iter().filter(|wanted| !is_proven(wanted, proven, now)).collect())
        .collect();
    if missing.iter().any(Vec::is_empty) { Vec::new() } else { missing }
}

fn is_proven(wanted: &WantedFactor, proven: &[ProvenFactor], now: Timestamp) -> bool {
    proven.iter().any(|proven| {
        proven.factor == wanted.factor
            && wanted.within.is_none_or(|within| proven.at.plus(within.as_duration()) > now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(10_000);

    fn proven(factor: Factor, seconds_ago: i64) -> ProvenFactor {
        ProvenFactor { factor, at: Timestamp::from_seconds(10_000 - seconds_ago) }
    }

    #[test]
    fn a_password_is_fresh_for_ten_minutes() {
        let missing =
            |seconds_ago| sequences(&[proven(Factor::Password, seconds_ago)], true, false, NOW).len();
        assert_eq!((missing(599), missing(600)), (0, 1));
    }

    #[test]
    fn whoever_has_a_soft_token_must_have_proven_it_or_a_recovery_code() {
        let password = proven(Factor::Password, 1);
        let missing = sequences(std::slice::from_ref(&password), true, true, NOW);
        let wanted = |factor| vec![WantedFactor { factor, within: None }];
        assert_eq!(missing, [wanted(Factor::Totp), wanted(Factor::RecoveryCode)]);
        assert!(sequences(&[password, proven(Factor::RecoveryCode, 3000)], true, true, NOW).is_empty());
    }

    #[test]
    fn pages_that_only_show_want_nothing_more() {
        assert!(!is_wanted_for("/account") && !is_wanted_for("/account/sessions") && !is_wanted_for("/"));
        assert!(is_wanted_for("/account/password") && is_wanted_for("/account/soft-tokens/new"));
    }
}
