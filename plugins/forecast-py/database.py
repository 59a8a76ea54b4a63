"""Where sales and forecasts are: on a PostgreSQL server if the operator has given one, else in an SQLite file."""

from contextlib import contextmanager
from typing import Iterator

from wasmbay import Database

#: What the two engines want in different words: what counts the tables that are there, what begins a transaction that will
#: write, and what makes the tables in one. All other statements are understood by both.
DIALECTS = {
    "sqlite": (
        "SELECT count(*) AS tables FROM sqlite_schema WHERE name = 'forecast'",
        "BEGIN IMMEDIATE",
        (
            "CREATE TABLE IF NOT EXISTS sale (id INTEGER PRIMARY KEY, product TEXT NOT NULL, amount REAL NOT NULL) STRICT",
            "CREATE TABLE IF NOT EXISTS forecast (product TEXT NOT NULL, day INTEGER NOT NULL, amount REAL NOT NULL, "
            "PRIMARY KEY (product, day)) STRICT",
        ),
    ),
    "postgres": (
        "SELECT count(to_regclass('forecast')) AS tables",
        "BEGIN",
        (
            # Until the transaction's end, and for who asks for the same number: two that make one table at once get in each
            # other's way.
            "SELECT 1 FROM pg_advisory_xact_lock(7)",
            "CREATE TABLE IF NOT EXISTS sale (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product text NOT NULL, "
            "amount float8 NOT NULL)",
            "CREATE TABLE IF NOT EXISTS forecast (product text NOT NULL, day int NOT NULL, amount float8 NOT NULL, "
            "PRIMARY KEY (product, day))",
        ),
    ),
}


@contextmanager
def opened() -> Iterator[Database]:
    """A connection with the plugin's tables."""
    with Database("sales") as database:
        made, begin, make = DIALECTS[database.engine]
        if not database.query(made)[0]["tables"]:
            database.query(begin)
            for statement in make:
                database.query(statement)
            database.query("COMMIT")
        yield database


@contextmanager
def transaction() -> Iterator[Database]:
    """The same, for what is done wholly or not at all."""
    with opened() as database:
        _, begin, _ = DIALECTS[database.engine]
        database.query(begin)
        yield database
        database.query("COMMIT")


def sales(product: str) -> list[float]:
    """What was sold on each day, the last thousand of them."""
    newest = "SELECT id, amount FROM sale WHERE product = $1 ORDER BY id DESC LIMIT 1000"
    with opened() as database:
        return [row["amount"] for row in database.query(f"SELECT amount FROM ({newest}) AS newest ORDER BY id", product)]


def sold(product: str, amounts: list[float]) -> None:
    """Adds what was sold on further days."""
    with transaction() as database:
        for amount in amounts:
            database.query("INSERT INTO sale (product, amount) VALUES ($1, $2)", product, amount)


def forecast(product: str) -> list[float]:
    """The forecast that was kept last."""
    with opened() as database:
        return [row["amount"] for row in database.query("SELECT amount FROM forecast WHERE product = $1 ORDER BY day", product)]


def keep(product: str, amounts: list[float]) -> None:
    """Keeps a forecast in the place of the one before. To do it twice is to do it once."""
    with transaction() as database:
        database.query("DELETE FROM forecast WHERE product = $1", product)
        for day, amount in enumerate(amounts):
            database.query("INSERT INTO forecast VALUES ($1, $2, $3)", product, day, amount)
