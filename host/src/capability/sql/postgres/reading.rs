//! The binary forms of PostgreSQL's types, read with no trust in them.

use std::fmt::Write as _;

use super::values::{Bound, Interval, Range};

/// Bytes that are not what their type says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

type Read<T> = Result<T, Malformed>;

/// Days from 1970 to 2000, where PostgreSQL's own count begins.
const EPOCH_DAYS: i64 = 10_957;

const MICROS_OF_DAY: i64 = 86_400_000_000;

/// Dimensions that an array may have.
const DIMENSIONS: u32 = 6;

/// Just as many bytes.
pub(super) fn fixed<const N: usize>(raw: &[u8]) -> Read<[u8; N]> {
    raw.try_into().map_err(|_| Malformed)
}

pub(super) fn int32(raw: &[u8]) -> Read<i32> {
    fixed(raw).map(i32::from_be_bytes)
}

pub(super) fn int64(raw: &[u8]) -> Read<i64> {
    fixed(raw).map(i64::from_be_bytes)
}

pub(super) fn text(raw: &[u8]) -> Read<String> {
    str::from_utf8(raw).map(str::to_owned).map_err(|_| Malformed)
}

/// Days since 2000; none for the ends of time.
pub(super) fn date(days: i32) -> Option<(i32, u8, u8)> {
    match days {
        i32::MIN | i32::MAX => None,
        days => civil(i64::from(days) + EPOCH_DAYS),
    }
}

/// Microseconds since midnight; 24:00 is a time.
pub(super) fn time(micros: i64) -> Read<(u8, u8, u8, u32)> {
    if !(0..=MICROS_OF_DAY).contains(&micros) {
        return Err(Malformed);
    }
    let seconds = micros / 1_000_000;
    let nanos = (micros % 1_000_000) as u32 * 1000;
    Ok(((seconds / 3600) as u8, (seconds / 60 % 60) as u8, (seconds % 60) as u8, nanos))
}

/// Microseconds since 2000; none for the ends of time.
pub(super) fn datetime(micros: i64) -> Option<(i32, u8, u8, u8, u8, u8, u32)> {
    if matches!(micros, i64::MIN | i64::MAX) {
        return None;
    }
    let (year, month, day) = civil(micros.div_euclid(MICROS_OF_DAY) + EPOCH_DAYS)?;
    let (hour, minute, second, nanos) = time(micros.rem_euclid(MICROS_OF_DAY)).ok()?;
    Some((year, month, day, hour, minute, second, nanos))
}

/// The day of the Gregorian calendar that is so many after 1970's first. Counted in eras of 400 years that begin in
/// March, so that the odd day comes last.
pub(super) fn civil(days: i64) -> Option<(i32, u8, u8)> {
    let days = days.checked_add(719_468)?;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    Some((year.try_into().ok()?, month as u8, day as u8))
}

pub(super) fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

pub(super) fn interval(bytes: [u8; 16]) -> Interval {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    Interval {
        micros: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        days: i32::from_be_bytes([i, j, k, l]),
        months: i32::from_be_bytes([m, n, o, p]),
    }
}

/// A number of any length, as digits: groups of four, and where the point is among them.
pub(super) fn numeric(raw: &[u8]) -> Read<String> {
    let mut bytes = Bytes(raw);
    let groups = bytes.u16()?;
    let weight = i32::from(bytes.u16()? as i16);
    let sign = bytes.u16()?;
    let scale = usize::from(bytes.u16()?);
    let mut text = match sign {
        0x0000 => String::new(),
        0x4000 => "-".to_owned(),
        0xc000 => return Ok("NaN".to_owned()),
        0xd000 => return Ok("Infinity".to_owned()),
        0xf000 => return Ok("-Infinity".to_owned()),
        _ => return Err(Malformed),
    };
    let groups = (0..groups).map(|_| bytes.u16()).collect::<Read<Vec<_>>>()?;
    if groups.iter().any(|group| *group > 9999) || !bytes.0.is_empty() {
        return Err(Malformed);
    }
    let group = |place: i32| usize::try_from(place).ok().and_then(|place| groups.get(place)).copied().unwrap_or(0);
    if weight < 0 {
        text.push('0');
    }
    for place in 0..=weight {
        match place {
            0 => write!(text, "{}", group(0)),
            place => write!(text, "{:04}", group(place)),
        }
        .expect("a string takes everything");
    }
    if scale > 0 {
        text.push('.');
        let end = text.len() + scale;
        let mut place = weight + 1;
        while text.len() < end {
            write!(text, "{:04}", group(place)).expect("a string takes everything");
            place += 1;
        }
        text.truncate(end);
    }
    Ok(text)
}

/// A range of values that are read so; none for one that is empty, which has no ends.
pub(super) fn range<T>(raw: &[u8], read: impl Fn(&[u8]) -> Read<T>) -> Read<Option<Range<T>>> {
    const EMPTY: u8 = 0x01;
    const LOWER: (u8, u8) = (0x02, 0x08);
    const UPPER: (u8, u8) = (0x04, 0x10);
    let mut bytes = Bytes(raw);
    let [flags] = fixed(bytes.take(1)?)?;
    if flags & EMPTY != 0 {
        return Ok(None);
    }
    let mut end = |(inclusive, infinite): (u8, u8)| {
        if flags & infinite != 0 {
            return Ok(None);
        }
        let length = bytes.u32()?;
        let value = read(bytes.take(length as usize)?)?;
        Ok(Some((value, if flags & inclusive != 0 { Bound::Inclusive } else { Bound::Exclusive })))
    };
    let ends = (end(LOWER)?, end(UPPER)?);
    if bytes.0.is_empty() { Ok(Some(ends)) } else { Err(Malformed) }
}

/// An array of values that are read so; none for one of several dimensions, which is no list.
pub(super) fn array<T>(raw: &[u8], read: impl Fn(&[u8]) -> Read<T>) -> Read<Option<Vec<Option<T>>>> {
    let mut bytes = Bytes(raw);
    let dimensions = bytes.u32()?;
    // Whether there are nulls, and of what type the elements are, is known.
    bytes.take(8)?;
    let count = match dimensions {
        0 => 0,
        1 => bytes.u32()?,
        2..=DIMENSIONS => return Ok(None),
        _ => return Err(Malformed),
    };
    if dimensions == 1 {
        bytes.take(4)?;
    }
    // Each has four bytes at least, so that no more are made than there can be.
    if u64::from(count) * 4 > bytes.0.len() as u64 {
        return Err(Malformed);
    }
    let one = |_| match bytes.u32()? {
        u32::MAX => Ok(None),
        length => read(bytes.take(length as usize)?).map(Some),
    };
    let all = (0..count).map(one).collect::<Read<Vec<_>>>()?;
    if bytes.0.is_empty() { Ok(Some(all)) } else { Err(Malformed) }
}

/// Bytes that are taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Read<u16> {
        self.take(2).and_then(fixed).map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Read<u32> {
        self.take(4).and_then(fixed).map(u32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, civil) in [
            (0, (2000, 1, 1)),
            (-1, (1999, 12, 31)),
            (59, (2000, 2, 29)),
            (-10_957, (1970, 1, 1)),
            (-730_119, (1, 1, 1)),
            (-730_120, (0, 12, 31)),
            // The ends of PostgreSQL's days: 4714 BC and 5874897.
            (-2_451_545, (-4713, 11, 24)),
            (2_145_031_948, (5_874_897, 12, 31)),
        ] {
            assert_eq!(date(days), Some(civil), "{days}");
        }
        assert_eq!(datetime(-1), Some((1999, 12, 31, 23, 59, 59, 999_999_000)));
        assert_eq!(time(MICROS_OF_DAY), Ok((24, 0, 0, 0)));
        assert_eq!((date(i32::MAX), datetime(i64::MIN)), (None, None));
    }

    #[test]
    fn numbers_are_told_digit_by_digit() {
        let number = |groups: &[u16], weight: i16, sign: u16, scale: u16| {
            let head = [groups.len() as u16, weight as u16, sign, scale];
            let raw: Vec<u8> = head.iter().chain(groups).flat_map(|part| part.to_be_bytes()).collect();
            numeric(&raw).expect("a number")
        };
        assert_eq!(number(&[], 0, 0, 0), "0");
        assert_eq!(number(&[], -1, 0, 2), "0.00");
        assert_eq!(number(&[1, 2345, 6700], 1, 0x4000, 2), "-12345.67");
        assert_eq!(number(&[1], 2, 0, 0), "100000000");
        assert_eq!(number(&[12], -2, 0, 8), "0.00000012");
        assert_eq!(number(&[], 0, 0xc000, 0), "NaN");
        assert_eq!(number(&[], 0, 0xf000, 0), "-Infinity");
    }
}
