//! Parameters on their way to a server.

use mysql_async::Value as Raw;

use crate::{capability::sql::server::Refusal, config::DatabaseQuota};

/// What stands for a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// NULL
    Null,
    /// A whole number.
    Int(i64),
    /// A whole number.
    Uint(u64),
    /// A number.
    Float(f32),
    /// A number.
    Double(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A statement's parameters as the driver takes them.
pub(super) fn bind(parameters: &[Parameter], quota: &DatabaseQuota) -> Result<Vec<Raw>, Refusal> {
    let mut sum = 0;
    let one = |(place, parameter): (usize, &Parameter)| {
        let bytes = match parameter {
            Parameter::Text(text) => text.len(),
            Parameter::Bytes(bytes) => bytes.len(),
            _ => 0,
        } as u64;
        sum += bytes;
        if bytes > quota.value {
            return Err(Refusal::Value(quota.value));
        }
        if sum > quota.result.max(quota.value) {
            return Err(Refusal::Parameter("the parameters are too large together".to_owned()));
        }
        let finite = |is: bool| {
            let why = || format!("parameter {} is no number (NaN, or infinite), which MySQL cannot keep", place + 1);
            if is { Ok(()) } else { Err(Refusal::Parameter(why())) }
        };
        Ok(match parameter {
            Parameter::Null => Raw::NULL,
            Parameter::Int(number) => Raw::Int(*number),
            Parameter::Uint(number) => Raw::UInt(*number),
            Parameter::Float(number) => finite(number.is_finite()).map(|()| Raw::Float(*number))?,
            Parameter::Double(number) => finite(number.is_finite()).map(|()| Raw::Double(*number))?,
            Parameter::Text(text) => Raw::Bytes(text.clone().into_bytes()),
            Parameter::Bytes(bytes) => Raw::Bytes(bytes.clone()),
        })
    };
    parameters.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const QUOTA: DatabaseQuota =
        DatabaseQuota { connections: 1, statement: Duration::from_secs(1), rows: 10, result: 1000, value: 100 };

    #[test]
    fn parameters_are_what_mysql_can_keep() {
        assert_eq!(bind(&[Parameter::Uint(u64::MAX)], &QUOTA), Ok(vec![Raw::UInt(u64::MAX)]));
        for number in [f64::NAN, f64::INFINITY] {
            assert!(matches!(bind(&[Parameter::Double(number)], &QUOTA), Err(Refusal::Parameter(_))));
        }
        assert_eq!(bind(&[Parameter::Bytes(vec![0; 101])], &QUOTA), Err(Refusal::Value(100)));
        let many = vec![Parameter::Bytes(vec![0; 100]); 11];
        assert!(matches!(bind(&many, &QUOTA), Err(Refusal::Parameter(_))));
    }
}
