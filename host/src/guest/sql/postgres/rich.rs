//! Values and errors of the versions from 4 on, which have all that there is.

use super::{earlier, later};
use crate::{
    capability::sql::{
        postgres::{Bound, Column, DataType, Interval, Value},
        server::{Complaint, Refusal},
    },
    guest::sql::Trouble,
};

/// The ends of a range of the host's from those of a guest's.
macro_rules! ends {
    ($range:expr) => {{
        let (lower, upper) = $range;
        (lower.map(|(value, kind)| (value, kind.into())), upper.map(|(value, kind)| (value, kind.into())))
    }};
}

/// The types of both versions are of one shape.
macro_rules! types {
    ($($version:ident)+) => {$(
        impl From<$version::RangeBoundKind> for Bound {
            fn from(kind: $version::RangeBoundKind) -> Self {
                match kind {
                    $version::RangeBoundKind::Inclusive => Self::Inclusive,
                    $version::RangeBoundKind::Exclusive => Self::Exclusive,
                }
            }
        }

        impl From<Bound> for $version::RangeBoundKind {
            fn from(bound: Bound) -> Self {
                match bound {
                    Bound::Inclusive => Self::Inclusive,
                    Bound::Exclusive => Self::Exclusive,
                }
            }
        }

        impl From<$version::ParameterValue> for Value {
            fn from(value: $version::ParameterValue) -> Self {
                use $version::ParameterValue as P;
                match value {
                    P::Boolean(value) => Self::Boolean(value),
                    P::Int8(value) => Self::Int8(value),
                    P::Int16(value) => Self::Int16(value),
                    P::Int32(value) => Self::Int32(value),
                    P::Int64(value) => Self::Int64(value),
                    P::Floating32(value) => Self::Float32(value),
                    P::Floating64(value) => Self::Float64(value),
                    P::Str(value) => Self::Str(value),
                    P::Binary(value) => Self::Binary(value),
                    P::Date(value) => Self::Date(value),
                    P::Time(value) => Self::Time(value),
                    P::Datetime(value) => Self::Datetime(value),
                    P::Timestamp(value) => Self::Timestamp(value),
                    P::Uuid(value) => Self::Uuid(value),
                    P::Jsonb(value) => Self::Jsonb(value),
                    P::Decimal(value) => Self::Decimal(value),
                    P::RangeInt32(value) => Self::RangeInt32(ends!(value)),
                    P::RangeInt64(value) => Self::RangeInt64(ends!(value)),
                    P::RangeDecimal(value) => Self::RangeDecimal(ends!(value)),
                    P::ArrayInt32(value) => Self::ArrayInt32(value),
                    P::ArrayInt64(value) => Self::ArrayInt64(value),
                    P::ArrayDecimal(value) => Self::ArrayDecimal(value),
                    P::ArrayStr(value) => Self::ArrayStr(value),
                    P::Interval($version::Interval { micros, days, months }) => {
                        Self::Interval(Interval { micros, days, months })
                    }
                    P::DbNull => Self::Null,
                }
            }
        }

        impl From<Value> for $version::DbValue {
            fn from(value: Value) -> Self {
                match value {
                    Value::Null => Self::DbNull,
                    Value::Boolean(value) => Self::Boolean(value),
                    Value::Int8(value) => Self::Int8(value),
                    Value::Int16(value) => Self::Int16(value),
                    Value::Int32(value) => Self::Int32(value),
                    Value::Int64(value) => Self::Int64(value),
                    Value::Float32(value) => Self::Floating32(value),
                    Value::Float64(value) => Self::Floating64(value),
                    Value::Str(value) => Self::Str(value),
                    Value::Binary(value) => Self::Binary(value),
                    Value::Date(value) => Self::Date(value),
                    Value::Time(value) => Self::Time(value),
                    Value::Datetime(value) => Self::Datetime(value),
                    Value::Timestamp(value) => Self::Timestamp(value),
                    Value::Uuid(value) => Self::Uuid(value),
                    Value::Jsonb(value) => Self::Jsonb(value),
                    Value::Decimal(value) => Self::Decimal(value),
                    Value::RangeInt32(value) => Self::RangeInt32(ends!(value)),
                    Value::RangeInt64(value) => Self::RangeInt64(ends!(value)),
                    Value::RangeDecimal(value) => Self::RangeDecimal(ends!(value)),
                    Value::ArrayInt32(value) => Self::ArrayInt32(value),
                    Value::ArrayInt64(value) => Self::ArrayInt64(value),
                    Value::ArrayDecimal(value) => Self::ArrayDecimal(value),
                    Value::ArrayStr(value) => Self::ArrayStr(value),
                    Value::Interval(Interval { micros, days, months }) => {
                        Self::Interval($version::Interval { micros, days, months })
                    }
                    Value::Unsupported(bytes) => Self::Unsupported(bytes),
                }
            }
        }

        impl From<&DataType> for $version::DbDataType {
            fn from(data_type: &DataType) -> Self {
                match data_type {
                    DataType::Boolean => Self::Boolean,
                    DataType::Int8 => Self::Int8,
                    DataType::Int16 => Self::Int16,
                    DataType::Int32 => Self::Int32,
                    DataType::Int64 => Self::Int64,
                    DataType::Float32 => Self::Floating32,
                    DataType::Float64 => Self::Floating64,
                    DataType::Str => Self::Str,
                    DataType::Binary => Self::Binary,
                    DataType::Date => Self::Date,
                    DataType::Time => Self::Time,
                    DataType::Datetime => Self::Datetime,
                    DataType::Uuid => Self::Uuid,
                    DataType::Jsonb => Self::Jsonb,
                    DataType::Decimal => Self::Decimal,
                    DataType::RangeInt32 => Self::RangeInt32,
                    DataType::RangeInt64 => Self::RangeInt64,
                    DataType::RangeDecimal => Self::RangeDecimal,
                    DataType::ArrayInt32 => Self::ArrayInt32,
                    DataType::ArrayInt64 => Self::ArrayInt64,
                    DataType::ArrayDecimal => Self::ArrayDecimal,
                    DataType::ArrayStr => Self::ArrayStr,
                    DataType::Interval => Self::Interval,
                    DataType::Other(name) => Self::Other(name.clone()),
                }
            }
        }

        impl From<&Column> for $version::Column {
            fn from(column: &Column) -> Self {
                let Column { name, data_type } = column;
                Self { name: name.clone(), data_type: data_type.into() }
            }
        }

        impl From<Complaint> for $version::DbError {
            fn from(complaint: Complaint) -> Self {
                let as_text = complaint.to_string();
                let Complaint { severity, code, message, detail, extras } = complaint;
                Self { as_text, severity, code, message, detail, extras }
            }
        }

        impl From<Refusal> for $version::Error {
            fn from(refusal: Refusal) -> Self {
                match refusal {
                    Refusal::Failed(complaint) => {
                        Self::QueryFailed($version::QueryError::DbError((*complaint).into()))
                    }
                    Refusal::Parameter(why) => Self::BadParameter(why),
                    Refusal::Conversion(why) => Self::ValueConversionFailed(why),
                    Refusal::Unreachable(_) | Refusal::Lost { .. } => Self::ConnectionFailed(refusal.to_string()),
                    other => Self::Other(other.to_string()),
                }
            }
        }

        impl From<Trouble> for $version::Error {
            fn from(trouble: Trouble) -> Self {
                match trouble {
                    Trouble::Denied(denied) => Self::ConnectionFailed(denied.to_string()),
                    Trouble::Other(why) => Self::Other(why),
                }
            }
        }
    )+};
}

types!(earlier later);
