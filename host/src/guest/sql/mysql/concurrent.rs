//! The functions of MySQL that are async: rows are a stream, read no faster than they are taken.

use wasmtime::{
    Result,
    component::{Accessor, FutureReader, Resource, StreamReader},
};

use super::{
    super::{Asked, Client, stream::hand_over, told},
    later,
    later::{Column, DbValue, Error, HostConnectionWithStore, ParameterValue},
    statement,
};
use crate::capability::sql::{Databases, mysql::Connection};

/// A result on its way: the columns, the rows, and whether those were all.
type Answer = (Vec<Column>, StreamReader<Vec<DbValue>>, FutureReader<Result<(), Error>>);

impl later::Host for Client<'_> {}

impl later::HostConnection for Client<'_> {
    async fn drop(&mut self, this: Resource<Connection>) -> Result<()> {
        self.close(this)
    }
}

impl<T: Send + 'static> HostConnectionWithStore<T> for Asked {
    async fn open(accessor: &Accessor<T, Self>, database: String) -> Result<Result<Resource<Connection>, Error>> {
        Ok(accessor.with(|mut access| access.get().open(&database, Databases::mysql)).map_err(Into::into))
    }

    async fn query(
        accessor: &Accessor<T, Self>,
        this: Resource<Connection>,
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

    async fn execute(
        accessor: &Accessor<T, Self>,
        this: Resource<Connection>,
        text: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Result<(), Error>> {
        let (connection, errand) = accessor.with(|mut access| access.get().opened(&this))?;
        let answer = connection.count(statement(text, parameters), errand.caller.deadline).await;
        Ok(told(&errand, answer.map(drop)))
    }
}
