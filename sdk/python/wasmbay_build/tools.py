"""The tools a build runs, in a virtual environment of their own: versions are pinned, since what is built leans on them."""

import importlib.util
import os
import subprocess
import sys

from .place import BuildError, key, made_once, say

#: componentize-py brings CPython 3.14 for wasm; `wasmbay_guest.loop` takes the place of names private to this version.
PINNED = ["componentize-py==0.25.1", "uv==0.13.9"]

#: The Python inside of components.
PYTHON = "3.14"

#: What the file of a C extension for it ends with.
WASI_SUFFIX = ".cpython-314-wasm32-wasi.so"


class Tools:
    """The environment, made on first use."""

    def __init__(self):
        name = "tools-" + key(sys.version, *PINNED)
        self.bin = made_once("tools", name, self._make) / "bin"

    def _make(self, folder):
        say(f"fetching {' and '.join(PINNED)}, once per machine")
        if importlib.util.find_spec("pip") is None:
            raise BuildError(f"{sys.executable} has no pip, which fetches the tools; to install it: "
                             "apt install python3-pip, or python3 -m ensurepip")
        # A virtual environment cannot be moved, its programs name it; so pip is told where to put them instead.
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder, *PINNED]
        run(command, "the tools could not be fetched")

    def environment(self):
        """The variables that the tools run with."""
        environment = dict(os.environ)
        environment["PYTHONPATH"] = str(self.bin.parent)
        environment["UV_SYSTEM_CERTS"] = "1"
        environment.setdefault("UV_PYTHON_DOWNLOADS", "never")
        for pip, uv in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_CERT", "SSL_CERT_FILE")):
            if pip in environment:
                environment.setdefault(uv, environment[pip])
        # Of the environment that the builder was started from: the component has its own.
        environment.pop("VIRTUAL_ENV", None)
        return environment

    def uv(self, *arguments, failed):
        """Runs uv. Raises BuildError, which `failed` explains, with uv's own words."""
        return run([self.bin / "uv", *arguments], failed, env=self.environment())

    def componentize(self, *arguments):
        """The command line of componentize-py, and its variables."""
        return [sys.executable, self.bin / "componentize-py", *arguments], self.environment()


def run(command, failed, **options):
    """Runs a command to its end. Returns its output. Raises BuildError with `failed` and all it said."""
    try:
        done = subprocess.run([str(part) for part in command], text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    except FileNotFoundError as error:
        raise BuildError(f"{failed}: {error.filename} is not on this machine") from None
    if done.returncode != 0:
        raise BuildError(f"{failed}:\n{done.stdout.strip()}")
    return done.stdout
