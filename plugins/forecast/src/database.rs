//! Where sales and forecasts are: on a PostgreSQL server if the operator has given one, else in an SQLite file.

use wasmbay_sdk::{
    StateError,
    sql::{self, Engine},
};

/// The plugin's own tables, on one connection.
pub(crate) struct Database {
    open: sql::Database,
    dialect: &'static Dialect,
}

/// What the two engines want in different words. All other statements are understood by both.
struct Dialect {
    /// Counts the tables that are there.
    made: &'static str,
    /// Begins a transaction that will write.
    begin: &'static str,
    /// Makes the tables, in a transaction: at the same time nobody else does.
    make: &'static [&'static str],
}

const SQLITE: Dialect = Dialect {
    made: "SELECT count(*) FROM sqlite_schema WHERE name = 'forecast'",
    begin: "BEGIN IMMEDIATE",
    make: &[
        "CREATE TABLE IF NOT EXISTS sale (id INTEGER PRIMARY KEY, product TEXT NOT NULL, amount REAL NOT NULL) STRICT",
        "CREATE TABLE IF NOT EXISTS forecast (product TEXT NOT NULL, day INTEGER NOT NULL, amount REAL NOT NULL,
            PRIMARY KEY (product, day)) STRICT",
    ],
};

const POSTGRES: Dialect = Dialect {
    made: "SELECT count(to_regclass('forecast'))",
    begin: "BEGIN",
    make: &[
        // Until the transaction's end, and for who asks for the same number: two that make one table at once get in each other's way.
        "SELECT 1 FROM pg_advisory_xact_lock(7)",
        "CREATE TABLE IF NOT EXISTS sale (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product text NOT NULL,
            amount float8 NOT NULL)",
        "CREATE TABLE IF NOT EXISTS forecast (product text NOT NULL, day int NOT NULL, amount float8 NOT NULL,
            PRIMARY KEY (product, day))",
    ],
};

impl Database {
    pub(crate) async fn open() -> Result<Self, StateError> {
        let open = sql::Database::open("sales").await?;
        let dialect = match open.engine() {
            Engine::Postgres => &POSTGRES,
            _ => &SQLITE,
        };
        let database = Self { open, dialect };
        if database.open.query(dialect.made, ()).await?.into_first::<u32>()? == Some(0) {
            database.begin().await?;
            for statement in dialect.make {
                database.open.execute(statement, ()).await?;
            }
            database.commit().await?;
        }
        Ok(database)
    }

    /// What was sold on each day, the last thousand of them.
    pub(crate) async fn sales(&self, product: &str) -> Result<Vec<f64>, StateError> {
        let newest = "SELECT id, amount FROM sale WHERE product = $1 ORDER BY id DESC LIMIT 1000";
        self.amounts(&format!("SELECT amount FROM ({newest}) AS newest ORDER BY id"), product).await
    }

    /// Adds what was sold on further days: all of it, or nothing.
    pub(crate) async fn sold(&self, product: &str, amounts: &[f64]) -> Result<(), StateError> {
        self.begin().await?;
        for amount in amounts {
            let sold = "INSERT INTO sale (product, amount) VALUES ($1, $2)";
            self.open.execute(sold, (product, *amount)).await?;
        }
        self.commit().await
    }

    /// The forecast that was kept last.
    pub(crate) async fn forecast(&self, product: &str) -> Result<Vec<f64>, StateError> {
        self.amounts("SELECT amount FROM forecast WHERE product = $1 ORDER BY day", product).await
    }

    /// Keeps a forecast in the place of the one before. To do it twice is to do it once.
    pub(crate) async fn keep(&self, product: &str, amounts: &[f64]) -> Result<(), StateError> {
        self.begin().await?;
        self.open.execute("DELETE FROM forecast WHERE product = $1", [product]).await?;
        for (day, amount) in (0_u32..).zip(amounts) {
            self.open.execute("INSERT INTO forecast VALUES ($1, $2, $3)", (product, day, *amount)).await?;
        }
        self.commit().await
    }

    async fn begin(&self) -> Result<(), StateError> {
        self.open.execute(self.dialect.begin, ()).await
    }

    async fn commit(&self) -> Result<(), StateError> {
        self.open.execute("COMMIT", ()).await
    }

    async fn amounts(&self, statement: &str, product: &str) -> Result<Vec<f64>, StateError> {
        self.open.query(statement, [product]).await?.into_all()
    }
}
