//! Values of PostgreSQL's, as guests are told of them, and what they are made of on the wire.

use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

use super::reading::{self, Malformed};
use crate::{
    capability::sql::server::{Refusal, Weigh},
    config::DatabaseQuota,
};

/// A value, or what stands for a parameter.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Value {
    Null,
    Boolean(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    Str(String),
    Binary(Vec<u8>),
    /// Year (0 is 1 BC), month, day.
    Date((i32, u8, u8)),
    /// Hour, minute, second, nanosecond.
    Time((u8, u8, u8, u32)),
    /// Both, in UTC.
    Datetime((i32, u8, u8, u8, u8, u8, u32)),
    /// Seconds since 1970, in UTC.
    Timestamp(i64),
    Uuid(String),
    /// A text of JSON.
    Jsonb(Vec<u8>),
    /// A text of digits.
    Decimal(String),
    RangeInt32(Range<i32>),
    RangeInt64(Range<i64>),
    RangeDecimal(Range<String>),
    ArrayInt32(Vec<Option<i32>>),
    ArrayInt64(Vec<Option<i64>>),
    ArrayDecimal(Vec<Option<String>>),
    ArrayStr(Vec<Option<String>>),
    Interval(Interval),
    /// What none of these can hold, as it came.
    Unsupported(Vec<u8>),
}

/// The ends of a range, the lower one first; none is without end.
pub type Range<T> = (Option<(T, Bound)>, Option<(T, Bound)>);

/// Whether the end of a range is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It is.
    Inclusive,
    /// It is not.
    Exclusive,
}

/// A length of time. Its parts do not add up: a month has no fixed number of days, nor a day of hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Microseconds.
    pub micros: i64,
    /// Days.
    pub days: i32,
    /// Months.
    pub months: i32,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub data_type: DataType,
}

/// What a column's values are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum DataType {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Str,
    Binary,
    Date,
    Time,
    Datetime,
    Uuid,
    Jsonb,
    Decimal,
    RangeInt32,
    RangeInt64,
    RangeDecimal,
    ArrayInt32,
    ArrayInt64,
    ArrayDecimal,
    ArrayStr,
    Interval,
    /// Of this name, whose values are unsupported.
    Other(String),
}

impl Column {
    pub(super) fn of(column: &tokio_postgres::Column) -> Self {
        Self { name: column.name().to_owned(), data_type: DataType::of(column.type_()) }
    }
}

impl DataType {
    fn of(ty: &Type) -> Self {
        match *ty {
            Type::BOOL => Self::Boolean,
            Type::CHAR => Self::Int8,
            Type::INT2 => Self::Int16,
            Type::INT4 => Self::Int32,
            Type::INT8 => Self::Int64,
            Type::FLOAT4 => Self::Float32,
            Type::FLOAT8 => Self::Float64,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => Self::Str,
            Type::BYTEA => Self::Binary,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time,
            Type::TIMESTAMP | Type::TIMESTAMPTZ => Self::Datetime,
            Type::UUID => Self::Uuid,
            Type::JSON | Type::JSONB => Self::Jsonb,
            Type::NUMERIC => Self::Decimal,
            Type::INT4_RANGE => Self::RangeInt32,
            Type::INT8_RANGE => Self::RangeInt64,
            Type::NUM_RANGE => Self::RangeDecimal,
            Type::INT4_ARRAY => Self::ArrayInt32,
            Type::INT8_ARRAY => Self::ArrayInt64,
            Type::NUMERIC_ARRAY => Self::ArrayDecimal,
            Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY => Self::ArrayStr,
            Type::INTERVAL => Self::Interval,
            _ => Self::Other(ty.name().to_owned()),
        }
    }
}

impl Weigh for Value {
    fn weight(&self) -> u64 {
        let texts =
            |texts: &[Option<String>]| size_of_val(texts) + texts.iter().flatten().map(String::len).sum::<usize>();
        let own = match self {
            Self::Str(text) | Self::Uuid(text) | Self::Decimal(text) => text.len(),
            Self::Binary(bytes) | Self::Jsonb(bytes) | Self::Unsupported(bytes) => bytes.len(),
            Self::ArrayInt32(numbers) => size_of_val(&**numbers),
            Self::ArrayInt64(numbers) => size_of_val(&**numbers),
            Self::ArrayDecimal(all) | Self::ArrayStr(all) => texts(all),
            Self::RangeDecimal((lower, upper)) => {
                [lower, upper].into_iter().flatten().map(|(number, _)| number.len()).sum()
            }
            _ => 0,
        };
        own as u64
    }
}

/// The bytes of a value, of whatever type.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The values of a row.
///
/// # Errors
/// A value that is too large, or is not what its type says.
pub(super) fn row(row: &Row, quota: &DatabaseQuota) -> Result<Vec<Value>, Refusal> {
    let one = |(place, column): (usize, &tokio_postgres::Column)| {
        let malformed = || Refusal::Conversion(format!("a value of the column {} is malformed", column.name()));
        let Raw(raw) = row.try_get(place).map_err(|_| malformed())?;
        let Some(raw) = raw else { return Ok(Value::Null) };
        if raw.len() as u64 > quota.value {
            return Err(Refusal::Value(quota.value));
        }
        value(column.type_(), raw).map_err(|Malformed| malformed())
    };
    row.columns().iter().enumerate().map(one).collect()
}

/// A value from its bytes. One that its kind cannot hold, such as the day `infinity`, is told as unsupported.
fn value(ty: &Type, raw: &[u8]) -> Result<Value, Malformed> {
    use reading as r;
    let told = match DataType::of(ty) {
        DataType::Boolean => Some(Value::Boolean(r::fixed::<1>(raw)? != [0])),
        DataType::Int8 => Some(Value::Int8(i8::from_be_bytes(r::fixed(raw)?))),
        DataType::Int16 => Some(Value::Int16(i16::from_be_bytes(r::fixed(raw)?))),
        DataType::Int32 => Some(Value::Int32(i32::from_be_bytes(r::fixed(raw)?))),
        DataType::Int64 => Some(Value::Int64(i64::from_be_bytes(r::fixed(raw)?))),
        DataType::Float32 => Some(Value::Float32(f32::from_be_bytes(r::fixed(raw)?))),
        DataType::Float64 => Some(Value::Float64(f64::from_be_bytes(r::fixed(raw)?))),
        DataType::Str => Some(Value::Str(r::text(raw)?)),
        DataType::Binary => Some(Value::Binary(raw.to_owned())),
        DataType::Date => r::date(i32::from_be_bytes(r::fixed(raw)?)).map(Value::Date),
        DataType::Time => Some(Value::Time(r::time(i64::from_be_bytes(r::fixed(raw)?))?)),
        DataType::Datetime => r::datetime(i64::from_be_bytes(r::fixed(raw)?)).map(Value::Datetime),
        DataType::Uuid => Some(Value::Uuid(r::uuid(r::fixed(raw)?))),
        // The binary form has the number of its version first.
        DataType::Jsonb if *ty == Type::JSONB => match raw {
            [1, text @ ..] => Some(Value::Jsonb(text.to_owned())),
            _ => None,
        },
        DataType::Jsonb => Some(Value::Jsonb(raw.to_owned())),
        DataType::Decimal => Some(Value::Decimal(r::numeric(raw)?)),
        DataType::RangeInt32 => r::range(raw, r::int32)?.map(Value::RangeInt32),
        DataType::RangeInt64 => r::range(raw, r::int64)?.map(Value::RangeInt64),
        DataType::RangeDecimal => r::range(raw, r::numeric)?.map(Value::RangeDecimal),
        DataType::ArrayInt32 => r::array(raw, r::int32)?.map(Value::ArrayInt32),
        DataType::ArrayInt64 => r::array(raw, r::int64)?.map(Value::ArrayInt64),
        DataType::ArrayDecimal => r::array(raw, r::numeric)?.map(Value::ArrayDecimal),
        DataType::ArrayStr => r::array(raw, r::text)?.map(Value::ArrayStr),
        DataType::Interval => Some(Value::Interval(r::interval(r::fixed(raw)?))),
        DataType::Other(_) => None,
    };
    Ok(told.unwrap_or_else(|| Value::Unsupported(raw.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_what_it_says_is_an_error_and_never_a_panic() {
        let types = [
            Type::BOOL,
            Type::CHAR,
            Type::INT2,
            Type::INT4,
            Type::INT8,
            Type::FLOAT4,
            Type::FLOAT8,
            Type::TEXT,
            Type::DATE,
            Type::TIME,
            Type::TIMESTAMP,
            Type::UUID,
            Type::JSONB,
            Type::NUMERIC,
            Type::INT4_RANGE,
            Type::NUM_RANGE,
            Type::INT8_ARRAY,
            Type::TEXT_ARRAY,
            Type::NUMERIC_ARRAY,
            Type::INTERVAL,
            Type::INET,
        ];
        for ty in types {
            for fill in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                for length in 0..64 {
                    let _ = value(&ty, &vec![fill; length]);
                }
            }
            let odd = value(&ty, &[0xff; 3]);
            // Of a version that is not known, of a kind that is not, or a range that is empty.
            let unsupported = matches!(ty, Type::JSONB | Type::INET | Type::INT4_RANGE | Type::NUM_RANGE);
            assert_eq!(odd.is_ok(), unsupported, "{ty}: {odd:?}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_told_comes_as_it_is() {
        assert_eq!(value(&Type::INET, &[1, 2]), Ok(Value::Unsupported(vec![1, 2])));
        let infinity = i32::MAX.to_be_bytes();
        assert_eq!(value(&Type::DATE, &infinity), Ok(Value::Unsupported(infinity.to_vec())));
        assert_eq!(value(&Type::INT4_RANGE, &[1]), Ok(Value::Unsupported(vec![1])));
    }
}
