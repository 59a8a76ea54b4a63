"""What an application depends on: which versions, and their files in a folder."""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from . import native
from .place import BuildError, key, made_once, say
from .tools import PYTHON

#: Wheels are chosen as for this system; what they have of its machine code is then left out or replaced.
PLATFORM = "x86_64-manylinux_2_28"


@dataclass
class Packages:
    """The files of all dependencies."""

    lock: str
    """Every dependency with its version, one a line."""
    folder: Path
    """Where their modules are."""
    native: dict
    """C extensions that were left out: the module's name, and who has it."""


def source_of(project):
    """The file that names the dependencies, or None."""
    for name in ("requirements.txt", "pyproject.toml"):
        if (project / name).exists():
            return project / name
    return None


def extra_imports(project):
    """`imports` of `[tool.wasmbay]` in pyproject.toml."""
    try:
        table = tomllib.loads((project / "pyproject.toml").read_text())
    except FileNotFoundError:
        return []
    except tomllib.TOMLDecodeError as error:
        raise BuildError(f"{project / 'pyproject.toml'}: {error}") from None
    ours = table.get("tool", {}).get("wasmbay", {})
    unknown = sorted(set(ours) - {"imports"})
    if unknown:
        raise BuildError(f"{project / 'pyproject.toml'}: [tool.wasmbay] knows `imports` only, not {', '.join(unknown)}")
    return list(ours.get("imports", []))


def resolve(tools, project, kept, upgrade):
    """The versions of all dependencies: those of the file `kept` as long as what is required stays the same."""
    source = source_of(project)
    if source is None:
        return ""
    required = "# of " + key(source.read_bytes()) + "\n"
    if kept.exists() and not upgrade:
        text = kept.read_text()
        if text.startswith(required):
            return text.removeprefix(required)
    say(f"resolving {source.name}")
    lock = tools.uv("pip", "compile", source, "--python-version", PYTHON, "--python-platform", PLATFORM, "--quiet",
                    "--no-annotate", "--no-header", "--no-sources", "--only-binary", ":all:", failed=f"{source} cannot be resolved")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(required + lock)
    return lock


def install(tools, lock):
    """The packages of a lock, with nothing in them that is of another system."""
    recipe = Path(native.__file__).read_bytes() + Path(__file__).read_bytes()

    def fill(folder):
        say(f"installing {len(lock.splitlines())} packages")
        (folder / "lock.txt").write_text(lock)
        # What is built here would be for this machine's Python.
        tools.uv("pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target", folder / "site", "--python-version", PYTHON,
                 "--python-platform", PLATFORM, "--requirements", folder / "lock.txt",
                 failed="the dependencies cannot be installed")
        left_out = native.replace(folder / "site", versions(lock))
        (folder / "native.json").write_text(json.dumps(left_out))

    folder = made_once("packages", key(lock, recipe), fill) if lock else None
    if folder is None:
        return Packages(lock, None, {})
    return Packages(lock, folder / "site", json.loads((folder / "native.json").read_text()))


def versions(lock):
    """Names and versions of a lock's lines."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE))
