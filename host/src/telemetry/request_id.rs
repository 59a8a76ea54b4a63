//! Request ids: 26 characters, time-ordered, made by the host alone.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Crockford's base 32: no I, L, O or U, and in the order of the characters' codes.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What a character of the alphabet stands for.
const DIGITS: [u8; 128] = {
    let mut digits = [0; 128];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        digits[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};

/// How many characters an id has: 128 bits, five at a time.
const LENGTH: usize = 26;

/// The name of one request, in the log, in the reply's `wasmbay-request-id` header and in its problem body.
///
/// 48 bits of Unix time in milliseconds, then 80 bits nobody can guess: later ids sort after earlier ones to the
/// millisecond, and an id does not tell how many requests there were.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; LENGTH]);

impl RequestId {
    /// A new id, unlike any other of this process.
    pub fn generate() -> Self {
        // The process's hash keys come from the operating system's random source; a keyed hash of a counter is a
        // stream of numbers that cannot be told from random ones.
        static KEYS: LazyLock<(RandomState, RandomState)> = LazyLock::new(|| (RandomState::new(), RandomState::new()));
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        // A clock before 1970 is a clock that was never set: the id is still unique.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let random = (u128::from(KEYS.0.hash_one(count)) << 16) | u128::from(KEYS.1.hash_one(count) as u16);
        Self::from_bits((now << 80) | random)
    }

    fn from_bits(bits: u128) -> Self {
        let mut text = [0; LENGTH];
        for (index, character) in text.iter_mut().enumerate() {
            let shift = 5 * (LENGTH - 1 - index);
            *character = ALPHABET[(bits >> shift) as usize & 31];
        }
        Self(text)
    }

    /// The id as a number of 128 bits.
    pub fn bits(&self) -> u128 {
        self.0.iter().fold(0, |bits, character| bits << 5 | u128::from(DIGITS[usize::from(*character)]))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }

    /// The id as a header's value.
    pub fn header(&self) -> http::HeaderValue {
        http::HeaderValue::from_bytes(&self.0).expect("the alphabet is visible ASCII")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_of_the_alphabet() {
        let ids: HashSet<_> = (0..100_000).map(|_| RequestId::generate()).collect();
        assert_eq!(ids.len(), 100_000);
        for id in ids {
            assert!(id.as_str().bytes().all(|byte| ALPHABET.contains(&byte)), "{id}");
        }
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let at = |millis: u128| RequestId::from_bits((millis << 80) | u128::from(u64::MAX));
        assert!(at(1) < at(2));
        assert!(at(1_700_000_000_000) < at(1_700_000_000_001));
        assert_eq!(RequestId::from_bits(0).as_str(), "0".repeat(26));
        assert_eq!(RequestId::from_bits(u128::MAX).as_str(), format!("7{}", "Z".repeat(25)));
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210] {
            assert_eq!(RequestId::from_bits(bits).bits(), bits);
        }
    }
}
