"""Says of a module that cannot be imported why, and what to do."""

import sys
from importlib import abc

#: Modules of the standard library that this CPython is built without.
NOT_BUILT = {
    "_ctypes": "there are no shared libraries to call inside of a component",
    "_curses": "a component has no terminal",
    "_dbm": "a component has no files; keep what must last behind a grant",
    "_gdbm": "a component has no files; keep what must last behind a grant",
    "_lzma": "the interpreter for wasm is built without liblzma",
    "_bz2": "the interpreter for wasm is built without libbz2",
    "_posixshmem": "a component shares no memory",
    "_posixsubprocess": "a component starts no processes",
    "_ssl": "the host speaks TLS; inside of a component there is none",
    "_interpreters": "there is one interpreter in a component",
    "_tkinter": "a component has no screen",
    "_zstd": "the interpreter for wasm is built without libzstd",
    "fcntl": "a component has no files to lock",
    "grp": "a component has no users",
    "mmap": "a component has no files to map",
    "pwd": "a component has no users",
    "readline": "a component has no terminal",
    "resource": "limits are the plugin's manifest's",
    "syslog": "what a component logs goes to the plugin's log",
    "termios": "a component has no terminal",
}


class Explain(abc.MetaPathFinder):
    """The last finder: whoever gets here was found nowhere. Raises ModuleNotFoundError, which optional imports catch."""

    def __init__(self, native):
        self.native = native
        self.sealed = False

    def find_spec(self, name, path=None, target=None):
        reason = self._reason(name)
        # `importlib.util.find_spec` asks whether there is one, and is told so: there is none.
        asked_by = sys._getframe(2).f_code.co_name if reason else ""
        if asked_by == "_find_and_load_unlocked":
            raise ModuleNotFoundError(f"no module {name!r}: {reason}", name=name)
        return None

    def _reason(self, name):
        if name in self.native:
            return f"{self.native[name]} has it as a C extension for other systems only, without a build for wasm32-wasi"
        if name in NOT_BUILT:
            return NOT_BUILT[name]
        if self.sealed:
            return ("it was not imported while the component was built, and a component has no files to import it from; "
                    "import it at the top of a module, or name it in `imports` of [tool.wasmbay] in pyproject.toml")
        return None


def explain(native):
    """Explains from here on. `native` maps C extensions that were left out to who has them."""
    finder = Explain(native)
    sys.meta_path.append(finder)
    return finder
