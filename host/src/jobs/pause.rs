//! How long a job rests between two attempts.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::config::http_date;

/// No pause is longer, unless the plugin asks for one.
const LONGEST: Duration = Duration::from_hours(1);

/// A random pause before this attempt, the second one being the first that has any: up to `base`, and twice as much for each
/// further one. All of it is random ("full jitter"), so that jobs which failed together do not come back together.
pub(super) fn before(base: Duration, attempt: u32) -> Duration {
    let most = base.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(2)).unwrap_or(u32::MAX)).min(LONGEST);
    random(most)
}

/// Each `RandomState` has keys of its own, from the system's random source.
fn random(most: Duration) -> Duration {
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(RandomState::new().hash_one(most) % most.saturating_add(1).max(1))
}

/// What a `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
    let at = u128::try_from(http_date(value)?).ok()?;
    Some(Duration::from_millis(u64::try_from(at.saturating_sub(now)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_are_spread_over_all_of_it() {
        let base = Duration::from_secs(1);
        for (attempt, most) in [(2, 1), (3, 2), (4, 4), (10, 256), (20, 3600), (60, 3600), (u32::MAX, 3600)] {
            let most = Duration::from_secs(most);
            let pauses: Vec<_> = (0..400).map(|_| before(base, attempt)).collect();
            assert!(pauses.iter().all(|pause| *pause <= most), "{attempt}");
            let (least, largest) = (pauses.iter().min().expect("some"), pauses.iter().max().expect("some"));
            assert!(*least < most / 4 && *largest > most / 4 * 3, "{attempt}: {least:?} to {largest:?}");
        }
        assert_eq!(before(Duration::ZERO, 5), Duration::ZERO);
    }

    #[test]
    fn what_a_plugin_asks_for_is_read() {
        assert_eq!(retry_after("120"), Some(Duration::from_mins(2)));
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(retry_after("Tue, 31 Dec 2999 23:59:59 GMT").is_some_and(|pause| pause > LONGEST));
    }
}
