//! Spin's interfaces to MySQL: the functions of the earlier one make their guest wait, those of the latest are async.

mod concurrent;
mod sync;

use wasmtime::{Result, component::Linker};

use self::bindings::{
    fermyon::spin::{mysql as earlier, rdbms_types},
    spin::mysql::mysql as later,
};
use super::{Asked, STALLS, State, Trouble};
use crate::capability::sql::{
    mysql::{Column, Kind, Parameter, Value},
    server::{Refusal, Statement},
};

mod bindings {
    wasmtime::component::bindgen!({
        path: ["wit/spin-mysql.wit", "wit/fermyon-spin.wit"],
        inline: "
            package wasmbay:mysql;
            world databases {
                import spin:mysql/mysql@3.0.0;
                import fermyon:spin/mysql@2.0.0;
            }
        ",
        imports: { default: async | trappable },
        with: {
            "spin:mysql/mysql.connection": crate::capability::sql::mysql::Connection,
            "fermyon:spin/mysql.connection": crate::capability::sql::mysql::Connection,
        },
        require_store_data_send: true,
    });
}

/// Links them: the latest to engines that know functions that are async.
pub(super) fn link(linker: &mut Linker<State>, wasi_http_03: bool) -> Result<()> {
    earlier::add_to_linker::<_, Asked>(linker, State::client)?;
    match wasi_http_03 {
        true => later::add_to_linker::<_, Asked>(linker, State::client),
        false => Ok(()),
    }
}

/// The types of both versions are of one shape.
macro_rules! types {
    ($($version:ident)+) => {$(
        impl From<Refusal> for $version::Error {
            fn from(refusal: Refusal) -> Self {
                let why = refusal.to_string();
                match refusal {
                    Refusal::Unreachable(_) | Refusal::Lost { .. } => Self::ConnectionFailed(why),
                    Refusal::Parameter(_) => Self::BadParameter(why),
                    Refusal::Failed(_) => Self::QueryFailed(why),
                    Refusal::Conversion(_) => Self::ValueConversionFailed(why),
                    _ => Self::Other(why),
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

        impl From<$version::ParameterValue> for Parameter {
            fn from(value: $version::ParameterValue) -> Self {
                use $version::ParameterValue as Given;
                match value {
                    Given::Boolean(is) => Self::Int(is.into()),
                    Given::Int8(number) => Self::Int(number.into()),
                    Given::Int16(number) => Self::Int(number.into()),
                    Given::Int32(number) => Self::Int(number.into()),
                    Given::Int64(number) => Self::Int(number),
                    Given::Uint8(number) => Self::Uint(number.into()),
                    Given::Uint16(number) => Self::Uint(number.into()),
                    Given::Uint32(number) => Self::Uint(number.into()),
                    Given::Uint64(number) => Self::Uint(number),
                    Given::Floating32(number) => Self::Float(number),
                    Given::Floating64(number) => Self::Double(number),
                    Given::Str(text) => Self::Text(text),
                    Given::Binary(bytes) => Self::Bytes(bytes),
                    Given::DbNull => Self::Null,
                }
            }
        }

        impl From<Value> for $version::DbValue {
            fn from(value: Value) -> Self {
                match value {
                    Value::Null => Self::DbNull,
                    Value::Int8(number) => Self::Int8(number),
                    Value::Int16(number) => Self::Int16(number),
                    Value::Int32(number) => Self::Int32(number),
                    Value::Int64(number) => Self::Int64(number),
                    Value::Uint8(number) => Self::Uint8(number),
                    Value::Uint16(number) => Self::Uint16(number),
                    Value::Uint32(number) => Self::Uint32(number),
                    Value::Uint64(number) => Self::Uint64(number),
                    Value::Float(number) => Self::Floating32(number),
                    Value::Double(number) => Self::Floating64(number),
                    Value::Text(text) => Self::Str(text),
                    Value::Bytes(bytes) => Self::Binary(bytes),
                }
            }
        }

        impl From<&Column> for $version::Column {
            fn from(column: &Column) -> Self {
                use $version::DbDataType as Type;
                let data_type = match column.kind {
                    Kind::Int8 => Type::Int8,
                    Kind::Int16 => Type::Int16,
                    Kind::Int32 => Type::Int32,
                    Kind::Int64 => Type::Int64,
                    Kind::Uint8 => Type::Uint8,
                    Kind::Uint16 => Type::Uint16,
                    Kind::Uint32 => Type::Uint32,
                    Kind::Uint64 => Type::Uint64,
                    Kind::Float => Type::Floating32,
                    Kind::Double => Type::Floating64,
                    Kind::Text => Type::Str,
                    Kind::Bytes => Type::Binary,
                };
                Self { name: column.name.clone(), data_type }
            }
        }
    )+};
}

types!(rdbms_types later);

fn statement(text: String, parameters: Vec<impl Into<Parameter>>) -> Statement<Parameter> {
    Statement { text, parameters: parameters.into_iter().map(Into::into).collect() }
}
