//! The functions of SQLite that are async: rows are a stream, read no faster than they are taken.

use wasmtime::{
    Result,
    component::{Accessor, FutureReader, Resource, StreamReader},
};

use super::{
    super::{Asked, stream::hand_over, told},
    later::{Error, HostConnectionWithStore, RowResult, Value},
    statement,
};
use crate::capability::sql::{Connection, Databases};

/// A result on its way: the columns' names, the rows, and whether those were all.
type Answer = (Vec<String>, StreamReader<RowResult>, FutureReader<Result<(), Error>>);

impl<T: Send + 'static> HostConnectionWithStore<T> for Asked {
    async fn open_async(accessor: &Accessor<T, Self>, database: String) -> Result<Result<Resource<Connection>, Error>> {
        Ok(accessor.with(|mut access| access.get().open(&database, Databases::file)).map_err(Into::into))
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        this: Resource<Connection>,
        text: String,
        parameters: Vec<Value>,
    ) -> Result<Result<Answer, Error>> {
        let (connection, errand) = accessor.with(|mut access| access.get().opened(&this))?;
        let rows = connection.run(statement(text, parameters), errand.caller.deadline).await;
        let rows = match told(&errand, rows) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        let columns = rows.columns().to_vec();
        let (rows, end) = accessor.with(|access| hand_over(access, rows, errand, Into::into))?;
        Ok(Ok((columns, rows, end)))
    }

    async fn last_insert_rowid_async(accessor: &Accessor<T, Self>, this: Resource<Connection>) -> Result<i64> {
        accessor.with(|mut access| Ok(access.get().opened(&this)?.0.last_rowid()))
    }

    async fn changes_async(accessor: &Accessor<T, Self>, this: Resource<Connection>) -> Result<u64> {
        accessor.with(|mut access| Ok(access.get().opened(&this)?.0.changes()))
    }
}
