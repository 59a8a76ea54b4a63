//! Values on their way into SQLite and out of it.

use rusqlite::{
    Statement,
    types::{Null, ValueRef},
};

use super::{Refusal, Value, connection::Fault};

/// Gives a statement its parameters.
pub(super) fn bind(statement: &mut Statement<'_>, parameters: &[Value]) -> Result<(), Fault> {
    let count = statement.parameter_count();
    if count != parameters.len() {
        let why = format!("the statement has {count} parameters and {} were given", parameters.len());
        return Err(Refusal::Invalid(why).into());
    }
    for (place, value) in (1..).zip(parameters) {
        match value {
            Value::Null => statement.raw_bind_parameter(place, Null)?,
            Value::Integer(number) => statement.raw_bind_parameter(place, number)?,
            Value::Real(number) if number.is_nan() => {
                return Err(Refusal::Invalid(format!(
                    "parameter {place} is no number (NaN), which SQLite cannot keep"
                ))
                .into());
            }
            Value::Real(number) => statement.raw_bind_parameter(place, number)?,
            Value::Text(text) => statement.raw_bind_parameter(place, text)?,
            Value::Blob(bytes) => statement.raw_bind_parameter(place, bytes)?,
        }
    }
    Ok(())
}

/// A value of a row. `column` is only for what is said of it.
pub(super) fn value(value: ValueRef<'_>, column: &str) -> Result<Value, Fault> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => match str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => {
                let why = format!("a text of the column {column} is no UTF-8: ask for CAST({column} AS BLOB)");
                return Err(Refusal::Invalid(why).into());
            }
        },
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
    })
}
