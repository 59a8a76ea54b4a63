//! Spin's interfaces to SQLite: the functions of the earlier ones make their guest wait, the latest has both forms.

mod concurrent;
mod sync;

use wasmtime::{Result, component::Linker};

use self::bindings::{
    fermyon::spin::sqlite as first,
    spin::{sqlite3_0_0::sqlite as earlier, sqlite3_1_0::sqlite as later},
};
use super::{Asked, STALLS, State, Trouble};
use crate::{
    capability::sql::{Connection, Denied},
    store::sql::{Refusal, Row, Statement, Value},
};

mod bindings {
    wasmtime::component::bindgen!({
        path: ["wit/spin-sqlite.wit", "wit/spin-sqlite-3.0.wit", "wit/fermyon-spin.wit"],
        inline: "
            package wasmbay:sqlite;
            world databases {
                import spin:sqlite/sqlite@3.1.0;
                import spin:sqlite/sqlite@3.0.0;
                import fermyon:spin/sqlite@2.0.0;
            }
        ",
        imports: { default: async | trappable },
        with: {
            "spin:sqlite/sqlite.connection": crate::capability::sql::Connection,
            "fermyon:spin/sqlite.connection": crate::capability::sql::Connection,
        },
        require_store_data_send: true,
    });
}

/// Links them: the latest, with async functions, to engines that know such, and there it stands for the one before it as well.
pub(super) fn link(linker: &mut Linker<State>, wasi_http_03: bool) -> Result<()> {
    first::add_to_linker::<_, Asked>(linker, State::client)?;
    match wasi_http_03 {
        true => later::add_to_linker::<_, Asked>(linker, State::client),
        false => earlier::add_to_linker::<_, Asked>(linker, State::client),
    }
}

/// The types of all versions are of one shape.
macro_rules! types {
    ($($version:ident)+) => {$(
        impl From<Refusal> for $version::Error {
            fn from(refusal: Refusal) -> Self {
                match refusal {
                    Refusal::Full(_) => Self::DatabaseFull,
                    other => Self::Io(other.to_string()),
                }
            }
        }

        impl From<Trouble> for $version::Error {
            fn from(trouble: Trouble) -> Self {
                match trouble {
                    Trouble::Denied(denied @ Denied::OtherEngine { .. }) => Self::Io(denied.to_string()),
                    Trouble::Denied(_) => Self::AccessDenied,
                    Trouble::Other(why) => Self::Io(why),
                }
            }
        }

        impl From<$version::Value> for Value {
            fn from(value: $version::Value) -> Self {
                match value {
                    $version::Value::Integer(number) => Self::Integer(number),
                    $version::Value::Real(number) => Self::Real(number),
                    $version::Value::Text(text) => Self::Text(text),
                    $version::Value::Blob(bytes) => Self::Blob(bytes),
                    $version::Value::Null => Self::Null,
                }
            }
        }

        impl From<Value> for $version::Value {
            fn from(value: Value) -> Self {
                match value {
                    Value::Integer(number) => Self::Integer(number),
                    Value::Real(number) => Self::Real(number),
                    Value::Text(text) => Self::Text(text),
                    Value::Blob(bytes) => Self::Blob(bytes),
                    Value::Null => Self::Null,
                }
            }
        }

        impl From<Row> for $version::RowResult {
            fn from(row: Row) -> Self {
                Self { values: row.into_iter().map(Into::into).collect() }
            }
        }
    )+};
}

types!(first earlier later);

fn statement(text: String, parameters: Vec<impl Into<Value>>) -> Statement {
    Statement { text, parameters: parameters.into_iter().map(Into::into).collect() }
}

/// Runs a statement and reads all of its rows: the columns' names, and they.
async fn whole(
    connection: &Connection,
    statement: Statement,
    deadline: tokio::time::Instant,
) -> Result<(Vec<String>, Vec<Row>), Refusal> {
    let mut rows = connection.run(statement, deadline).await?;
    let all = rows.all().await?;
    Ok((rows.columns().to_vec(), all))
}
