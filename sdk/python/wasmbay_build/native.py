"""C extensions: which packages have them, and where a build for wasm32-wasi comes from."""

import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from . import extension
from .place import BuildError, say
from .tools import PYTHON, WASI_SUFFIX, run

#: Packages that are written in Rust against PyO3 and are built here when no wheel for wasi is published.
BUILT_HERE = {"pydantic-core"}

#: Platforms that a wheel for components may name.
WASI = ["wasi_0_0_wasm32", "wasi_wasm32", "wasip1_wasm32", "wasip2_wasm32"]


def replace(site, versions):
    """Puts builds for wasi in the place of another system's machine code, and removes the rest of it.

    Returns what was left out: the module's name, and the package that has it.
    """
    left_out = {}
    for name, files in sorted(extensions(site).items()):
        version = versions.get(name)
        needed = [file for file in files if not pure(file)]
        for file in files:
            file.unlink()
        if not needed or version is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            wheel = published(name, version, folder)
            if wheel is None and name in BUILT_HERE:
                wheel = extension.build(name, version)
            if wheel is None:
                left_out.update({module(file.relative_to(site)): f"{name} {version}" for file in needed})
            else:
                take(wheel, site)
    # Programs of packages, and what only compilers read.
    shutil.rmtree(site / "bin", ignore_errors=True)
    return left_out


def extensions(site):
    """The files of machine code in a folder of packages, by the package that installed them."""
    found = {}
    for record in sorted(site.glob("*.dist-info/RECORD")):
        name = re.sub(r"[-_.]+", "-", record.parent.name.removesuffix(".dist-info").rpartition("-")[0]).lower()
        for line in record.read_text().splitlines():
            path = site / line.split(",")[0].strip('"')
            if re.search(r"\.(cpython-\d+-[^.]+|abi3)\.so$", path.name) and path.exists():
                found.setdefault(name, []).append(path)
    return found


def pure(file):
    """Whether a module lies beside its compiled form as Python's source, as Cython leaves it."""
    return (file.parent / (file.name.split(".")[0] + ".py")).exists()


def module(path):
    """The module that a file of machine code is."""
    return ".".join([*path.parent.parts, path.name.split(".")[0]])


def published(name, version, folder):
    """The wheel for wasi on the package index, fetched into `folder`, or None."""
    platforms = [part for platform in WASI for part in ("--platform", platform)]
    try:
        run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version",
             PYTHON, *platforms, "--dest", folder, f"{name}=={version}"], "no wheel")
    except BuildError as error:
        if "No matching distribution" in str(error):
            return None
        raise
    wheel = next(Path(folder).glob("*.whl"))
    if wheel.name.endswith("-none-any.whl"):
        return None  # The package does without its extensions, and says so when it imports them.
    say(f"{name} {version}: the package index has a build for wasi")
    return wheel


def take(wheel, site):
    """Unpacks the machine code of a wheel for wasi. Raises BuildError if there is none."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(WASI_SUFFIX)]
        archive.extractall(site, names)
    if not names:
        raise BuildError(f"{wheel.name} holds no {WASI_SUFFIX}")
