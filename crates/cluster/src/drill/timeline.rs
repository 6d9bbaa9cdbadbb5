//! What became of a load over time: sent, lost and slowest for each tenth of a second. Pure.

use std::time::Duration;

use serde::Serialize;

/// How long each column of a time line is.
const COLUMN: Duration = Duration::from_millis(100);

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    Lost,
    /// At the struck access point when it was struck: nobody else could answer.
    InFlight,
}

/// One request, by when it began after the fault (negative: before), in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) began_ms: i64,
    pub(super) took: Duration,
    pub(super) fate: Fate,
}

/// A load, a column for each 100 ms; a request counts where it began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// When the first column begins: milliseconds after the fault, negative before it.
    pub begins_ms: i64,
    /// How long each column is, in milliseconds.
    pub column_ms: u64,
    /// How many requests were sent.
    pub sent: Vec<u32>,
    /// How many of them were lost.
    pub lost: Vec<u32>,
    /// How many of them were in flight at the struck access point.
    pub in_flight: Vec<u32>,
    /// How long the slowest of those answered took, in milliseconds, rounded up.
    pub slowest_ms: Vec<u64>,
}

impl Timeline {
    /// Puts requests, in any order, into columns; one boundary between columns is the fault.
    pub(super) fn of(moments: &[Moment]) -> Self {
        let column_ms = i64::try_from(COLUMN.as_millis()).unwrap_or(100);
        let column = |moment: &Moment| moment.began_ms.div_euclid(column_ms);
        let Some(first) = moments.iter().map(column).min() else { return Self::default() };
        let last = moments.iter().map(column).max().unwrap_or(first);
        let length = usize::try_from(last - first + 1).unwrap_or(0);
        let mut line = Self {
            begins_ms: first * column_ms,
            column_ms: column_ms.unsigned_abs(),
            sent: vec![0; length],
            lost: vec![0; length],
            in_flight: vec![0; length],
            slowest_ms: vec![0; length],
        };
        for moment in moments {
            line.count(usize::try_from(column(moment) - first).unwrap_or(0), moment);
        }
        line
    }

    fn count(&mut self, column: usize, moment: &Moment) {
        let add = |counts: &mut Vec<u32>| {
            if let Some(count) = counts.get_mut(column) {
                *count += 1;
            }
        };
        add(&mut self.sent);
        match moment.fate {
            Fate::Lost => add(&mut self.lost),
            Fate::InFlight => add(&mut self.in_flight),
            Fate::Answered => {
                if let Some(slowest) = self.slowest_ms.get_mut(column) {
                    *slowest = (*slowest).max(rounded_up(moment.took));
                }
            }
        }
    }

    /// When each column begins, in milliseconds after the fault.
    pub fn begins(&self) -> impl Iterator<Item = i64> {
        let step = i64::try_from(self.column_ms).unwrap_or(0);
        (0_i64..).map(move |number| self.begins_ms + number * step).take(self.sent.len())
    }
}

fn rounded_up(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(began_ms: i64, took_ms: u64, fate: Fate) -> Moment {
        Moment { began_ms, took: Duration::from_millis(took_ms), fate }
    }

    #[test]
    fn a_request_counts_in_the_column_where_it_began() {
        let line = Timeline::of(&[
            moment(250, 3, Fate::Lost),
            moment(-1, 2, Fate::Answered),
            moment(0, 700, Fate::Answered),
            moment(99, 4, Fate::InFlight),
            moment(-130, 5, Fate::Answered),
        ]);
        assert_eq!(line.begins_ms, -200);
        assert_eq!(line.begins().collect::<Vec<_>>(), [-200, -100, 0, 100, 200]);
        assert_eq!(line.sent, [1, 1, 2, 0, 1]);
        assert_eq!(line.lost, [0, 0, 0, 0, 1]);
        assert_eq!(line.in_flight, [0, 0, 1, 0, 0]);
        assert_eq!(line.slowest_ms, [5, 2, 700, 0, 0]);
    }

    #[test]
    fn nothing_sent_is_an_empty_line() {
        assert_eq!(Timeline::of(&[]).begins().count(), 0);
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_counted_twice_or_forgotten(began in proptest::collection::vec(-9000_i64..90_000, 0..200)) {
            let fates = [Fate::Answered, Fate::Lost, Fate::InFlight];
            let moments: Vec<Moment> =
                began.iter().zip(fates.iter().cycle()).map(|(began, fate)| moment(*began, 1, *fate)).collect();
            let line = Timeline::of(&moments);
            let of = |fate| moments.iter().filter(|moment| moment.fate == fate).count();
            let sum = |counts: &[u32]| counts.iter().map(|count| *count as usize).sum::<usize>();
            proptest::prop_assert_eq!(sum(&line.sent), moments.len());
            proptest::prop_assert_eq!(sum(&line.lost), of(Fate::Lost));
            proptest::prop_assert_eq!(sum(&line.in_flight), of(Fate::InFlight));
        }
    }
}
