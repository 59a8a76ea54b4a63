//! Spin's interfaces to PostgreSQL: the functions of the earlier ones make their guest wait, the latest has both forms.

mod concurrent;
mod rich;
mod sync;

use wasmtime::{Result, component::Linker};

use self::bindings::{
    fermyon::spin::{postgres as first, rdbms_types as first_types},
    spin::{postgres3_0_0::postgres as second, postgres4_1_0::postgres as earlier, postgres4_2_0::postgres as later},
};
use super::{Asked, STALLS, State, Trouble};
use crate::capability::sql::{
    postgres::{Column, DataType, Value},
    server::{Refusal, Statement},
};

mod bindings {
    wasmtime::component::bindgen!({
        path: [
            "wit/spin-postgres.wit", "wit/spin-postgres-4.1.wit", "wit/spin-postgres-3.0.wit", "wit/fermyon-spin.wit",
        ],
        inline: "
            package wasmbay:postgres;
            world databases {
                import spin:postgres/postgres@4.2.0;
                import spin:postgres/postgres@4.1.0;
                import spin:postgres/postgres@3.0.0;
                import fermyon:spin/postgres@2.0.0;
            }
        ",
        imports: { default: async | trappable },
        with: {
            "spin:postgres/postgres.connection": crate::capability::sql::postgres::Connection,
            "spin:postgres/postgres.connection-builder": crate::capability::sql::postgres::Builder,
            "fermyon:spin/postgres.connection": crate::capability::sql::postgres::Connection,
        },
        require_store_data_send: true,
    });
}

/// What a guest is told that wants to say whom the host trusts.
const AUTHORITIES: &str = "whom the host trusts is the operator's to say: authorities = \"FILE\" in [databases]";

/// Links them: the latest, with async functions, to engines that know such, and there it stands for those before it of the
/// same major version as well.
pub(super) fn link(linker: &mut Linker<State>, wasi_http_03: bool) -> Result<()> {
    first_types::add_to_linker::<_, Asked>(linker, State::client)?;
    first::add_to_linker::<_, Asked>(linker, State::client)?;
    second::add_to_linker::<_, Asked>(linker, State::client)?;
    match wasi_http_03 {
        true => later::add_to_linker::<_, Asked>(linker, State::client),
        false => earlier::add_to_linker::<_, Asked>(linker, State::client),
    }
}

/// A statement of a guest's.
fn statement(text: String, parameters: Vec<impl Into<Value>>) -> Statement<Value> {
    Statement { text, parameters: parameters.into_iter().map(Into::into).collect() }
}

/// Errors whose words are all that there is.
macro_rules! plain_errors {
    ($($module:ident)+) => {$(
        impl From<Refusal> for $module::Error {
            fn from(refusal: Refusal) -> Self {
                let words = refusal.to_string();
                match refusal {
                    Refusal::Failed(_) => Self::QueryFailed(words),
                    Refusal::Parameter(_) => Self::BadParameter(words),
                    Refusal::Conversion(_) => Self::ValueConversionFailed(words),
                    Refusal::Unreachable(_) | Refusal::Lost { .. } => Self::ConnectionFailed(words),
                    _ => Self::Other(words),
                }
            }
        }

        impl From<Trouble> for $module::Error {
            fn from(trouble: Trouble) -> Self {
                match trouble {
                    Trouble::Denied(denied) => Self::ConnectionFailed(denied.to_string()),
                    Trouble::Other(why) => Self::Other(why),
                }
            }
        }
    )+};
}

plain_errors!(first_types second);

/// Types that are in all versions: `value` is a pattern and what it becomes.
macro_rules! plain_types {
    ($module:ident { $($own:ident => $theirs:ident),* } parameters { $($more:ident($bound:pat) => $value:expr),* }) => {
        impl From<$module::ParameterValue> for Value {
            fn from(value: $module::ParameterValue) -> Self {
                match value {
                    $($module::ParameterValue::$theirs(value) => Self::$own(value),)*
                    $($module::ParameterValue::$more($bound) => $value,)*
                    $module::ParameterValue::DbNull => Self::Null,
                }
            }
        }

        impl From<Value> for $module::DbValue {
            fn from(value: Value) -> Self {
                match value {
                    $(Value::$own(value) => Self::$theirs(value),)*
                    Value::Null => Self::DbNull,
                    _ => Self::Unsupported,
                }
            }
        }

        impl From<&Column> for $module::Column {
            fn from(column: &Column) -> Self {
                let Column { name, data_type } = column;
                Self { name: name.clone(), data_type: data_type.into() }
            }
        }
    };
}

plain_types!(first_types {
    Boolean => Boolean, Int8 => Int8, Int16 => Int16, Int32 => Int32, Int64 => Int64, Float32 => Floating32,
    Float64 => Floating64, Str => Str, Binary => Binary
} parameters {
    // PostgreSQL has no numbers without a sign: the next larger ones hold them.
    Uint8(number) => Self::Int16(number.into()),
    Uint16(number) => Self::Int32(number.into()),
    Uint32(number) => Self::Int64(number.into()),
    Uint64(number) => Self::Decimal(number.to_string())
});

plain_types!(second {
    Boolean => Boolean, Int8 => Int8, Int16 => Int16, Int32 => Int32, Int64 => Int64, Float32 => Floating32,
    Float64 => Floating64, Str => Str, Binary => Binary, Date => Date, Time => Time, Datetime => Datetime,
    Timestamp => Timestamp
} parameters {});

impl From<&DataType> for first_types::DbDataType {
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
            _ => Self::Other,
        }
    }
}

impl From<&DataType> for second::DbDataType {
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
            _ => Self::Other,
        }
    }
}
