//! When a schedule is due: a cron pattern in a time zone.

use std::fmt;

use croner::parser::{CronParser, Seconds, Year};
use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::fault::Wrong;

/// The zone of a schedule that names none.
const UTC: &str = "UTC";

/// A pattern of five fields, or a nickname such as `@daily`, in a time zone.
///
/// Where the zone's clock is put forward, a pattern with one fixed time of day that falls into the gap comes once after it; where
/// it is put back, it comes once. Patterns with steps or wildcards in minutes or hours follow the time that passes.
#[derive(Clone)]
pub struct Cron {
    text: String,
    pattern: croner::Cron,
    zone: TimeZone,
    zone_name: String,
}

impl Cron {
    /// Reads a pattern.
    pub(super) fn read(text: &str, zone: Option<(String, TimeZone)>) -> Result<Self, Wrong> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let wrong = |why: String| {
            let remedy =
                "write five fields such as \"*/5 * * * *\": minute, hour, day of the month, month, day of the week";
            Wrong::new(format!("= {text:?} {why}")).remedy(remedy)
        };
        let pattern = parser.parse(text).map_err(|error| wrong(format!("is no cron pattern: {error}")))?;
        let (zone_name, zone) = zone.unwrap_or_else(|| (UTC.to_owned(), TimeZone::UTC));
        let cron = Self { text: text.to_owned(), pattern, zone, zone_name };
        match cron.after(0) {
            Some(_) => Ok(cron),
            None => Err(wrong("never comes".to_owned())),
        }
    }

    /// The pattern as it was written.
    pub fn pattern(&self) -> &str {
        &self.text
    }

    /// The name of its time zone.
    pub fn zone(&self) -> &str {
        &self.zone_name
    }

    /// The first time after this one, both in milliseconds since 1970; none when the calendar ends before it.
    pub fn after(&self, time: i64) -> Option<i64> {
        let found = self.pattern.find_next_occurrence(&self.zoned(time)?, false).ok()?;
        Some(found.timestamp().as_millisecond())
    }

    /// The last time up to this one, itself included.
    pub fn until(&self, time: i64) -> Option<i64> {
        let found = self.pattern.find_previous_occurrence(&self.zoned(time)?, true).ok()?;
        Some(found.timestamp().as_millisecond())
    }

    fn zoned(&self, time: i64) -> Option<Zoned> {
        Some(Timestamp::from_millisecond(time).ok()?.to_zoned(self.zone.clone()))
    }
}

/// A time zone by its name in the IANA database.
pub(super) fn zone(name: &str) -> Result<(String, TimeZone), Wrong> {
    match TimeZone::get(name) {
        Ok(zone) => Ok((name.to_owned(), zone)),
        Err(_) => Err(Wrong::new(format!("= {name:?} is no time zone")).remedy("write one such as \"Europe/Berlin\"")),
    }
}

/// A time in milliseconds since 1970, as RFC 3339 has it, in UTC.
pub fn timestamp(time: i64) -> String {
    Timestamp::from_millisecond(time).map_or_else(|_| time.to_string(), |time| time.to_string())
}

/// A date as HTTP has it, in milliseconds since 1970.
pub(crate) fn http_date(text: &str) -> Option<i64> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond())
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.zone_name == other.zone_name
    }
}

impl Eq for Cron {}

impl fmt::Display for Cron {
    /// The pattern, and the zone when it is not UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.zone_name.as_str() {
            UTC => f.write_str(&self.text),
            zone => write!(f, "{} {zone}", self.text),
        }
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(text: &str, name: &str) -> Cron {
        Cron::read(text, Some(zone(name).expect("a zone"))).expect("a pattern")
    }

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a time").as_millisecond()
    }

    #[test]
    fn a_pattern_comes_at_its_zones_time_of_day() {
        let noon = cron("0 12 * * *", "Europe/Berlin");
        assert_eq!(noon.after(ms("2026-01-01T00:00:00Z")).map(timestamp).as_deref(), Some("2026-01-01T11:00:00Z"));
        assert_eq!(noon.after(ms("2026-07-01T11:00:00Z")).map(timestamp).as_deref(), Some("2026-07-02T10:00:00Z"));
        assert_eq!(noon.until(ms("2026-07-01T10:00:00Z")), Some(ms("2026-07-01T10:00:00Z")));
        assert_eq!(noon.until(ms("2026-07-01T09:59:59Z")), Some(ms("2026-06-30T10:00:00Z")));
        let fives = cron("*/5 * * * *", "UTC");
        assert_eq!(fives.after(ms("2026-01-01T00:05:00Z")), Some(ms("2026-01-01T00:10:00Z")));
        assert!(cron("@daily", "UTC").after(0).is_some());
        let halves = cron("0 0 1 1,7 *", "UTC");
        assert_eq!(halves.after(ms("2025-11-22T10:00:00Z")), Some(ms("2026-01-01T00:00:00Z")));
        assert_eq!(halves.until(ms("2026-11-23T10:00:00.5Z")), Some(ms("2026-07-01T00:00:00Z")));
    }

    #[test]
    fn a_fixed_time_comes_once_on_the_days_when_the_clock_is_changed() {
        let half_past_two = cron("30 2 * * *", "Europe/Berlin");
        for (from, to) in
            [("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"), ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z")]
        {
            let first = half_past_two.after(ms(from)).expect("it comes");
            assert!(first < ms(to), "{}", timestamp(first));
            let second = half_past_two.after(first).expect("it comes again");
            assert!(second > ms(to), "{} and {}", timestamp(first), timestamp(second));
        }
    }

    #[test]
    fn what_is_no_pattern_or_never_comes_is_refused() {
        for text in ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "now"] {
            assert!(Cron::read(text, None).is_err(), "{text}");
        }
        assert!(zone("Europe/Berlni").is_err());
    }
}
