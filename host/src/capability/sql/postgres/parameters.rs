//! What stands for a statement's parameters, as the server wants it: mostly as text, which it reads as the type that it
//! has inferred.

use std::{error::Error, fmt::Write as _};

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use super::{
    reading::civil,
    values::{Bound, Range, Value},
};

/// One of them, made ready.
#[derive(Debug)]
pub(super) struct Parameter(Option<(Form, Vec<u8>)>);

#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Binary,
}

/// Seconds from 1970 to the ends of the times that PostgreSQL has, and some more.
const SECONDS: std::ops::Range<i64> = -300_000_000_000..9_300_000_000_000;

impl Parameter {
    /// For a parameter of this type.
    ///
    /// # Errors
    /// When the value is none; what is said goes on after "parameter 1".
    pub(super) fn new(value: &Value, ty: &Type) -> Result<Self, String> {
        let text = match value {
            Value::Null => return Ok(Self(None)),
            // As the type's own binary form: a value that came as unsupported goes back as it came.
            Value::Binary(bytes) | Value::Unsupported(bytes) => return Ok(Self(Some((Form::Binary, bytes.clone())))),
            Value::Interval(interval) if *ty == Type::INTERVAL => {
                let mut bytes = interval.micros.to_be_bytes().to_vec();
                bytes.extend(interval.days.to_be_bytes());
                bytes.extend(interval.months.to_be_bytes());
                return Ok(Self(Some((Form::Binary, bytes))));
            }
            // A single byte, whose text is not the number.
            Value::Int8(number) if *ty == Type::CHAR => {
                return Ok(Self(Some((Form::Binary, number.to_be_bytes().to_vec()))));
            }
            Value::Boolean(is) => is.to_string(),
            Value::Int8(number) => number.to_string(),
            Value::Int16(number) => number.to_string(),
            Value::Int32(number) => number.to_string(),
            Value::Int64(number) => number.to_string(),
            Value::Float32(number) => float(f64::from(*number), number.to_string()),
            Value::Float64(number) => float(*number, number.to_string()),
            Value::Str(text) | Value::Uuid(text) | Value::Decimal(text) => text.clone(),
            Value::Date((year, month, day)) => era(*year, &date(*year, *month, *day)),
            Value::Time((hour, minute, second, nanos)) => time(*hour, *minute, *second, *nanos)?,
            Value::Datetime(all) => datetime(*all)?,
            // What is no time may be a count of seconds.
            Value::Timestamp(seconds) if matches!(*ty, Type::INT8 | Type::INT4 | Type::NUMERIC) => seconds.to_string(),
            Value::Timestamp(seconds) => timestamp(*seconds)?,
            Value::Jsonb(text) => {
                String::from_utf8(text.clone()).map_err(|_| "is no JSON: it is no UTF-8".to_owned())?
            }
            Value::RangeInt32(ends) => range(ends, |number| Ok(number.to_string()))?,
            Value::RangeInt64(ends) => range(ends, |number| Ok(number.to_string()))?,
            Value::RangeDecimal(ends) => range(ends, |number| decimal(number))?,
            Value::ArrayInt32(all) => array(all, |number| Ok(number.to_string()))?,
            Value::ArrayInt64(all) => array(all, |number| Ok(number.to_string()))?,
            Value::ArrayDecimal(all) => array(all, |number| decimal(number))?,
            Value::ArrayStr(all) => array(all, |text| Ok(quoted(text)))?,
            Value::Interval(interval) => {
                let (sign, micros) = (if interval.micros < 0 { '-' } else { '+' }, interval.micros.unsigned_abs());
                let (hours, minutes) = (micros / 3_600_000_000, micros / 60_000_000 % 60);
                let (seconds, micros) = (micros / 1_000_000 % 60, micros % 1_000_000);
                format!(
                    "{:+} mons {:+} days {sign}{hours}:{minutes:02}:{seconds:02}.{micros:06}",
                    interval.months, interval.days
                )
            }
        };
        Ok(Self(Some((Form::Text, text.into_bytes()))))
    }
}

fn float(number: f64, text: String) -> String {
    match number {
        number if number == f64::INFINITY => "Infinity".to_owned(),
        number if number == f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => text,
    }
}

/// A day with its year counted as PostgreSQL reads it: before the first year there is none without `BC`.
fn date(year: i32, month: u8, day: u8) -> String {
    let year = if year > 0 { i64::from(year) } else { 1 - i64::from(year) };
    format!("{year:04}-{month:02}-{day:02}")
}

fn era(year: i32, text: &str) -> String {
    if year > 0 { text.to_owned() } else { format!("{text} BC") }
}

/// What is finer than a microsecond is cut off, as there is nothing finer in the database.
fn time(hour: u8, minute: u8, second: u8, nanos: u32) -> Result<String, String> {
    if nanos >= 1_000_000_000 {
        return Err(format!("is no time: it has {nanos} nanoseconds beside its seconds"));
    }
    Ok(format!("{hour:02}:{minute:02}:{second:02}.{:06}", nanos / 1000))
}

/// In UTC, whatever the session's time zone; a type without zones reads over it.
fn datetime((year, month, day, hour, minute, second, nanos): (i32, u8, u8, u8, u8, u8, u32)) -> Result<String, String> {
    Ok(era(year, &format!("{} {}+00", date(year, month, day), time(hour, minute, second, nanos)?)))
}

fn timestamp(seconds: i64) -> Result<String, String> {
    let of_day = seconds.rem_euclid(86_400) as u32;
    let known = SECONDS.contains(&seconds).then(|| civil(seconds.div_euclid(86_400))).flatten();
    let (year, month, day) = known.ok_or_else(|| format!("is no time: {seconds} seconds are beyond what there is"))?;
    datetime((year, month, day, (of_day / 3600) as u8, (of_day / 60 % 60) as u8, (of_day % 60) as u8, 0))
}

/// Digits, and what else is in a number: nothing that ends it inside of a range or an array.
fn decimal(text: &str) -> Result<String, String> {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    match !text.is_empty() && text.bytes().all(inside) {
        true => Ok(text.to_owned()),
        false => Err("holds what is no number".to_owned()),
    }
}

fn range<T>((lower, upper): &Range<T>, text: impl Fn(&T) -> Result<String, String>) -> Result<String, String> {
    let mut whole = String::new();
    whole.push(if matches!(lower, Some((_, Bound::Inclusive))) { '[' } else { '(' });
    lower.as_ref().map(|(value, _)| text(value)).transpose()?.into_iter().for_each(|text| whole += &text);
    whole.push(',');
    upper.as_ref().map(|(value, _)| text(value)).transpose()?.into_iter().for_each(|text| whole += &text);
    whole.push(if matches!(upper, Some((_, Bound::Inclusive))) { ']' } else { ')' });
    Ok(whole)
}

fn array<T>(all: &[Option<T>], text: impl Fn(&T) -> Result<String, String>) -> Result<String, String> {
    let mut whole = String::from("{");
    for (place, one) in all.iter().enumerate() {
        if place > 0 {
            whole.push(',');
        }
        match one {
            Some(one) => whole += &text(one)?,
            None => whole += "NULL",
        }
    }
    whole.push('}');
    Ok(whole)
}

fn quoted(text: &str) -> String {
    let mut whole = String::with_capacity(text.len() + 2);
    whole.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(whole, "\\{letter}").expect("a string takes everything"),
            letter => whole.push(letter),
        }
    }
    whole.push('"');
    whole
}

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some((_, bytes)) => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self.0 {
            Some((Form::Text, _)) => Format::Text,
            Some((Form::Binary, _)) | None => Format::Binary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::sql::postgres::Interval;

    fn text(value: Value) -> Result<String, String> {
        let Parameter(made) = Parameter::new(&value, &Type::TEXT)?;
        Ok(String::from_utf8(made.expect("no null").1).expect("text"))
    }

    #[test]
    fn texts_are_as_the_server_reads_them() {
        let said = |value| text(value).expect("a value");
        assert_eq!(said(Value::Float64(f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(said(Value::Float32(0.1)), "0.1");
        assert_eq!(said(Value::Date((-43, 3, 15))), "0044-03-15 BC");
        assert_eq!(said(Value::Datetime((0, 1, 2, 3, 4, 5, 6_007_999))), "0001-01-02 03:04:05.006007+00 BC");
        assert_eq!(said(Value::Timestamp(-1)), "1969-12-31 23:59:59.000000+00");
        let ends = (Some((1, Bound::Exclusive)), Some((5, Bound::Inclusive)));
        assert_eq!(said(Value::RangeInt32(ends)), "(1,5]");
        assert_eq!(said(Value::RangeInt64((None, Some((5, Bound::Exclusive))))), "(,5)");
        assert_eq!(said(Value::ArrayInt32(vec![Some(1), None])), "{1,NULL}");
        assert_eq!(said(Value::ArrayStr(vec![Some("a\"\\,}".to_owned()), None])), "{\"a\\\"\\\\,}\",NULL}");
        let interval = Interval { micros: -3_600_000_001, days: 2, months: -1 };
        assert_eq!(said(Value::Interval(interval)), "-1 mons +2 days -1:00:00.000001");
    }

    #[test]
    fn what_is_no_value_is_said_so() {
        assert!(text(Value::Time((1, 2, 3, 1_000_000_000))).is_err());
        assert!(text(Value::Timestamp(i64::MAX)).is_err());
        assert!(text(Value::Jsonb(vec![0xff])).is_err());
        for bad in ["", "1,2", "1]", "{1}", "1\"", "1 "] {
            assert!(text(Value::ArrayDecimal(vec![Some(bad.to_owned())])).is_err(), "{bad}");
            let ends = (Some((bad.to_owned(), Bound::Inclusive)), None);
            assert!(text(Value::RangeDecimal(ends)).is_err(), "{bad}");
        }
    }
}
