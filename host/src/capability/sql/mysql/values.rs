//! Columns and values on their way from a server.

use std::fmt::Write as _;

use mysql_async::{
    Row, Value as Raw,
    consts::{ColumnFlags, ColumnType},
};

use crate::{
    capability::sql::server::{Refusal, Weigh},
    config::DatabaseQuota,
};

/// The collation that stands for bytes.
const BINARY: u16 = 63;

/// What is told of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Digits of a second's fraction.
    digits: usize,
    /// Whether its dates have a time.
    has_time: bool,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TINYINT
    Int8,
    /// SMALLINT
    Int16,
    /// MEDIUMINT, INT
    Int32,
    /// BIGINT
    Int64,
    /// TINYINT UNSIGNED
    Uint8,
    /// SMALLINT UNSIGNED, YEAR
    Uint16,
    /// MEDIUMINT UNSIGNED, INT UNSIGNED
    Uint32,
    /// BIGINT UNSIGNED
    Uint64,
    /// FLOAT
    Float,
    /// DOUBLE
    Double,
    /// Whatever the server writes as a text, dates and decimals among it.
    Text,
    /// Bytes.
    Bytes,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL
    Null,
    /// See [`Kind::Int8`].
    Int8(i8),
    /// See [`Kind::Int16`].
    Int16(i16),
    /// See [`Kind::Int32`].
    Int32(i32),
    /// See [`Kind::Int64`].
    Int64(i64),
    /// See [`Kind::Uint8`].
    Uint8(u8),
    /// See [`Kind::Uint16`].
    Uint16(u16),
    /// See [`Kind::Uint32`].
    Uint32(u32),
    /// See [`Kind::Uint64`].
    Uint64(u64),
    /// See [`Kind::Float`].
    Float(f32),
    /// See [`Kind::Double`].
    Double(f64),
    /// See [`Kind::Text`].
    Text(String),
    /// See [`Kind::Bytes`].
    Bytes(Vec<u8>),
}

impl Weigh for Value {
    fn weight(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
            _ => 0,
        }
    }
}

impl Column {
    pub(super) fn of(column: &mysql_async::Column) -> Self {
        use ColumnType::{
            MYSQL_TYPE_BIT, MYSQL_TYPE_DATE, MYSQL_TYPE_DOUBLE, MYSQL_TYPE_FLOAT, MYSQL_TYPE_GEOMETRY,
            MYSQL_TYPE_INT24, MYSQL_TYPE_LONG, MYSQL_TYPE_LONGLONG, MYSQL_TYPE_NEWDATE, MYSQL_TYPE_SHORT,
            MYSQL_TYPE_TINY, MYSQL_TYPE_VECTOR, MYSQL_TYPE_YEAR,
        };
        let unsigned = column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
        let kind = match (column.column_type(), unsigned) {
            (MYSQL_TYPE_TINY, false) => Kind::Int8,
            (MYSQL_TYPE_TINY, true) => Kind::Uint8,
            (MYSQL_TYPE_SHORT, false) => Kind::Int16,
            (MYSQL_TYPE_SHORT, true) | (MYSQL_TYPE_YEAR, _) => Kind::Uint16,
            (MYSQL_TYPE_LONG | MYSQL_TYPE_INT24, false) => Kind::Int32,
            (MYSQL_TYPE_LONG | MYSQL_TYPE_INT24, true) => Kind::Uint32,
            (MYSQL_TYPE_LONGLONG, false) => Kind::Int64,
            (MYSQL_TYPE_LONGLONG, true) => Kind::Uint64,
            (MYSQL_TYPE_FLOAT, _) => Kind::Float,
            (MYSQL_TYPE_DOUBLE, _) => Kind::Double,
            (MYSQL_TYPE_BIT | MYSQL_TYPE_GEOMETRY | MYSQL_TYPE_VECTOR, _) => Kind::Bytes,
            (other, _) if other.is_character_type() && column.character_set() == BINARY => match other {
                ColumnType::MYSQL_TYPE_JSON | ColumnType::MYSQL_TYPE_ENUM | ColumnType::MYSQL_TYPE_SET => Kind::Text,
                _ => Kind::Bytes,
            },
            _ => Kind::Text,
        };
        // A number of digits that is not fixed is told as one that no second has.
        let digits = usize::from(column.decimals()).min(6);
        let has_time = !matches!(column.column_type(), MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE);
        Self { name: column.name_str().into_owned(), kind, digits, has_time }
    }
}

/// A row's values.
pub(super) fn row(columns: &[Column], row: Row, quota: &DatabaseQuota) -> Result<Vec<Value>, Refusal> {
    let values = row.unwrap();
    columns.iter().zip(values).map(|(column, raw)| value(column, raw, quota)).collect()
}

fn value(column: &Column, raw: Raw, quota: &DatabaseQuota) -> Result<Value, Refusal> {
    let strange = || Refusal::Conversion(format!("a value of the column {} cannot be told", column.name));
    match raw {
        Raw::NULL => Ok(Value::Null),
        Raw::Bytes(bytes) if bytes.len() as u64 > quota.value => Err(Refusal::Value(quota.value)),
        Raw::Bytes(bytes) => match column.kind {
            Kind::Bytes => Ok(Value::Bytes(bytes)),
            Kind::Text => String::from_utf8(bytes).map(Value::Text).map_err(|_| {
                let name = &column.name;
                Refusal::Conversion(format!("a text of the column {name} is no UTF-8: ask for CAST({name} AS BINARY)"))
            }),
            // What is not prepared answers everything as a text.
            kind => str::from_utf8(&bytes).ok().and_then(|text| read(kind, text)).ok_or_else(strange),
        },
        Raw::Int(number) => whole(column.kind, number.into()).ok_or_else(strange),
        Raw::UInt(number) => whole(column.kind, number.into()).ok_or_else(strange),
        Raw::Float(number) => Ok(Value::Float(number)),
        Raw::Double(number) => Ok(Value::Double(number)),
        date @ (Raw::Date(..) | Raw::Time(..)) => Ok(Value::Text(written(column, &date))),
    }
}

fn whole(kind: Kind, number: i128) -> Option<Value> {
    Some(match kind {
        Kind::Int8 => Value::Int8(number.try_into().ok()?),
        Kind::Int16 => Value::Int16(number.try_into().ok()?),
        Kind::Int32 => Value::Int32(number.try_into().ok()?),
        Kind::Int64 => Value::Int64(number.try_into().ok()?),
        Kind::Uint8 => Value::Uint8(number.try_into().ok()?),
        Kind::Uint16 => Value::Uint16(number.try_into().ok()?),
        Kind::Uint32 => Value::Uint32(number.try_into().ok()?),
        Kind::Uint64 => Value::Uint64(number.try_into().ok()?),
        Kind::Float | Kind::Double | Kind::Text | Kind::Bytes => return None,
    })
}

fn read(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Float => text.parse().ok().map(Value::Float),
        Kind::Double => text.parse().ok().map(Value::Double),
        kind => whole(kind, text.parse().ok()?),
    }
}

/// A date or a time as the server would write it.
fn written(column: &Column, raw: &Raw) -> String {
    let mut text = String::new();
    let micros = match *raw {
        Raw::Date(year, month, day, hour, minute, second, micros) => {
            let _ = write!(text, "{year:04}-{month:02}-{day:02}");
            if !column.has_time {
                return text;
            }
            let _ = write!(text, " {hour:02}:{minute:02}:{second:02}");
            micros
        }
        Raw::Time(negative, days, hours, minutes, seconds, micros) => {
            let sign = if negative { "-" } else { "" };
            let hours = u64::from(days) * 24 + u64::from(hours);
            let _ = write!(text, "{sign}{hours:02}:{minutes:02}:{seconds:02}");
            micros
        }
        _ => return text,
    };
    if column.digits > 0 {
        let _ = write!(text, ".{}", &format!("{micros:06}")[..column.digits]);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const QUOTA: DatabaseQuota =
        DatabaseQuota { connections: 1, statement: Duration::from_secs(1), rows: 10, result: 1000, value: 100 };

    fn column(made: ColumnType, change: impl FnOnce(mysql_async::Column) -> mysql_async::Column) -> Column {
        Column::of(&change(mysql_async::Column::new(made).with_name(b"c")))
    }

    #[test]
    fn what_has_no_type_of_its_own_is_a_text_as_the_server_writes_it() {
        let date = Raw::Date(2024, 2, 29, 1, 2, 3, 40_000);
        for (made, decimals, raw, text) in [
            (ColumnType::MYSQL_TYPE_DATE, 0, date.clone(), "2024-02-29"),
            (ColumnType::MYSQL_TYPE_DATETIME, 0, date.clone(), "2024-02-29 01:02:03"),
            (ColumnType::MYSQL_TYPE_TIMESTAMP, 3, date.clone(), "2024-02-29 01:02:03.040"),
            (ColumnType::MYSQL_TYPE_DATETIME, 31, date, "2024-02-29 01:02:03.040000"),
            (ColumnType::MYSQL_TYPE_DATE, 0, Raw::Date(0, 0, 0, 0, 0, 0, 0), "0000-00-00"),
            (ColumnType::MYSQL_TYPE_TIME, 0, Raw::Time(true, 34, 22, 59, 59, 0), "-838:59:59"),
            (ColumnType::MYSQL_TYPE_TIME, 6, Raw::Time(false, 0, 1, 2, 3, 4), "01:02:03.000004"),
            (ColumnType::MYSQL_TYPE_NEWDECIMAL, 2, Raw::Bytes(b"-1.50".to_vec()), "-1.50"),
        ] {
            let column = column(made, |column| column.with_decimals(decimals).with_character_set(BINARY));
            let told = value(&column, raw, &QUOTA).expect("a text");
            assert_eq!(told, Value::Text(text.to_owned()), "{made:?}");
        }
    }

    #[test]
    fn whole_numbers_are_of_their_columns_type_however_they_came() {
        let unsigned = |column: mysql_async::Column| column.with_flags(ColumnFlags::UNSIGNED_FLAG);
        let tiny = column(ColumnType::MYSQL_TYPE_TINY, unsigned);
        assert_eq!(value(&tiny, Raw::UInt(255), &QUOTA), Ok(Value::Uint8(255)));
        assert_eq!(value(&tiny, Raw::Bytes(b"255".to_vec()), &QUOTA), Ok(Value::Uint8(255)));
        let big = column(ColumnType::MYSQL_TYPE_LONGLONG, unsigned);
        assert_eq!(value(&big, Raw::UInt(u64::MAX), &QUOTA), Ok(Value::Uint64(u64::MAX)));
        let signed = column(ColumnType::MYSQL_TYPE_LONGLONG, |column| column);
        assert_eq!(value(&signed, Raw::Int(i64::MIN), &QUOTA), Ok(Value::Int64(i64::MIN)));
        assert!(matches!(value(&signed, Raw::UInt(u64::MAX), &QUOTA), Err(Refusal::Conversion(_))));
    }

    #[test]
    fn texts_are_told_from_bytes_and_neither_is_too_large() {
        let text = column(ColumnType::MYSQL_TYPE_BLOB, |column| column.with_character_set(45));
        let bytes = column(ColumnType::MYSQL_TYPE_BLOB, |column| column.with_character_set(BINARY));
        assert_eq!(value(&text, Raw::Bytes(b"a".to_vec()), &QUOTA), Ok(Value::Text("a".to_owned())));
        assert_eq!(value(&bytes, Raw::Bytes(vec![255]), &QUOTA), Ok(Value::Bytes(vec![255])));
        assert!(matches!(value(&text, Raw::Bytes(vec![255]), &QUOTA), Err(Refusal::Conversion(_))));
        assert_eq!(value(&bytes, Raw::Bytes(vec![0; 101]), &QUOTA), Err(Refusal::Value(100)));
    }
}
