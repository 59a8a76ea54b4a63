//! Databases by the interfaces for SQLite and for PostgreSQL, whose values are of the same shape in both versions of WASI.

use super::own::state::databases::{postgres, sqlite};
use crate::{
    StateError,
    sql::{Engine, Value},
    state::StateFailure,
};

/// An open database. The host knows which kind it is.
pub(crate) enum Database {
    Sqlite(sqlite::Connection),
    Postgres(postgres::Connection),
}

impl Database {
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }
}

pub(super) fn of_sqlite(database: &str, error: sqlite::Error) -> StateError {
    let what = format!("the database {database}");
    match error {
        sqlite::Error::AccessDenied => StateError::denied(what, format!("{database:?} to grants.sql")),
        sqlite::Error::DatabaseFull => StateError::new(StateFailure::Full, what, "it has the size that it may have"),
        sqlite::Error::Io(said) => StateError::said(what, said),
        other => StateError::new(StateFailure::Failed, what, format!("{other:?}")),
    }
}

pub(super) fn of_postgres(database: &str, error: postgres::Error) -> StateError {
    use postgres::{Error, QueryError};
    let what = format!("the database {database}");
    match error {
        Error::QueryFailed(QueryError::DbError(error)) => {
            let said = format!("{} (SQLSTATE {})", error.as_text, error.code);
            StateError::new(StateFailure::Failed, what, said)
        }
        Error::ConnectionFailed(said)
        | Error::BadParameter(said)
        | Error::QueryFailed(QueryError::Text(said))
        | Error::ValueConversionFailed(said)
        | Error::Other(said) => StateError::said(what, said),
    }
}

pub(super) fn to_sqlite(value: Value) -> sqlite::Value {
    match value {
        Value::Null => sqlite::Value::Null,
        Value::Integer(number) => sqlite::Value::Integer(number),
        Value::Real(number) => sqlite::Value::Real(number),
        Value::Text(text) => sqlite::Value::Text(text),
        Value::Blob(bytes) => sqlite::Value::Blob(bytes),
    }
}

pub(super) fn from_sqlite(value: sqlite::Value) -> Value {
    match value {
        sqlite::Value::Null => Value::Null,
        sqlite::Value::Integer(number) => Value::Integer(number),
        sqlite::Value::Real(number) => Value::Real(number),
        sqlite::Value::Text(text) => Value::Text(text),
        sqlite::Value::Blob(bytes) => Value::Blob(bytes),
    }
}

pub(super) fn to_postgres(value: Value) -> postgres::ParameterValue {
    use postgres::ParameterValue as Theirs;
    match value {
        Value::Null => Theirs::DbNull,
        Value::Integer(number) => Theirs::Int64(number),
        Value::Real(number) => Theirs::Floating64(number),
        Value::Text(text) => Theirs::Str(text),
        Value::Blob(bytes) => Theirs::Binary(bytes),
    }
}

/// A value of one of the five kinds, or as the text that the server would write.
fn from_postgres(value: postgres::DbValue) -> Option<Value> {
    use postgres::DbValue as Theirs;
    Some(match value {
        Theirs::DbNull => Value::Null,
        Theirs::Boolean(is) => is.into(),
        Theirs::Int8(number) => number.into(),
        Theirs::Int16(number) => number.into(),
        Theirs::Int32(number) => number.into(),
        Theirs::Int64(number) | Theirs::Timestamp(number) => number.into(),
        Theirs::Floating32(number) => number.into(),
        Theirs::Floating64(number) => number.into(),
        Theirs::Str(text) | Theirs::Uuid(text) | Theirs::Decimal(text) => text.into(),
        Theirs::Binary(bytes) => bytes.into(),
        Theirs::Jsonb(bytes) => String::from_utf8(bytes).ok()?.into(),
        Theirs::Date(date) => crate::sql::date(date).into(),
        Theirs::Time(time) => crate::sql::time(time).into(),
        Theirs::Datetime((year, month, day, hour, minute, second, nanosecond)) => {
            let (date, time) = ((year, month, day), (hour, minute, second, nanosecond));
            format!("{} {}", crate::sql::date(date), crate::sql::time(time)).into()
        }
        _ => return None,
    })
}

/// The rows of a result, unless a value is of no kind that a row may have.
pub(super) fn rows(
    database: &str,
    columns: Vec<postgres::Column>,
    rows: Vec<Vec<postgres::DbValue>>,
) -> Result<(Vec<String>, Vec<Vec<Value>>), StateError> {
    let names: Vec<_> = columns.into_iter().map(|column| column.name).collect();
    let unfit = |name: &String| {
        let said = format!("the column {name} has values of a kind that is not told: write {name}::text");
        StateError::new(StateFailure::Shape, format!("the database {database}"), said)
    };
    let row = |row: Vec<postgres::DbValue>| {
        let values = row.into_iter().zip(&names);
        values.map(|(value, name)| from_postgres(value).ok_or_else(|| unfit(name))).collect()
    };
    let rows = rows.into_iter().map(row).collect::<Result<_, _>>()?;
    Ok((names, rows))
}
