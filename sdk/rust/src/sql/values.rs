//! Values of a database's, and what can be one.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

macro_rules! from {
    ($($type:ty => |$value:ident| $made:expr;)+) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        }
    )+};
}

from! {
    bool => |value| Self::Integer(value.into());
    i8 => |value| Self::Integer(value.into());
    i16 => |value| Self::Integer(value.into());
    i32 => |value| Self::Integer(value.into());
    i64 => |value| Self::Integer(value);
    u8 => |value| Self::Integer(value.into());
    u16 => |value| Self::Integer(value.into());
    u32 => |value| Self::Integer(value.into());
    f32 => |value| Self::Real(value.into());
    f64 => |value| Self::Real(value);
    &str => |value| Self::Text(value.to_owned());
    &String => |value| Self::Text(value.clone());
    String => |value| Self::Text(value);
    &[u8] => |value| Self::Blob(value.to_vec());
    Vec<u8> => |value| Self::Blob(value);
    bytes::Bytes => |value| Self::Blob(value.into());
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What stands for a statement's parameters, in their order.
pub trait Parameters {
    /// One for each.
    fn values(self) -> Vec<Value>;
}

impl Parameters for () {
    fn values(self) -> Vec<Value> {
        Vec::new()
    }
}

impl<T: Into<Value>> Parameters for Vec<T> {
    fn values(self) -> Vec<Value> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: Into<Value>, const COUNT: usize> Parameters for [T; COUNT] {
    fn values(self) -> Vec<Value> {
        self.into_iter().map(Into::into).collect()
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)+) => {$(
        impl<$($name: Into<Value>),+> Parameters for ($($name,)+) {
            fn values(self) -> Vec<Value> {
                #[expect(non_snake_case, reason = "a tuple's parts have no other names")]
                let ($($name,)+) = self;
                vec![$($name.into()),+]
            }
        }
    )+};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_what_is_at_hand() {
        let integers = vec![Value::Integer(1), Value::Integer(2)];
        assert_eq!([1, 2].values(), integers);
        assert_eq!(vec![1_u8, 2].values(), integers);
        assert_eq!(().values(), []);
        let text = || Value::Text("a".to_owned());
        assert_eq!(("a", 1.5, None::<i64>, true).values(), [text(), Value::Real(1.5), Value::Null, Value::Integer(1)]);
    }
}
