//! The functions of MySQL that make their guest wait.

use wasmtime::{Result, component::Resource};

use super::{
    super::{Client, told},
    STALLS, earlier,
    rdbms_types::{Error, ParameterValue, RowSet},
    statement,
};
use crate::capability::sql::{Databases, mysql::Connection};

impl earlier::Host for Client<'_> {}

impl earlier::HostConnection for Client<'_> {
    async fn open(&mut self, database: String) -> Result<Result<Resource<Connection>, Error>> {
        let opened = self.may_wait().and_then(|()| self.open(&database, Databases::mysql));
        Ok(opened.map_err(Into::into))
    }

    async fn query(
        &mut self,
        this: Resource<Connection>,
        text: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Result<RowSet, Error>> {
        // A handle that an async function has opened.
        if self.granted.shared {
            return Ok(Err(Error::Other(STALLS.to_owned())));
        }
        let (connection, errand) = self.opened(&this)?;
        let answer = connection.all(statement(text, parameters), errand.caller.deadline).await;
        let answer: Result<_, Error> = told(&errand, answer);
        Ok(answer.map(|(columns, rows)| RowSet {
            columns: columns.iter().map(Into::into).collect(),
            rows: rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect(),
        }))
    }

    async fn execute(
        &mut self,
        this: Resource<Connection>,
        text: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Result<(), Error>> {
        if self.granted.shared {
            return Ok(Err(Error::Other(STALLS.to_owned())));
        }
        let (connection, errand) = self.opened(&this)?;
        let answer = connection.count(statement(text, parameters), errand.caller.deadline).await;
        Ok(told(&errand, answer.map(drop)))
    }

    async fn drop(&mut self, this: Resource<Connection>) -> Result<()> {
        self.close(this)
    }
}
