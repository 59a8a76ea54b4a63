"""Databases, keys and variables: what the manifest's `grants.sql`, `grants.kv` and `[grants.config]` name.

Whoever asks stands still until it is answered, on none of the host's threads.
"""

from typing import Any

Value = None | int | float | str | bytes
Row = dict[str, Value]


class StateError(RuntimeError):
    """Why nothing came of it. What is not granted says which line would grant it."""


def _interface(name, line):
    try:
        return getattr(__import__("wit_world.imports", fromlist=[name]), name)
    except (ImportError, AttributeError):
        raise StateError(f"nothing of the kind is granted: add {line} to plugin.toml, and build again") from None


def _told(what, line, call, *args):
    from componentize_py_types import Err

    try:
        return call(*args)
    except Err as error:
        case = type(error.value).__name__.rpartition("_")[2]
        if case in ("AccessDenied", "Undefined"):
            raise StateError(f"{what} is not granted: add {line} in plugin.toml") from None
        raise StateError(f"{what}: {getattr(error.value, 'value', case)}") from None


def variable(name: str) -> str:
    """The value of a variable, a text or a secret of the operator's."""
    line = f"{name} to [grants.config]"
    return _told(f"the variable {name}", line, _interface("variables", line).get, name)


class Database:
    """A database, with a connection of its own from the first statement on.

    As a context, `with Database("main") as database:`, it ends there: what was begun and not committed is rolled back.
    """

    def __init__(self, name: str):
        self._what, self._line = f"the database {name}", f'"{name}" to grants.sql'
        self._sqlite = _interface("sqlite", f'sql = ["{name}"] under [grants]')
        self._connection = _told(self._what, self._line, self._sqlite.Connection.open, name)

    def query(self, statement: str, *parameters: Value) -> list[Row]:
        """Runs one statement; its rows, by the columns' names."""
        given = [self._given(value) for value in parameters]
        result = _told(self._what, self._line, self._connection.execute, statement, given)
        return [{column: getattr(value, "value", None) for column, value in zip(result.columns, row.values)} for row in result.rows]

    def _given(self, value):
        kinds = {int: "Integer", bool: "Integer", float: "Real", str: "Text", bytes: "Blob"}
        if value is None:
            return self._sqlite.Value_Null()
        return getattr(self._sqlite, f"Value_{kinds[type(value)]}")(value)

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *error: Any) -> None:
        self._connection.__exit__(*error)


class Store:
    """A store of bytes under keys. What `set` has returned from is on the disk."""

    def __init__(self, name: str):
        self._what, self._line = f"the store {name}", f'"{name}" to grants.kv'
        store = _interface("key_value", f'kv = ["{name}"] under [grants]').Store
        self._store = _told(self._what, self._line, store.open, name)

    def get(self, key: str) -> bytes | None:
        return _told(self._what, self._line, self._store.get, key)

    def set(self, key: str, value: bytes) -> None:
        _told(self._what, self._line, self._store.set, key, value)

    def delete(self, key: str) -> None:
        _told(self._what, self._line, self._store.delete, key)

    def exists(self, key: str) -> bool:
        return _told(self._what, self._line, self._store.exists, key)

    def keys(self) -> list[str]:
        return _told(self._what, self._line, self._store.get_keys)
