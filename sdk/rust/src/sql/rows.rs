//! Rows as they come, and as what a handler makes of them.

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error as _, IntoDeserializer, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::Value;
use crate::{StateError, state::StateFailure};

/// The rows of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    pub(super) fn new(columns: Vec<String>, rows: Vec<Vec<Value>>) -> Self {
        Self { columns, rows }
    }

    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows, each with a value for each column.
    pub fn values(&self) -> &[Vec<Value>] {
        &self.rows
    }

    /// Each row as a struct that has the columns' names, as a tuple in their order, or as the value of the only one.
    ///
    /// # Errors
    /// A row that is not of this shape.
    pub fn into_all<T: DeserializeOwned>(self) -> Result<Vec<T>, StateError> {
        let Self { columns, rows } = self;
        rows.into_iter().map(|row| read(&columns, row)).collect()
    }

    /// The first row in the same way; none where there is none.
    ///
    /// # Errors
    /// A row that is not of this shape.
    pub fn into_first<T: DeserializeOwned>(self) -> Result<Option<T>, StateError> {
        let Self { columns, rows } = self;
        rows.into_iter().next().map(|row| read(&columns, row)).transpose()
    }
}

fn read<T: DeserializeOwned>(columns: &[String], values: Vec<Value>) -> Result<T, StateError> {
    let row = Row { columns, values };
    T::deserialize(row).map_err(|error| StateError::new(StateFailure::Shape, "a row of the result", error))
}

/// A row on its way into what a handler makes of it: by the columns' names, by their order, or as the one value that it has.
struct Row<'c> {
    columns: &'c [String],
    values: Vec<Value>,
}

impl Row<'_> {
    fn only(self) -> Result<Column, Unfit> {
        let count = self.values.len();
        let mut values = self.values.into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(Column(value)),
            _ => Err(Unfit::custom(format!("it has {count} columns and one value is wanted"))),
        }
    }
}

macro_rules! only {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
            self.only()?.$method(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for Row<'_> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let pairs = self.columns.iter().map(String::as_str).zip(self.values.into_iter().map(Column));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_seq(SeqDeserializer::new(self.values.into_iter().map(Column)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    only! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
    }

    forward_to_deserialize_any! { unit unit_struct map struct identifier ignored_any }
}

/// A value on its way into what a handler makes of it.
struct Column(Value);

type Unfit = serde::de::value::Error;

impl IntoDeserializer<'_, Unfit> for Column {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Column {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Integer(number) => visitor.visit_i64(number),
            Value::Real(number) => visitor.visit_f64(number),
            Value::Text(text) => visitor.visit_string(text),
            Value::Blob(bytes) => visitor.visit_byte_buf(bytes),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// SQLite's truth is a number.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Integer(number @ (0 | 1)) => visitor.visit_bool(number == 1),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    /// A type that reads its own text, such as an enum of plain names.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Text(text) => text.into_deserializer().deserialize_enum(name, variants, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Lamp {
        id: u32,
        name: String,
        price: Option<f64>,
        lit: bool,
    }

    fn rows(id: Value) -> Rows {
        let row = |id| vec![id, Value::Text("a".to_owned()), Value::Null, Value::Integer(1)];
        Rows::new(["id", "name", "price", "lit"].map(str::to_owned).into(), vec![row(id)])
    }

    #[test]
    fn a_row_becomes_a_struct_by_its_columns_names() {
        let lamp = Lamp { id: 7, name: "a".to_owned(), price: None, lit: true };
        assert_eq!(rows(Value::Integer(7)).into_first().as_ref(), Ok(&Some(lamp)));
        let unfit = rows(Value::Integer(-1)).into_all::<Lamp>().expect_err("no such id");
        assert_eq!(unfit.failure(), StateFailure::Shape);
    }

    #[test]
    fn or_a_tuple_or_its_only_value() {
        let one = |value| Rows::new(vec!["a".to_owned()], vec![vec![value]]);
        assert_eq!(one(Value::Real(1.5)).into_all::<f64>(), Ok(vec![1.5]));
        assert_eq!(one(Value::Null).into_all::<Option<String>>(), Ok(vec![None]));
        assert_eq!(one(Value::Integer(3)).into_first::<BTreeMap<String, u8>>().expect("a map").expect("a row")["a"], 3);
        let row = rows(Value::Integer(7)).into_first::<(u32, String, Option<f64>, bool)>();
        assert_eq!(row, Ok(Some((7, "a".to_owned(), None, true))));
        assert!(rows(Value::Integer(7)).into_first::<u32>().is_err(), "four are not one");
    }
}
