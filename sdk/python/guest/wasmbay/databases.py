"""Databases that the manifest's `grants.sql` names: SQLite files, or on a PostgreSQL server where the operator has one of that name.

Whoever asks stands still until it is answered, on none of the host's threads.
"""

from typing import Any, Literal

from .state import NotGranted, StateError, interface, told

Value = None | int | float | str | bytes
Row = dict[str, Value]


class Database:
    """A database, with a connection of its own from the first statement on.

    As a context, `with Database("main") as database:`, it ends there: what was begun and not committed is rolled back.
    """

    #: What it is kept by.
    engine: Literal["sqlite", "postgres"]

    def __init__(self, name: str):
        self._what, self._line = f"the database {name}", f'"{name}" to grants.sql'
        # Asked for first is a file. Where the database is on a server the host says so; it has denied nothing.
        try:
            self._open(_Sqlite, name)
        except NotGranted:
            raise
        except StateError as refused:
            try:
                self._open(_Postgres, name)
            except StateError:
                raise refused from None

    def _open(self, kind, name):
        types = interface(kind.engine, f'sql = ["{name}"] under [grants]')
        self._asked = kind(types)
        self._connection = told(self._what, self._line, types.Connection.open, name)
        self.engine = kind.engine

    def query(self, statement: str, *parameters: Value) -> list[Row]:
        """Runs one statement; its rows, by the columns' names.

        `$1`, `$2` in the order of their first use stand for parameters; SQLite also knows `?`.
        """
        given = [self._asked.given(value) for value in parameters]
        columns, rows = told(self._what, self._line, self._asked.query, self._connection, statement, given)
        return [dict(zip(columns, row)) for row in rows]

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *error: Any) -> None:
        self._connection.__exit__(*error)


class _Sqlite:
    engine = "sqlite"
    kinds = {int: "Integer", bool: "Integer", float: "Real", str: "Text", bytes: "Blob"}

    def __init__(self, types):
        self.types = types

    def given(self, value):
        if value is None:
            return self.types.Value_Null()
        return getattr(self.types, f"Value_{self.kinds[type(value)]}")(value)

    def query(self, connection, statement, parameters):
        result = connection.execute(statement, parameters)
        return result.columns, [[getattr(value, "value", None) for value in row.values] for row in result.rows]


class _Postgres:
    engine = "postgres"
    kinds = {int: "Int64", bool: "Boolean", float: "Floating64", str: "Str", bytes: "Binary"}

    def __init__(self, types):
        self.types = types

    def given(self, value):
        if value is None:
            return self.types.ParameterValue_DbNull()
        return getattr(self.types, f"ParameterValue_{self.kinds[type(value)]}")(value)

    def query(self, connection, statement, parameters):
        result = connection.query(statement, parameters)
        columns = [column.name for column in result.columns]
        return columns, [[_taken(name, value) for name, value in zip(columns, row)] for row in result.rows]


def _taken(column, value):
    """A value of PostgreSQL's: of the same kind in Python, or as the text that the server would write."""
    kind = type(value).__name__.rpartition("_")[2]
    if kind in _AS_IT_IS:
        return value.value
    if kind == "DbNull":
        return None
    if kind in _AS_TEXT:
        return _AS_TEXT[kind](value.value)
    raise StateError(f"the column {column} has values of a kind that is not told: write {column}::text")


_AS_IT_IS = {"Boolean", "Int8", "Int16", "Int32", "Int64", "Floating32", "Floating64", "Str", "Binary", "Timestamp", "Uuid", "Decimal"}


def _date(value):
    year, month, day = value
    # There is no year 0: what is so numbered is the first one before.
    return f"{year:04}-{month:02}-{day:02}" if year > 0 else f"{1 - year:04}-{month:02}-{day:02} BC"


def _time(value):
    hour, minute, second, nanosecond = value
    whole, micros = f"{hour:02}:{minute:02}:{second:02}", nanosecond // 1000
    return f"{whole}.{micros:06}".rstrip("0") if micros else whole


_AS_TEXT = {
    "Date": _date,
    "Time": _time,
    "Datetime": lambda value: f"{_date(value[:3])} {_time(value[3:])}",
    "Jsonb": lambda value: value.decode(),
}
