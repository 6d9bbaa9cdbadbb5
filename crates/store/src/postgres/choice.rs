//! Which of several servers is the one to write to. Pure.

/// What a server said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whether it takes writes: it neither follows another nor was made read-only.
    pub(crate) is_writable: bool,
    /// How often its history parted: every promotion begins a higher timeline. 0 where it follows.
    pub(crate) timeline: u32,
    /// Which PostgreSQL it is: the same for a server and its standbys.
    pub(crate) system: u64,
}

/// The server to write to: one that takes writes and whose timeline is the highest of its PostgreSQL that
/// was ever `seen`, since a lower one belongs to a server that does not know it was replaced. One of the PostgreSQL that
/// was `used` last goes before any other, whatever timeline that says it is on. Of several the one in use stays.
/// `standings` has `None` for servers that did not answer.
pub(crate) fn choose(
    standings: &[Option<Standing>],
    seen: impl Fn(u64) -> u32,
    used: Option<u64>,
    in_use: Option<usize>,
) -> Option<usize> {
    let rank = |index: usize| {
        let standing = standings.get(index).copied().flatten()?;
        let is_eligible = standing.is_writable && standing.timeline >= seen(standing.system);
        is_eligible.then_some((used == Some(standing.system), standing.timeline))
    };
    let highest = (0..standings.len()).filter_map(rank).max()?;
    let is_highest = |index: &usize| rank(*index) == Some(highest);
    in_use.filter(is_highest).or_else(|| (0..standings.len()).find(is_highest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDBY: Option<Standing> = Some(Standing { is_writable: false, timeline: 0, system: 7 });

    fn primary(timeline: u32) -> Option<Standing> {
        Some(Standing { is_writable: true, timeline, system: 7 })
    }

    #[test]
    fn the_writable_server_is_chosen_wherever_it_stands() {
        assert_eq!(choose(&[STANDBY, primary(1)], |_| 0, None, None), Some(1));
        assert_eq!(choose(&[None, primary(1), STANDBY], |_| 1, None, Some(0)), Some(1));
        assert_eq!(choose(&[STANDBY, None], |_| 0, None, Some(0)), None);
    }

    #[test]
    fn of_two_that_take_writes_the_promoted_one_is_chosen() {
        assert_eq!(choose(&[primary(1), primary(2)], |_| 1, None, Some(0)), Some(1));
        assert_eq!(choose(&[primary(2), primary(1)], |_| 1, None, Some(1)), Some(0));
    }

    #[test]
    fn a_server_that_was_replaced_is_never_chosen_again() {
        assert_eq!(choose(&[primary(1), None], |_| 2, None, None), None);
        assert_eq!(choose(&[primary(1), None], |_| 2, None, Some(0)), None);
    }

    #[test]
    fn what_was_seen_of_another_database_counts_for_nothing() {
        let seen = |system| if system == 8 { 2 } else { 0 };
        assert_eq!(choose(&[primary(1)], seen, None, None), Some(0));
    }

    #[test]
    fn another_database_is_chosen_only_where_the_one_that_was_used_is_away() {
        let other = Some(Standing { is_writable: true, timeline: 9, system: 8 });
        assert_eq!(choose(&[other, primary(1)], |_| 0, Some(7), None), Some(1));
        assert_eq!(choose(&[other, primary(1)], |_| 0, Some(7), Some(0)), Some(1));
        assert_eq!(choose(&[other, None], |_| 0, Some(7), None), Some(0));
        assert_eq!(choose(&[other, primary(1)], |_| 0, None, None), Some(0));
    }

    #[test]
    fn of_equals_the_one_in_use_stays() {
        assert_eq!(choose(&[primary(3), primary(3)], |_| 3, None, Some(1)), Some(1));
        assert_eq!(choose(&[primary(3), primary(3)], |_| 3, None, None), Some(0));
    }
}
