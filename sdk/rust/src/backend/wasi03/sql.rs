//! Databases by Spin's interfaces of WASI 0.3: whoever waits holds up no other request of the instance.

use super::state::databases::{postgres, sqlite};
use crate::{
    StateError,
    backend::sql::{Database, from_sqlite, of_postgres, of_sqlite, rows, to_postgres, to_sqlite},
    sql::Value,
};

impl Database {
    /// Asks for SQLite first. Where the database is on a server its functions say so; they have denied nothing.
    pub(crate) async fn open(name: &str) -> Result<Self, StateError> {
        let refused = match sqlite::Connection::open_async(name.to_owned()).await {
            Ok(connection) => return Ok(Self::Sqlite(connection)),
            Err(denied @ sqlite::Error::AccessDenied) => return Err(of_sqlite(name, denied)),
            Err(error) => of_sqlite(name, error),
        };
        match postgres::Connection::open_async(name.to_owned()).await {
            Ok(connection) => Ok(Self::Postgres(connection)),
            Err(_) => Err(refused),
        }
    }

    pub(crate) async fn run(
        &self,
        name: &str,
        statement: &str,
        parameters: Vec<Value>,
    ) -> Result<(Vec<String>, Vec<Vec<Value>>), StateError> {
        match self {
            Self::Sqlite(connection) => {
                let parameters = parameters.into_iter().map(to_sqlite).collect();
                let begun = connection.execute_async(statement.to_owned(), parameters).await;
                let (columns, rows, end) = begun.map_err(|error| of_sqlite(name, error))?;
                let rows = rows.collect().await;
                end.await.map_err(|error| of_sqlite(name, error))?;
                Ok((columns, rows.into_iter().map(|row| row.values.into_iter().map(from_sqlite).collect()).collect()))
            }
            Self::Postgres(connection) => {
                let parameters = parameters.into_iter().map(to_postgres).collect();
                let begun = connection.query_async(statement.to_owned(), parameters).await;
                let (columns, read, end) = begun.map_err(|error| of_postgres(name, error))?;
                let read = read.collect().await;
                end.await.map_err(|error| of_postgres(name, error))?;
                rows(name, columns, read)
            }
        }
    }
}
