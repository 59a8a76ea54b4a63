//! The functions of PostgreSQL that are async: rows are a stream, read no faster than they are taken.

use wasmtime::{
    Result,
    component::{Accessor, FutureReader, Resource, StreamReader},
};

use super::{
    super::{Asked, stream::hand_over, told},
    later::{Column, DbValue, Error, HostConnectionBuilderWithStore, HostConnectionWithStore, ParameterValue},
    statement,
};
use crate::capability::sql::{
    Databases,
    postgres::{Builder, Connection as Handle},
};

/// A row on its way.
type Row = Vec<DbValue>;

/// A result on its way: the columns, the rows, and whether those were all.
type Answer = (Vec<Column>, StreamReader<Row>, FutureReader<Result<(), Error>>);

impl<T: Send + 'static> HostConnectionBuilderWithStore<T> for Asked {
    async fn build_async(
        accessor: &Accessor<T, Self>,
        this: Resource<Builder>,
    ) -> Result<Result<Resource<Handle>, Error>> {
        accessor.with(|mut access| {
            let mut client = access.get();
            let database = client.table.get(&this)?.database().to_owned();
            Ok(client.open(&database, Databases::postgres).map_err(Into::into))
        })
    }
}

impl<T: Send + 'static> HostConnectionWithStore<T> for Asked {
    async fn open_async(accessor: &Accessor<T, Self>, address: String) -> Result<Result<Resource<Handle>, Error>> {
        Ok(accessor.with(|mut access| access.get().open(&address, Databases::postgres)).map_err(Into::into))
    }

    async fn query_async(
        accessor: &Accessor<T, Self>,
        this: Resource<Handle>,
        text: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Result<Answer, Error>> {
        let (connection, errand) = accessor.with(|mut access| access.get().opened(&this))?;
        let rows = connection.run(statement(text, parameters), errand.caller.deadline).await;
        let rows = match told(&errand, rows) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        let columns = rows.columns().iter().map(Into::into).collect();
        let (rows, end) =
            accessor.with(|access| hand_over(access, rows, errand, |row| row.into_iter().map(Into::into).collect()))?;
        Ok(Ok((columns, rows, end)))
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        this: Resource<Handle>,
        text: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Result<u64, Error>> {
        let (connection, errand) = accessor.with(|mut access| access.get().opened(&this))?;
        Ok(told(&errand, connection.count(statement(text, parameters), errand.caller.deadline).await))
    }
}
