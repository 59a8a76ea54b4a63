"""Where things are kept on this machine, and how they are made whole or not at all."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from pathlib import Path

#: The folder of this file's package, beside which `guest` and `wit` lie.
SDK = Path(__file__).resolve().parent.parent


class BuildError(Exception):
    """A build that cannot go on: what is wrong, where, and what to do."""


def say(text):
    """Tells how far the build is."""
    print(f"python: {text}", flush=True)


def cache():
    """The folder that may be deleted at any time. Raises BuildError if no variable names one."""
    for name, below in (("XDG_CACHE_HOME", ""), ("HOME", ".cache")):
        home = os.environ.get(name, "")
        if os.path.isabs(home):
            return Path(home, below, "wasmbay", "python")
    raise BuildError("neither XDG_CACHE_HOME nor HOME names a folder; set one of them")


def key(*parts):
    """A short name for everything that the parts, text or bytes, say."""
    digest = hashlib.sha256()
    for part in parts:
        part = part.encode() if isinstance(part, str) else part
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]


def files_below(folder, leave_out=lambda path: False):
    """Every file under a folder but hidden ones and caches, in a fixed order."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__" or leave_out(path):
            continue
        if path.is_dir():
            yield from files_below(path, leave_out)
        else:
            yield path


def key_of(folder, *more, leave_out=lambda path: False):
    """The key of a folder's files, their names and contents, and of `more`."""
    parts = [part for path in files_below(folder, leave_out)
             for part in (path.relative_to(folder).as_posix(), path.read_bytes())]
    return key(*parts, *more)


@contextlib.contextmanager
def locked(name):
    """Keeps other builds out while something named so is made. Tells who is waited for."""
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another build that makes {name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def made_once(kind, name, fill):
    """The folder KIND/NAME of the cache, filled by `fill` unless it is there: as a whole or not at all."""
    folder = cache() / kind / name
    if not folder.exists():
        with locked(kind):
            if not folder.exists():
                unfinished = folder.with_name(name + ".unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir(parents=True)
                fill(unfinished)
                unfinished.rename(folder)
    return folder


def put(source, to):
    """Copies a file into its place at once: a running host may watch it. Leaves it if it is the same already."""
    if to.exists() and to.read_bytes() == source.read_bytes():
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    unfinished = to.with_name(to.name + ".unfinished")
    shutil.copyfile(source, unfinished)
    unfinished.rename(to)


if sys.version_info < (3, 11):
    sys.exit(f"error: wasmbay_build needs Python 3.11 or later to run, and this is {sys.version.split()[0]}; what it builds has a "
             "Python of its own. To install one: see https://www.python.org/downloads")
