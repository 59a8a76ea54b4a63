"""Builds a package that is written in Rust for wasm32-wasi from its source, once per machine.

pip fetches the source and calls what builds it. Under maturin's name it finds `backends/maturin`, which compiles for wasi.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import rust
from .place import SDK, BuildError, key_of, made_once, say
from .tools import PYTHON

BACKENDS = SDK / "wasmbay_build" / "backends"


def build(name, version):
    """The wheel of a package's version. Raises BuildError with the compiler's words."""
    # The recipe is the backend and the toolchain's options; which compiler it was makes no difference to callers.
    recipe = key_of(BACKENDS, PYTHON)
    folder = made_once("extensions", f"{name}-{version}-{recipe}", lambda into: _build(name, version, into))
    return next(folder.glob("*.whl"))


def _build(name, version, into):
    say(f"{name} {version} has no build for wasi: compiling it, once per machine; this takes some minutes")
    with tempfile.TemporaryDirectory(prefix="wasmbay-rust-") as made, tempfile.TemporaryDirectory() as work:
        environment = dict(os.environ)
        for meant_for_the_host in ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"):
            environment.pop(meant_for_the_host, None)
        environment |= rust.toolchain(Path(made))
        environment |= {"PYTHONPATH": str(BACKENDS), "TMPDIR": work, "WASMBAY_PYTHON": PYTHON}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"  # The backend lies among the sources.
        _follow([sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps", "--no-build-isolation",
                 "--no-binary", name, "--no-cache-dir", "--wheel-dir", str(into), f"{name}=={version}"],
                environment, f"{name} {version} cannot be built for wasi")


def _follow(command, environment, failed):
    """Runs a command, telling what it compiles. Raises BuildError with `failed` and the end of what it said."""
    process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, errors="replace")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.strip().startswith("Compiling"):
            say(line.strip())
    if process.wait() != 0:
        raise BuildError(f"{failed}:\n" + "".join(lines[-40:]))
