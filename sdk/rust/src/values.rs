//! Names with values, as a path, a query, a form and headers have them, made into the author's types by serde.

use std::{borrow::Cow, fmt, slice};

use serde::{
    de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

/// Names, each with at least one value, in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Values<'a>(Vec<(Cow<'a, str>, Vec<Cow<'a, str>>)>);

impl<'a> FromIterator<(Cow<'a, str>, Cow<'a, str>)> for Values<'a> {
    fn from_iter<I: IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>>(pairs: I) -> Self {
        let mut values: Vec<(Cow<'a, str>, Vec<Cow<'a, str>>)> = Vec::new();
        for (name, value) in pairs {
            match values.iter_mut().find(|(known, _)| *known == name) {
                Some((_, more)) => more.push(value),
                None => values.push((name, vec![value])),
            }
        }
        Self(values)
    }
}

impl Values<'_> {
    /// A struct or map by the names, a tuple by the order, or the one value.
    ///
    /// # Errors
    /// The first value that does not fit, by its name, or the name that is missing.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        T::deserialize(All(&self.0))
    }
}

/// Why values do not fit, as a sentence for the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault(String);

impl Fault {
    fn of(self, name: &str) -> Self {
        Self(format!("{name}: {}", self.0))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Named<'a> = (Cow<'a, str>, Vec<Cow<'a, str>>);

/// Everything.
#[derive(Clone, Copy)]
struct All<'v>(&'v [Named<'v>]);

impl<'v> All<'v> {
    /// The one value, where a type wants just one.
    fn one(self) -> Result<Named<'v>, Fault> {
        self.0.first().cloned().ok_or_else(|| Fault("a value is missing".to_owned()))
    }
}

/// What wants one value is given the first.
macro_rules! first {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
                let (name, values) = self.one()?;
                One(&values).$method(visitor).map_err(|fault| fault.of(&name))
            }
        )*
    };
}

impl<'de> Deserializer<'de> for All<'_> {
    type Error = Fault;

    first! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (named, values) = self.one()?;
        One(&values).deserialize_enum(name, variants, visitor).map_err(|fault| fault.of(&named))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_map(Entries { left: self.0.iter(), value: None })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(InOrder(self.0.iter()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any!(unit_struct map struct identifier ignored_any);
}

/// The values one by one, whatever their names.
struct InOrder<'v>(slice::Iter<'v, Named<'v>>);

impl<'de> SeqAccess<'de> for InOrder<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((name, values)) = self.0.next() else { return Ok(None) };
        seed.deserialize(One(values)).map(Some).map_err(|fault| fault.of(name))
    }
}

/// The values by their names.
struct Entries<'v> {
    left: slice::Iter<'v, Named<'v>>,
    value: Option<&'v Named<'v>>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.value = self.left.next();
        let Some((name, _)) = self.value else { return Ok(None) };
        seed.deserialize((&**name).into_deserializer()).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (name, values) = self.value.expect("serde asks for a value after its name");
        seed.deserialize(One(values)).map_err(|fault| fault.of(name))
    }
}

/// The values of one name: the first of them, or all as a list.
#[derive(Clone, Copy)]
struct One<'v>(&'v [Cow<'v, str>]);

impl<'v> One<'v> {
    fn text(self) -> &'v str {
        self.0.first().map_or("", |text| text)
    }

    fn parse<T: std::str::FromStr>(self, what: impl fmt::Display) -> Result<T, Fault> {
        self.text().parse().map_err(|_| Fault(format!("{:?} is not {what}", self.text())))
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty),*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
                visitor.$visit(self.parse(format_args!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX))?)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for One<'_> {
    type Error = Fault;

    whole_numbers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128, deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_f32(self.parse("a number")?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_f64(self.parse("a number")?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_bool(self.parse("true or false")?)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.text())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_bytes(self.text().as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_bytes(self.text().as_bytes())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(List(self.0.iter()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(self.text().into_deserializer())
    }

    forward_to_deserialize_any!(char str string unit unit_struct tuple tuple_struct map struct identifier ignored_any);
}

struct List<'v>(slice::Iter<'v, Cow<'v, str>>);

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.0.next().map(|text| seed.deserialize(One(slice::from_ref(text)))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    fn values(query: &'static str) -> Values<'static> {
        form_urlencoded::parse(query.as_bytes()).collect()
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Up,
        Down,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Search {
        text: String,
        page: Option<u8>,
        #[serde(default)]
        tag: Vec<String>,
        #[serde(default)]
        exact: bool,
        order: Option<Order>,
    }

    #[test]
    fn a_struct_is_read_by_names() {
        let read = values("tag=a&text=b%20c+d&page=7&tag=e&exact=true&order=down&unknown=1").read();
        let (tag, text) = (vec!["a".to_owned(), "e".to_owned()], "b c d".to_owned());
        assert_eq!(read, Ok(Search { text, page: Some(7), tag, exact: true, order: Some(Order::Down) }));
        let read = values("text=").read();
        assert_eq!(read, Ok(Search { text: String::new(), page: None, tag: vec![], exact: false, order: None }));
    }

    #[test]
    fn a_fault_names_what_it_is_about() {
        let fault = |query| values(query).read::<Search>().unwrap_err().to_string();
        assert_eq!(fault("text=a&page=256"), "page: \"256\" is not a whole number from 0 to 255");
        assert_eq!(fault("page=1"), "missing field `text`");
        assert_eq!(fault("text=a&exact=yes"), "exact: \"yes\" is not true or false");
        assert!(fault("text=a&order=left").starts_with("order: unknown variant `left`"));
        let fault = values("id=x").read::<u32>().unwrap_err().to_string();
        assert_eq!(fault, "id: \"x\" is not a whole number from 0 to 4294967295");
    }

    #[test]
    fn one_value_and_a_tuple_are_read_in_order() {
        assert_eq!(values("id=7").read::<u32>(), Ok(7));
        assert_eq!(values("id=7").read::<Option<String>>(), Ok(Some("7".to_owned())));
        assert_eq!(values("").read::<Option<String>>(), Ok(None));
        assert_eq!(values("a=7&b=x&c=more").read::<(u32, char)>(), Ok((7, 'x')));
        assert_eq!(values("a=1&b=2").read::<Vec<u8>>(), Ok(vec![1, 2]));
        assert!(values("a=7").read::<(u32, char)>().is_err() && values("").read::<u8>().is_err());
        let map = values("a=1&b=2").read::<std::collections::BTreeMap<String, u8>>().unwrap();
        assert_eq!(map.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    }
}
