//! Fuel, byte sizes and durations as typed values, read from and written as a person writes them.
//!
//! A value is a whole number and a suffix, without a blank between: `64MiB`, `250ms`, `2G`. [`fmt::Display`] writes
//! what [`FromStr`] reads back to the same value, in the largest unit that needs no fraction.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A number of fuel units; one is about one wasm operator. Also reads any other plain count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fuel(pub u64);

/// A length of time, for where a [`Duration`] is read or written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(pub Duration);

/// Why a text is no size, count or duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {why}")]
pub struct UnitError {
    /// What was written.
    pub text: String,
    /// The second half of a sentence that begins with the text.
    pub why: &'static str,
    /// What to write, as a command: `write a size with a unit, such as "64MiB"`.
    pub remedy: &'static str,
}

/// A suffix and how many of the smallest unit it stands for, the largest first.
type Suffixes = &'static [(&'static str, u64)];

const KIBI: u64 = 1 << 10;
const MEBI: u64 = 1 << 20;
const GIBI: u64 = 1 << 30;
const TEBI: u64 = 1 << 40;
const BYTES: Suffixes = &[
    ("TiB", TEBI),
    ("TB", 1_000_000_000_000),
    ("GiB", GIBI),
    ("GB", 1_000_000_000),
    ("MiB", MEBI),
    ("MB", 1_000_000),
    ("KiB", KIBI),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];
const COUNTS: Suffixes = &[("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000), ("", 1)];
/// In nanoseconds. Every [`Duration`] is a whole number of them.
const TIMES: Suffixes = &[
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// What the three kinds of value differ in.
struct Kind {
    suffixes: Suffixes,
    remedy: &'static str,
}

const SIZE: Kind = Kind { suffixes: BYTES, remedy: "write a size with its unit, such as \"64MiB\" or \"512B\"" };
const COUNT: Kind = Kind { suffixes: COUNTS, remedy: "write a whole number, or one with k, M, G or T, such as \"2G\"" };
const TIME: Kind =
    Kind { suffixes: TIMES, remedy: "write a duration with its unit, such as \"250ms\", \"10s\", \"5m\" or \"2h\"" };

impl Kind {
    /// Reads `text` as a whole number of the smallest unit.
    fn parse(&self, text: &str) -> Result<u128, UnitError> {
        let wrong = |why| UnitError { text: text.to_owned(), why, remedy: self.remedy };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, suffix) = text.split_at(digits);
        if number.is_empty() {
            return Err(wrong("does not begin with a whole number"));
        }
        let Some((_, factor)) = self.suffixes.iter().find(|(name, _)| *name == suffix) else {
            return Err(wrong(match suffix.bytes().next() {
                None => "has no unit",
                Some(b'.' | b',') => "is not a whole number",
                Some(b' ') => "has a blank in it",
                Some(_) => "ends in an unknown unit",
            }));
        };
        // Twenty digits and a factor below 2^64 fit into 128 bits; more digits are too many for every caller.
        let number: u128 = number.parse().map_err(|_| wrong("is too large"))?;
        number.checked_mul(u128::from(*factor)).ok_or_else(|| wrong("is too large"))
    }

    /// As [`Kind::parse`], for values that fit into 64 bits.
    fn parse_u64(&self, text: &str) -> Result<u64, UnitError> {
        let too_large = |_| UnitError { text: text.to_owned(), why: "is too large", remedy: self.remedy };
        u64::try_from(self.parse(text)?).map_err(too_large)
    }

    /// Writes `value` in the largest unit that divides it.
    fn write(&self, f: &mut fmt::Formatter<'_>, value: u128) -> fmt::Result {
        let divides = |(_, factor): &&(&str, u64)| value != 0 && value.is_multiple_of(u128::from(*factor));
        match self.suffixes.iter().find(divides).or(self.suffixes.last()) {
            Some((suffix, factor)) => write!(f, "{}{suffix}", value / u128::from(*factor)),
            None => write!(f, "{value}"),
        }
    }

    /// A regular expression of what [`Kind::parse`] reads, for JSON schemas.
    fn pattern(&self) -> String {
        let suffixes: Vec<&str> = self.suffixes.iter().map(|(suffix, _)| *suffix).collect();
        format!("^[0-9]+({})$", suffixes.join("|"))
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        SIZE.parse_u64(text).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SIZE.write(f, self.0.into())
    }
}

impl FromStr for Fuel {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        COUNT.parse_u64(text).map(Self)
    }
}

impl fmt::Display for Fuel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        COUNT.write(f, self.0.into())
    }
}

impl FromStr for Interval {
    type Err = UnitError;

    /// `0` stands alone: zero is zero in every unit.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let nanos = TIME.parse(text)?;
        let too_large = |_| UnitError { text: text.to_owned(), why: "is too large", remedy: TIME.remedy };
        let seconds = u64::try_from(nanos / 1_000_000_000).map_err(too_large)?;
        Ok(Self(Duration::new(seconds, (nanos % 1_000_000_000) as u32)))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("0s");
        }
        TIME.write(f, self.0.as_nanos())
    }
}

impl UnitError {
    /// What is said to a bare number where a size is meant.
    pub fn bare_size(number: impl fmt::Display) -> Self {
        Self { text: number.to_string(), why: "has no unit", remedy: SIZE.remedy }
    }

    /// What is said to a bare number, other than 0, where a duration is meant.
    pub fn bare_interval(number: impl fmt::Display) -> Self {
        Self { text: number.to_string(), why: "has no unit", remedy: TIME.remedy }
    }
}

/// Text in, text out; `$bare` says what a bare number comes to.
macro_rules! as_text {
    ($type:ident, $expecting:literal, |$number:ident| $bare:expr, $schema:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(|wrong: UnitError| E::custom(format!("{wrong}; {}", wrong.remedy)))
                    }

                    fn visit_u64<E: de::Error>(self, $number: u64) -> Result<$type, E> {
                        let value: Result<$type, UnitError> = $bare;
                        value.map_err(|wrong| E::custom(format!("{wrong}; {}", wrong.remedy)))
                    }

                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$type, E> {
                        let wrong = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
                        u64::try_from(number).map_err(wrong).and_then(|number| Self.visit_u64(number))
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

as_text!(
    ByteSize,
    "a size such as \"64MiB\"",
    |number| Err(UnitError::bare_size(number)),
    json_schema!({ "type": "string", "pattern": SIZE.pattern() })
);
as_text!(
    Fuel,
    "a count such as 500 or \"2G\"",
    |number| Ok(Fuel(number)),
    json_schema!({ "type": ["integer", "string"], "minimum": 0, "pattern": COUNT.pattern() })
);
as_text!(
    Interval,
    "a duration such as \"250ms\"",
    |number| if number == 0 { Ok(Interval(Duration::ZERO)) } else { Err(UnitError::bare_interval(number)) },
    json_schema!({
        "type": ["string", "integer"],
        "pattern": TIME.pattern().replacen('^', "^0$|^", 1),
        "minimum": 0,
        "maximum": 0
    })
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason<T: FromStr<Err = UnitError>>(text: &str) -> Option<&'static str> {
        text.parse::<T>().err().map(|wrong| wrong.why)
    }

    #[test]
    fn what_people_write_is_understood() {
        assert_eq!("64MiB".parse(), Ok(ByteSize(64 << 20)));
        assert_eq!("1KiB".parse(), Ok(ByteSize(1024)));
        assert_eq!("10MB".parse(), Ok(ByteSize(10_000_000)));
        assert_eq!("512B".parse(), Ok(ByteSize(512)));
        assert_eq!("2G".parse(), Ok(Fuel(2_000_000_000)));
        assert_eq!("10k".parse(), Ok(Fuel(10_000)));
        assert_eq!("7".parse(), Ok(Fuel(7)));
        assert_eq!("250ms".parse(), Ok(Interval(Duration::from_millis(250))));
        assert_eq!("5m".parse(), Ok(Interval(Duration::from_mins(5))));
        assert_eq!("2h".parse(), Ok(Interval(Duration::from_hours(2))));
        assert_eq!("0".parse(), Ok(Interval(Duration::ZERO)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_reason() {
        assert_eq!(reason::<ByteSize>("64"), Some("has no unit"));
        assert_eq!(reason::<ByteSize>("0"), Some("has no unit"));
        assert_eq!(reason::<ByteSize>("64 MiB"), Some("has a blank in it"));
        assert_eq!(reason::<ByteSize>("64mb"), Some("ends in an unknown unit"));
        assert_eq!(reason::<ByteSize>("1.5GiB"), Some("is not a whole number"));
        assert_eq!(reason::<ByteSize>(""), Some("does not begin with a whole number"));
        assert_eq!(reason::<ByteSize>("-1B"), Some("does not begin with a whole number"));
        assert_eq!(reason::<Interval>("10"), Some("has no unit"));
        assert_eq!(reason::<Fuel>("2g"), Some("ends in an unknown unit"));
    }

    #[test]
    fn too_much_is_refused_not_wrapped() {
        assert_eq!(reason::<ByteSize>("18446744073709551616B"), Some("is too large"));
        assert_eq!(reason::<ByteSize>("16777216TiB"), Some("is too large"));
        assert_eq!(reason::<Fuel>("99999999999999999999999999999999999999999999"), Some("is too large"));
        assert_eq!(reason::<Fuel>("340282366920938463463374607431768211455T"), Some("is too large"));
        assert_eq!(reason::<Interval>("18446744073709551615h"), Some("is too large"));
        assert_eq!("18446744073709551615s".parse(), Ok(Interval(Duration::from_secs(u64::MAX))));
    }

    #[test]
    fn the_shortest_exact_unit_is_written() {
        assert_eq!(ByteSize(64 << 20).to_string(), "64MiB");
        assert_eq!(ByteSize(10_000_000).to_string(), "10MB");
        assert_eq!(ByteSize(1000).to_string(), "1kB");
        assert_eq!(ByteSize(0).to_string(), "0B");
        assert_eq!(Fuel(1_500_000).to_string(), "1500k");
        assert_eq!(Fuel(0).to_string(), "0");
        assert_eq!(Interval(Duration::from_millis(1500)).to_string(), "1500ms");
        assert_eq!(Interval(Duration::ZERO).to_string(), "0s");
    }

    #[test]
    fn serde_refuses_a_bare_number_where_a_unit_is_meant() {
        assert_eq!(serde_json::from_str::<Fuel>("7").ok(), Some(Fuel(7)));
        assert_eq!(serde_json::from_str::<Interval>("0").ok(), Some(Interval(Duration::ZERO)));
        assert!(serde_json::from_str::<Interval>("10").is_err());
        assert!(serde_json::from_str::<ByteSize>("64").is_err());
        assert!(serde_json::from_str::<Fuel>("-7").is_err());
    }

    /// Values as they are written: a short number, times any power of two or ten.
    fn written() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            (0..10_000u64, 0..50u32).prop_map(|(n, by)| n << by),
            (0..10_000u64, 0..15u32).prop_map(|(n, by)| n * 10u64.pow(by)),
        ]
    }

    proptest! {
        #[test]
        fn sizes_round_trip(bytes in written()) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
            let json = serde_json::to_string(&ByteSize(bytes)).expect("a string serialises");
            prop_assert_eq!(serde_json::from_str::<ByteSize>(&json).ok(), Some(ByteSize(bytes)));
        }

        #[test]
        fn counts_round_trip(count in written()) {
            prop_assert_eq!(Fuel(count).to_string().parse(), Ok(Fuel(count)));
        }

        #[test]
        fn durations_round_trip(seconds in written(), nanos in prop_oneof![Just(0), 0..1_000_000_000u32]) {
            let interval = Interval(Duration::new(seconds, nanos));
            prop_assert_eq!(interval.to_string().parse(), Ok(interval));
        }

        #[test]
        fn no_text_panics(text in "[0-9]{0,45}[ .]?[a-zA-Z]{0,3}|.*") {
            let _ = (text.parse::<ByteSize>(), text.parse::<Fuel>(), text.parse::<Interval>());
        }
    }
}
