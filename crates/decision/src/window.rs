//! When a `time in "..."` condition holds, and when that changes.

use std::str::FromStr;

use evergate_model::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, ToSpan};

/// A weekly window in a time zone: `Mon-Fri 08:00-18:00 Europe/Stockholm`. Days, hours and zone may
/// each be left out: every day, the whole day, UTC. A window that ends at or before its start runs
/// into the next day and belongs to the day on which it begins. In the night in which clocks are
/// put forward a time that does not exist is the moment an hour later; in the one in which they are
/// put back a time that exists twice is the first.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    days: [bool; 7],
    start: Minutes,
    end: Minutes,
    zone: TimeZone,
}

/// Minutes since midnight, 1440 at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Minutes(i16);

/// Why a text is not a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not {1}; write days, hours and time zone, as in `Mon-Fri 08:00-18:00 Europe/Stockholm`")]
pub(crate) struct WindowError(String, &'static str);

impl WindowError {
    fn new(text: &str, what: &'static str) -> Self {
        Self(text.chars().take(80).collect(), what)
    }
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl Window {
    /// Reads a window; time zones come from the database compiled in.
    pub(crate) fn parse(text: &str, zones: &TimeZoneDatabase) -> Result<Self, WindowError> {
        let mut window = Self { days: [true; 7], start: Minutes(0), end: Minutes(1440), zone: TimeZone::UTC };
        let mut words = text.split_ascii_whitespace().peekable();
        let starts_like = |word: &str, good: fn(char) -> bool| word.chars().next().is_some_and(good);
        if words.peek().is_none() {
            return Err(WindowError::new(text, "a time window"));
        }
        if let Some(word) = words.next_if(|word| DAYS.iter().any(|day| word.starts_with(day))) {
            window.days = days(word)?;
        }
        if let Some(word) = words.next_if(|word| starts_like(word, |c| c.is_ascii_digit())) {
            (window.start, window.end) = hours(word)?;
        }
        if let Some(word) = words.next() {
            window.zone = zones.get(word).map_err(|_| WindowError::new(word, "a time zone"))?;
        }
        match words.next() {
            Some(word) => Err(WindowError::new(word, "expected after the time zone")),
            None => Ok(window),
        }
    }

    /// Whether `now` lies in the window, and the next moment at which one may open or close;
    /// [`Timestamp::MAX`] beyond the years of the calendar.
    pub(crate) fn look(&self, now: Timestamp) -> (bool, Timestamp) {
        let Ok(moment) = jiff::Timestamp::from_millisecond(now.as_milliseconds()) else {
            return (false, Timestamp::MAX);
        };
        let today = self.zone.to_datetime(moment).date();
        let mut is_open = false;
        let mut next = Timestamp::MAX;
        for offset in -2..=8_i64 {
            let Some((opens, closes)) = self.on(today, offset.days()) else { continue };
            is_open |= opens <= now && now < closes;
            for change in [opens, closes] {
                if change > now && change < next {
                    next = change;
                }
            }
        }
        (is_open, next)
    }

    /// When the window of the day `offset` from `today` opens and closes.
    fn on(&self, today: Date, offset: Span) -> Option<(Timestamp, Timestamp)> {
        let date = today.checked_add(offset).ok()?;
        let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
        if !*self.days.get(weekday)? {
            return None;
        }
        let last = if self.end <= self.start { date.tomorrow().ok()? } else { date };
        Some((self.moment(date, self.start)?, self.moment(last, self.end)?))
    }

    fn moment(&self, date: Date, at: Minutes) -> Option<Timestamp> {
        let midnight = DateTime::from_parts(date, Time::midnight());
        let local = midnight.checked_add(i64::from(at.0).minutes()).ok()?;
        let moment = self.zone.to_timestamp(local).ok()?;
        Some(Timestamp::from_milliseconds(moment.as_millisecond()))
    }
}

/// `Mon`, `Mon-Fri`, `Sat-Mon`, `Mon,Wed,Fri-Sun`.
fn days(text: &str) -> Result<[bool; 7], WindowError> {
    let wrong = || WindowError::new(text, "a list of days");
    let number = |day: &str| DAYS.iter().position(|name| *name == day).ok_or_else(wrong);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        let length = (last + 7 - first) % 7;
        for day in first..=first + length {
            *days.get_mut(day % 7).ok_or_else(wrong)? = true;
        }
    }
    Ok(days)
}

/// `08:00-18:00`.
fn hours(text: &str) -> Result<(Minutes, Minutes), WindowError> {
    let wrong = || WindowError::new(text, "a span of hours");
    let (start, end) = text.split_once('-').ok_or_else(wrong)?;
    let (start, end): (Minutes, Minutes) =
        (start.parse().map_err(|()| wrong())?, end.parse().map_err(|()| wrong())?);
    if start.0 == 1440 || start == end { Err(wrong()) } else { Ok((start, end)) }
}

impl FromStr for Minutes {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (hour, minute) = text.split_once(':').ok_or(())?;
        let number = |part: &str, highest: i16| {
            let is_plain = part.len() == 2 && part.bytes().all(|c| c.is_ascii_digit());
            part.parse().ok().filter(|value: &i16| is_plain && *value <= highest).ok_or(())
        };
        let minutes = number(hour, 24)? * 60 + number(minute, 59)?;
        if minutes <= 1440 { Ok(Self(minutes)) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(text: &str) -> Window {
        Window::parse(text, &TimeZoneDatabase::bundled()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_milliseconds(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn office_hours_are_those_of_the_zone() {
        let office = window("Mon-Fri 08:00-18:00 Europe/Stockholm");
        // 2026-11-20 is a Friday; Stockholm is an hour ahead of UTC in winter.
        assert_eq!(office.look(at("2026-11-20T06:59:59Z")), (false, at("2026-11-20T07:00:00Z")));
        assert_eq!(office.look(at("2026-11-20T07:00:00Z")), (true, at("2026-11-20T17:00:00Z")));
        assert_eq!(office.look(at("2026-11-20T17:00:00Z")), (false, at("2026-11-23T07:00:00Z")));
        assert_eq!(office.look(at("2026-07-01T06:00:00Z")), (true, at("2026-07-01T16:00:00Z")));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let night = window("Fri 22:00-06:00");
        assert!(night.look(at("2026-11-21T05:59:59Z")).0);
        assert!(!night.look(at("2026-11-20T05:59:59Z")).0);
        assert_eq!(night.look(at("2026-11-21T06:00:00Z")), (false, at("2026-11-27T22:00:00Z")));
    }

    #[test]
    fn parts_may_be_left_out() {
        assert!(window("Sat-Mon").look(at("2026-11-22T12:00:00Z")).0);
        assert!(!window("Sat-Mon").look(at("2026-11-24T12:00:00Z")).0);
        assert!(window("12:00-24:00").look(at("2026-11-24T23:59:59Z")).0);
        assert!(window("Europe/Stockholm").look(at("2026-11-24T23:59:59Z")).0);
    }

    #[test]
    fn the_hours_of_a_clock_change_are_as_documented() {
        // Clocks in Stockholm went from 02:00 to 03:00 at 01:00 UTC on 2026-03-29, and back at
        // 01:00 UTC on 2026-10-25.
        let early = window("02:30-04:00 Europe/Stockholm");
        assert_eq!(early.look(at("2026-03-29T01:00:00Z")), (false, at("2026-03-29T01:30:00Z")));
        assert_eq!(early.look(at("2026-10-25T00:00:00Z")), (false, at("2026-10-25T00:30:00Z")));
    }

    #[test]
    fn what_is_not_a_window_is_refused_by_its_word() {
        for (text, word) in [
            ("", "time window"),
            ("Mon-Foo", "days"),
            ("Monday", "days"),
            ("Mon 8:00-18:00", "hours"),
            ("Mon 08:00", "hours"),
            ("08:00-08:00", "hours"),
            ("08:00-25:00", "hours"),
            ("24:30-25:00", "hours"),
            ("08:00-18:00 Mars/Olympus", "time zone"),
            ("08:00-18:00 UTC tomorrow", "after the time zone"),
        ] {
            let error = Window::parse(text, &TimeZoneDatabase::bundled()).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        let long = Window::parse(&"Mon".repeat(5000), &TimeZoneDatabase::bundled()).unwrap_err();
        assert!(long.to_string().len() < 250, "{long}");
    }

    proptest! {
        #[test]
        fn nothing_changes_before_the_moment_named(
            seconds in 1_700_000_000_i64..1_800_000_000,
            share in 0.0..1.0_f64,
            text in prop::sample::select(vec![
                "Mon-Fri 08:00-18:00 Europe/Stockholm", "Sat 22:00-04:30 America/New_York", "02:15-02:45 Europe/Paris",
                "Sun Australia/Lord_Howe", "23:00-01:00", "Tue,Thu 00:00-24:00 Asia/Kathmandu",
            ]),
        ) {
            let window = window(text);
            let now = Timestamp::from_seconds(seconds);
            let (is_open, next) = window.look(now);
            prop_assert!(next > now);
            let between = now.since(Timestamp::from_seconds(0)).as_millis() as f64
                + share * (next.since(now).as_millis() as f64 - 1.0);
            let later = Timestamp::from_milliseconds(between as i64);
            prop_assert_eq!(window.look(later), (is_open, next));
        }
    }
}
