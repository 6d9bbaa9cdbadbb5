//! The one source of chance for secrets and ids: the operating system, through aws-lc.

use aws_lc_rs::rand;
use evergate_model::id::Kind;
use evergate_model::{Id, Timestamp};

/// `N` random bytes.
///
/// # Panics
/// When the operating system has no randomness to give.
#[must_use]
#[expect(clippy::expect_used, reason = "without the system's randomness no secret is one: stop")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system has no randomness");
    bytes
}

/// A new id, made of this moment and chance.
#[must_use]
pub fn new_id<K: Kind>(now: Timestamp) -> Id<K> {
    Id::new(now, bytes())
}

/// A number below `bound`, each equally likely (draws again rather than fold the remainder in);
/// zero if `bound` is.
#[must_use]
pub fn below(bound: u32) -> u32 {
    if bound == 0 {
        return 0;
    }
    let fair_end = u32::MAX - u32::MAX % bound;
    loop {
        let drawn = u32::from_be_bytes(bytes());
        if drawn < fair_end {
            return drawn % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_the_bound_is_drawn() {
        let mut seen = [0_u32; 7];
        for _ in 0..7000 {
            seen[below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (700..1300).contains(count)), "{seen:?}");
        assert_eq!(below(0), 0);
    }

    #[test]
    fn ids_of_one_moment_differ() {
        let now = Timestamp::from_seconds(1);
        let (one, two) = (new_id::<evergate_model::id::User>(now), new_id(now));
        assert_ne!(one, two);
    }
}
