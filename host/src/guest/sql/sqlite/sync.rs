//! The functions of SQLite that make their guest wait.

use wasmtime::{Result, component::Resource};

use super::{
    super::{Client, told},
    STALLS, earlier, first, later, statement, whole,
};
use crate::capability::sql::{Connection, Databases};

impl first::Host for Client<'_> {}

impl earlier::Host for Client<'_> {}

impl later::Host for Client<'_> {}

/// What all versions have.
macro_rules! functions {
    ($version:ident) => {
        async fn open(&mut self, database: String) -> Result<Result<Resource<Connection>, $version::Error>> {
            let opened = self.may_wait().and_then(|()| self.open(&database, Databases::file));
            Ok(opened.map_err(Into::into))
        }

        async fn execute(
            &mut self,
            this: Resource<Connection>,
            text: String,
            parameters: Vec<$version::Value>,
        ) -> Result<Result<$version::QueryResult, $version::Error>> {
            // A handle that an async function has opened.
            if self.granted.shared {
                return Ok(Err($version::Error::Io(STALLS.to_owned())));
            }
            let (connection, errand) = self.opened(&this)?;
            let answer = whole(&connection, statement(text, parameters), errand.caller.deadline).await;
            let answer: Result<_, $version::Error> = told(&errand, answer);
            Ok(answer.map(|(columns, rows)| $version::QueryResult {
                columns,
                rows: rows.into_iter().map(Into::into).collect(),
            }))
        }

        async fn drop(&mut self, this: Resource<Connection>) -> Result<()> {
            self.close(this)
        }
    };
}

/// What a connection says of its last statement.
macro_rules! tellings {
    () => {
        async fn last_insert_rowid(&mut self, this: Resource<Connection>) -> Result<i64> {
            Ok(self.opened(&this)?.0.last_rowid())
        }

        async fn changes(&mut self, this: Resource<Connection>) -> Result<u64> {
            Ok(self.opened(&this)?.0.changes())
        }
    };
}

impl first::HostConnection for Client<'_> {
    functions!(first);
}

impl earlier::HostConnection for Client<'_> {
    functions!(earlier);
    tellings!();
}

impl later::HostConnection for Client<'_> {
    functions!(later);
    tellings!();
}
