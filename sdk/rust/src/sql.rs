//! SQL: SQLite databases that the manifest's `grants.sql` names, shared by the plugins of a tenant.

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
    /// Opens a database, which the first statement makes.
    ///
    /// # Errors
    /// One that `grants.sql` does not name.
    pub async fn open(name: &str) -> Result<Self, StateError> {
        Ok(Self { name: name.to_owned(), database: backend::state::Database::open(name).await? })
    }

    /// Runs one statement and reads its rows. Its parameters are `()`, an array, a list, or a tuple of texts, numbers, bytes,
    /// [`Option`]s and [`Value`]s.
    ///
    /// # Errors
    /// What is wrong with the statement; a quota, a deadline, a file that cannot be used.
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
