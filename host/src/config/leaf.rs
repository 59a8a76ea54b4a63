//! The values that a key can hold, read from TOML and from the text of a flag or variable.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use toml::de::{DeInteger, DeValue};

use super::fault::Wrong;
use crate::{
    diagnostic::did_you_mean,
    units::{ByteSize, Fuel, Interval, UnitError},
};

/// A value that is no table and no list.
pub(super) trait Leaf: Sized {
    /// What the value is, with its article, for complaints about another type.
    const WHAT: &'static str;

    /// Reads the text of a flag, of a variable or between TOML's quotes.
    fn text(text: &str) -> Result<Self, Wrong>;

    /// Reads a TOML integer.
    fn integer(_: i128) -> Result<Self, Wrong> {
        Err(mismatch(Self::WHAT, "a number"))
    }

    /// Reads a TOML value.
    fn toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Self::text(text),
            DeValue::Integer(number) => Self::integer(integer(number)?),
            other => Err(mismatch(Self::WHAT, kind_of(other))),
        }
    }
}

/// What a TOML value is, with its article.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The complaint about a value of another type.
pub(super) fn mismatch(wanted: &str, found: &str) -> Wrong {
    Wrong::new(format!("must be {wanted}, not {found}"))
}

impl From<UnitError> for Wrong {
    fn from(error: UnitError) -> Self {
        Wrong::new(format!("= {error}")).remedy(error.remedy)
    }
}

/// The complaint about a number without quotes, which the author shall find as it was written.
fn bare(number: i128, error: UnitError) -> Wrong {
    Wrong::new(format!("= {number} {}", error.why)).remedy(error.remedy)
}

impl Leaf for String {
    const WHAT: &'static str = "a string";

    fn text(text: &str) -> Result<Self, Wrong> {
        Ok(text.to_owned())
    }
}

impl Leaf for PathBuf {
    const WHAT: &'static str = "a path";

    fn text(text: &str) -> Result<Self, Wrong> {
        match text {
            "" => Err(Wrong::new("is empty").remedy("write a path")),
            text if text.contains('\0') => Err(Wrong::new("has a zero byte in it").remedy("remove it")),
            text => Ok(text.into()),
        }
    }
}

impl Leaf for bool {
    const WHAT: &'static str = "true or false";

    fn text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| mismatch(Self::WHAT, &format!("{text:?}")))
    }

    fn toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Boolean(value) => Ok(*value),
            DeValue::String(_) => Err(mismatch(Self::WHAT, "a string").remedy("write it without quotes")),
            other => Err(mismatch(Self::WHAT, kind_of(other))),
        }
    }
}

impl Leaf for u32 {
    const WHAT: &'static str = "a whole number";

    fn text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| Wrong::new(format!("= {text:?} is not a whole number up to {}", Self::MAX)))
    }

    fn integer(number: i128) -> Result<Self, Wrong> {
        number.try_into().map_err(|_| out_of_range(number, Self::MAX.into()))
    }

    fn toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(_) => Err(mismatch(Self::WHAT, "a string").remedy("write it without quotes")),
            DeValue::Integer(number) => Self::integer(integer(number)?),
            other => Err(mismatch(Self::WHAT, kind_of(other))),
        }
    }
}

/// A number that can grow large and is written as people write such: `64`, `"10k"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) u32);

impl Leaf for Count {
    const WHAT: &'static str = "a whole number";

    fn text(text: &str) -> Result<Self, Wrong> {
        let count: Fuel = text.parse()?;
        Self::integer(count.0.into())
    }

    fn integer(number: i128) -> Result<Self, Wrong> {
        number.try_into().map(Self).map_err(|_| out_of_range(number, u32::MAX.into()))
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Fuel::json_schema(generator)
    }
}

impl Leaf for IpNet {
    const WHAT: &'static str = "a network such as \"10.0.0.0/8\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let network: Self = text.parse().map_err(|_| {
            Wrong::new(format!("= {text:?} is not a network")).remedy("write one such as \"10.0.0.0/8\" or an address")
        })?;
        if network != network.trunc() {
            let wrong = Wrong::new(format!("= {text:?} names an address within a network"));
            return Err(wrong.remedy(format!("write {:?} or the address alone", network.trunc().to_string())));
        }
        Ok(network)
    }
}

/// Networks in one text, with commas between them: for flags and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Networks(pub(super) Vec<IpNet>);

impl Leaf for Networks {
    const WHAT: &'static str = "networks such as \"10.0.0.0/8,fd00::/8\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        text.split(',').map(|network| IpNet::text(network.trim())).collect::<Result<_, _>>().map(Self)
    }
}

/// Addresses in one text, with commas between them: for flags and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addresses(pub(super) Vec<SocketAddr>);

impl Leaf for Addresses {
    const WHAT: &'static str = "addresses such as \"10.0.0.2:53,[fd00::2]:53\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        text.split(',').map(|address| SocketAddr::text(address.trim())).collect::<Result<_, _>>().map(Self)
    }
}

fn out_of_range(number: i128, most: u64) -> Wrong {
    Wrong::new(format!("= {number} is out of range")).remedy(format!("0 to {most}"))
}

fn integer(number: &DeInteger<'_>) -> Result<i128, Wrong> {
    i128::from_str_radix(number.as_str(), number.radix())
        .map_err(|_| Wrong::new("is too large").remedy("write a smaller number"))
}

impl Leaf for ByteSize {
    const WHAT: &'static str = "a size such as \"64MiB\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        Ok(text.parse()?)
    }

    fn integer(number: i128) -> Result<Self, Wrong> {
        Err(bare(number, UnitError::bare_size(number)))
    }
}

impl Leaf for Fuel {
    const WHAT: &'static str = "an amount of fuel such as \"2G\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        Ok(text.parse()?)
    }

    fn integer(number: i128) -> Result<Self, Wrong> {
        number.try_into().map(Fuel).map_err(|_| out_of_range(number, u64::MAX))
    }
}

impl Leaf for Interval {
    const WHAT: &'static str = "a duration such as \"250ms\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        Ok(text.parse()?)
    }

    fn integer(number: i128) -> Result<Self, Wrong> {
        match number {
            0 => Ok(Self(std::time::Duration::ZERO)),
            number => Err(bare(number, UnitError::bare_interval(number))),
        }
    }
}

/// Picks one of a few names.
pub(super) fn one_of<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, Wrong> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*choice);
    }
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
    let wrong = Wrong::new(format!("= {text:?} is not one of {}", names.join(", ")));
    Err(match did_you_mean(text, choices.iter().map(|(name, _)| *name)) {
        Some(name) => wrong.remedy(format!("did you mean {name:?}?")),
        None => wrong,
    })
}
