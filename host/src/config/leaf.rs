//! The values that a key can hold, read from TOML and from the text of a flag or variable.

use std::path::PathBuf;

use toml::de::DeValue;

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
            DeValue::Integer(number) => Self::integer(
                i128::from_str_radix(number.as_str(), number.radix()).map_err(|_| Wrong::new("is too large"))?,
            ),
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
            text if text.contains('\0') => Err(Wrong::new("has a zero byte in it")),
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
        let count: Fuel = text.parse()?;
        Self::integer(count.0.into())
    }

    fn integer(number: i128) -> Result<Self, Wrong> {
        let range = || Wrong::new(format!("= {number} is out of range")).remedy(format!("0 to {}", Self::MAX));
        number.try_into().map_err(|_| range())
    }
}

impl Leaf for ByteSize {
    const WHAT: &'static str = "a size such as \"64MiB\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        Ok(text.parse()?)
    }

    fn integer(number: i128) -> Result<Self, Wrong> {
        Err(UnitError::bare_size(number).into())
    }
}

impl Leaf for Fuel {
    const WHAT: &'static str = "an amount of fuel such as \"2G\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        Ok(text.parse()?)
    }

    fn integer(number: i128) -> Result<Self, Wrong> {
        let range = || Wrong::new(format!("= {number} is out of range")).remedy(format!("0 to {}", u64::MAX));
        number.try_into().map(Fuel).map_err(|_| range())
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
            number => Err(UnitError::bare_interval(number).into()),
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
