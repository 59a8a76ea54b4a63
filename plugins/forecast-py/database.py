"""Where sales and forecasts are. Another database is another one of this file."""

from wasmbay import Database

TABLES = (
    "CREATE TABLE IF NOT EXISTS sale (id INTEGER PRIMARY KEY, product TEXT NOT NULL, amount REAL NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS forecast (product TEXT NOT NULL, day INTEGER NOT NULL, amount REAL NOT NULL, "
    "PRIMARY KEY (product, day)) STRICT",
)


def opened() -> Database:
    """A connection with the plugin's tables."""
    database = Database("sales")
    for table in TABLES:
        database.query(table)
    return database


def sales(product: str) -> list[float]:
    """What was sold on each day, the last thousand of them."""
    newest = "SELECT id, amount FROM sale WHERE product = ? ORDER BY id DESC LIMIT 1000"
    with opened() as database:
        return [row["amount"] for row in database.query(f"SELECT amount FROM ({newest}) ORDER BY id", product)]


def sold(product: str, amounts: list[float]) -> None:
    """Adds what was sold on further days: all of it, or nothing."""
    with opened() as database:
        database.query("BEGIN IMMEDIATE")
        for amount in amounts:
            database.query("INSERT INTO sale (product, amount) VALUES (?, ?)", product, amount)
        database.query("COMMIT")


def forecast(product: str) -> list[float]:
    """The forecast that was kept last."""
    with opened() as database:
        return [row["amount"] for row in database.query("SELECT amount FROM forecast WHERE product = ? ORDER BY day", product)]


def keep(product: str, amounts: list[float]) -> None:
    """Keeps a forecast in the place of the one before. To do it twice is to do it once."""
    with opened() as database:
        database.query("BEGIN IMMEDIATE")
        database.query("DELETE FROM forecast WHERE product = ?", product)
        for day, amount in enumerate(amounts):
            database.query("INSERT INTO forecast VALUES (?, ?, ?)", product, day, amount)
        database.query("COMMIT")
