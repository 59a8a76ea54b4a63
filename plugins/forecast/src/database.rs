//! Where sales and forecasts are. Another database is another one of this file.

use wasmbay_sdk::{StateError, sql};

/// The plugin's own tables, on one connection.
pub(crate) struct Database(sql::Database);

const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS sale (product TEXT NOT NULL, amount REAL NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS forecast (product TEXT NOT NULL, day INTEGER NOT NULL, amount REAL NOT NULL,
        PRIMARY KEY (product, day)) STRICT",
];

impl Database {
    pub(crate) async fn open() -> Result<Self, StateError> {
        let database = sql::Database::open("sales").await?;
        for table in TABLES {
            database.execute(table, ()).await?;
        }
        Ok(Self(database))
    }

    /// What was sold on each day, the last thousand of them.
    pub(crate) async fn sales(&self, product: &str) -> Result<Vec<f64>, StateError> {
        let newest = "SELECT rowid, amount FROM sale WHERE product = ? ORDER BY rowid DESC LIMIT 1000";
        let amounts = format!("SELECT amount FROM ({newest}) ORDER BY rowid");
        self.amounts(&amounts, product).await
    }

    /// Adds what was sold on further days: all of it, or nothing.
    pub(crate) async fn sold(&self, product: &str, amounts: &[f64]) -> Result<(), StateError> {
        self.0.execute("BEGIN IMMEDIATE", ()).await?;
        for amount in amounts {
            self.0.execute("INSERT INTO sale VALUES (?, ?)", (product, *amount)).await?;
        }
        self.0.execute("COMMIT", ()).await
    }

    /// The forecast that was kept last.
    pub(crate) async fn forecast(&self, product: &str) -> Result<Vec<f64>, StateError> {
        self.amounts("SELECT amount FROM forecast WHERE product = ? ORDER BY day", product).await
    }

    /// Keeps a forecast in the place of the one before. To do it twice is to do it once.
    pub(crate) async fn keep(&self, product: &str, amounts: &[f64]) -> Result<(), StateError> {
        self.0.execute("BEGIN IMMEDIATE", ()).await?;
        self.0.execute("DELETE FROM forecast WHERE product = ?", [product]).await?;
        for (day, amount) in (0_u32..).zip(amounts) {
            self.0.execute("INSERT INTO forecast VALUES (?, ?, ?)", (product, day, *amount)).await?;
        }
        self.0.execute("COMMIT", ()).await
    }

    async fn amounts(&self, statement: &str, product: &str) -> Result<Vec<f64>, StateError> {
        self.0.query(statement, [product]).await?.into_all()
    }
}
