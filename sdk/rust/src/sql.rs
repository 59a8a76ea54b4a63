//! SQL: the databases that the manifest's `grants.sql` names, shared by the plugins of a tenant: SQLite files, or on a PostgreSQL
//! server where the operator has one of that name.
//!
//! `$1`, `$2` in the order of their first use stand for parameters in either; SQLite also knows `?`. What else of a statement
//! differs is chosen by [`Database::engine`].

mod rows;
mod values;

pub use self::{
    rows::Rows,
    values::{Parameters, Value},
};
use crate::{StateError, backend};

/// A database, with a connection of its own from the first statement until it is dropped: what was begun and not committed by then is
/// rolled back.
///
/// ```
/// use wasmbay_sdk::{prelude::*, sql::Database};
///
/// #[derive(Deserialize, Serialize)]
/// struct User {
///     name: String,
///     age: u32,
/// }
///
/// #[get("/older/{age}")]
/// async fn older(Path(age): Path<u32>) -> Result<Json<Vec<User>>> {
///     let database = Database::open("main").await?;
///     let users = database.query("SELECT name, age FROM users WHERE age > ? ORDER BY age", [age]).await?;
///     Ok(Json(users.into_all()?))
/// }
/// routes!(older);
///
/// let client = wasmbay_sdk::testing::Client::new(PLUGIN)
///     .database("main", "CREATE TABLE users (name, age); INSERT INTO users VALUES ('Ann', 7), ('Bob', 70)");
/// assert_eq!(client.get("/older/30").text(), r#"[{"name":"Bob","age":70}]"#);
/// ```
pub struct Database {
    name: String,
    database: backend::state::Database,
}

impl Database {
    /// Opens a database. One of SQLite's is made by the first statement.
    ///
    /// # Errors
    /// One that `grants.sql` does not name, or that is of another kind than [`Engine`] has.
    pub async fn open(name: &str) -> Result<Self, StateError> {
        Ok(Self { name: name.to_owned(), database: backend::state::Database::open(name).await? })
    }

    /// What is asked.
    pub fn engine(&self) -> Engine {
        self.database.engine()
    }

    /// Runs one statement and reads its rows. Its parameters are `()`, an array, a list, or a tuple of texts, numbers, bytes,
    /// [`Option`]s and [`Value`]s.
    ///
    /// # Errors
    /// What is wrong with the statement; a quota, a deadline, a file or a server that cannot be used.
    pub async fn query(&self, statement: &str, parameters: impl Parameters) -> Result<Rows, StateError> {
        let (columns, rows) = self.database.run(&self.name, statement, parameters.values()).await?;
        Ok(Rows::new(columns, rows))
    }

    /// Runs one statement that has no rows.
    ///
    /// # Errors
    /// As [`Database::query`].
    pub async fn execute(&self, statement: &str, parameters: impl Parameters) -> Result<(), StateError> {
        self.query(statement, parameters).await.map(drop)
    }
}

/// What a database is kept by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// SQLite, in a file of the tenant's. In a plugin's tests it is always this.
    Sqlite,
    /// PostgreSQL, on the operator's server.
    Postgres,
}

/// As PostgreSQL writes it.
#[cfg(any(target_family = "wasm", test))]
pub(crate) fn date((year, month, day): (i32, u8, u8)) -> String {
    match year {
        // There is no year 0: what is so numbered is the first one before.
        ..=0 => format!("{:04}-{month:02}-{day:02} BC", 1 - i64::from(year)),
        _ => format!("{year:04}-{month:02}-{day:02}"),
    }
}

/// As PostgreSQL writes it: to the microsecond, where there are any.
#[cfg(any(target_family = "wasm", test))]
pub(crate) fn time((hour, minute, second, nanosecond): (u8, u8, u8, u32)) -> String {
    let whole = format!("{hour:02}:{minute:02}:{second:02}");
    match nanosecond / 1_000 {
        0 => whole,
        micros => format!("{whole}.{micros:06}").trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_written_as_the_server_writes_them() {
        assert_eq!(date((2024, 2, 29)), "2024-02-29");
        assert_eq!(date((-43, 3, 15)), "0044-03-15 BC");
        assert_eq!(time((1, 2, 3, 0)), "01:02:03");
        assert_eq!(time((23, 59, 59, 120_000_000)), "23:59:59.12");
        assert_eq!(time((23, 59, 59, 999_999_999)), "23:59:59.999999");
    }
}
