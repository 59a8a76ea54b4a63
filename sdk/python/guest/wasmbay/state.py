"""Keys and variables: what the manifest's `grants.kv` and `[grants.config]` name; and how any of a plugin's state is asked.

Whoever asks stands still until it is answered, on none of the host's threads.
"""


class StateError(RuntimeError):
    """Why nothing came of it. What is not granted says which line would grant it."""


class NotGranted(StateError):
    """The manifest does not grant it."""


def interface(name, line):
    try:
        return getattr(__import__("wit_world.imports", fromlist=[name]), name)
    except (ImportError, AttributeError):
        raise StateError(f"nothing of the kind is granted: add {line} to plugin.toml, and build again") from None


def told(what, line, call, *args):
    from componentize_py_types import Err

    try:
        return call(*args)
    except Err as error:
        case = type(error.value).__name__.rpartition("_")[2]
        if case in ("AccessDenied", "Undefined"):
            raise NotGranted(f"{what} is not granted: add {line} in plugin.toml") from None
        said = getattr(error.value, "value", case)
        # What PostgreSQL says of a statement, in full.
        said = getattr(getattr(said, "value", said), "as_text", said)
        raise StateError(f"{what}: {said}") from None


def variable(name: str) -> str:
    """The value of a variable, a text or a secret of the operator's."""
    line = f"{name} to [grants.config]"
    return told(f"the variable {name}", line, interface("variables", line).get, name)


class Store:
    """A store of bytes under keys. What `set` has returned from is on the disk."""

    def __init__(self, name: str):
        self._what, self._line = f"the store {name}", f'"{name}" to grants.kv'
        store = interface("key_value", f'kv = ["{name}"] under [grants]').Store
        self._store = told(self._what, self._line, store.open, name)

    def get(self, key: str) -> bytes | None:
        return told(self._what, self._line, self._store.get, key)

    def set(self, key: str, value: bytes) -> None:
        told(self._what, self._line, self._store.set, key, value)

    def delete(self, key: str) -> None:
        told(self._what, self._line, self._store.delete, key)

    def exists(self, key: str) -> bool:
        return told(self._what, self._line, self._store.exists, key)

    def keys(self) -> list[str]:
        return told(self._what, self._line, self._store.get_keys)
