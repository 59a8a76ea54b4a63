"""Makes the component: the application, its packages and the server around it, in the memory of an interpreter."""

import re
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

from .place import SDK, BuildError, files_below, key, key_of, made_once, put, say

#: What a protocol is built for: the folder of its interfaces, the world, and the name that is exported.
WORLDS = {
    "asgi": ("0.3", "service", "Handler"),
    "wsgi": ("0.2", "proxy", "IncomingHandler"),
}

#: A traceback shows the line of the call: it is short, however many files there are.
ENTRY = """\
from wasmbay_guest import build
ABOUT = {about!r}
{name} = build.{protocol}(**ABOUT)
"""


def not_the_application(path):
    """What lies in a project and is no part of what runs: this SDK, which `wasmbay new` puts there, among it."""
    return path.name in ("target", "checks") or path.resolve() == SDK or (path / "pyvenv.cfg").exists()


def is_granted_state(project):
    """Whether the plugin's manifest grants it stores, databases or variables: others import nothing of the kind."""
    try:
        grants = tomllib.loads((project / "plugin.toml").read_text()).get("grants", {})
    except (OSError, ValueError):
        return False  # The host says what is wrong with it.
    return any(grants.get(kind) for kind in ("kv", "sql", "config"))


def build(tools, project, protocol, app, packages, imports, out):
    """Makes the component unless one of the same content is kept, and puts it at `out`."""
    name = key(key_of(SDK), key_of(project, leave_out=not_the_application), packages.lock, protocol, app, *imports)
    folder = made_once("components", name, lambda into: _make(tools, project, protocol, app, packages, imports, into))
    put(folder / "component.wasm", out)


def _make(tools, project, protocol, app, packages, imports, into):
    interfaces, world, export = WORLDS[protocol]
    if is_granted_state(project):
        world += "-with-state"
    say(f"building {app} into a component of wasi:http {interfaces}")
    with tempfile.TemporaryDirectory() as work:
        staged = Path(work, "app")
        files = list(files_below(project, not_the_application))
        for file in files:
            to = staged / file.relative_to(project)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)
        # componentize-py shows each folder of the path by its place in it.
        sources = [f"/0/{file.relative_to(project).as_posix()}" for file in files if file.suffix == ".py"]
        entry = Path(work, "entry")
        entry.mkdir()
        about = {"app": app, "folder": "/0/", "files": sources, "imports": imports, "native": packages.native}
        (entry / "wasmbay_entry.py").write_text(ENTRY.format(name=export, protocol=protocol, about=about))
        path = [staged, entry, SDK / "guest", *([packages.folder] if packages.folder else [])]
        command, environment = tools.componentize(
            "-d", SDK / "wit" / interfaces, "-w", world, "componentize",
            *(part for folder in path for part in ("-p", folder)), "wasmbay_entry", "-o", into / "component.wasm")
        done = subprocess.run([str(part) for part in command], env=environment, text=True, cwd=work, errors="replace",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise BuildError(f"{app} cannot be made a component: {_reason(done.stdout)}")
    for line in done.stdout.splitlines():
        if line.startswith("warning: "):
            say(line)


def _reason(output):
    """What the application's import failed with, and the traceback; else all that was said."""
    # The tool's own traceback comes first, and ends where its program does.
    start = output.find("Traceback (most recent call last)", max(0, output.find("sys.exit(script())")))
    if start < 0:
        return "\n" + output.strip()
    lines = output[start:].splitlines()
    # The interpreter's end is followed by the frames of its machine code, which tell an author nothing.
    end = next((at for at, line in enumerate(lines) if re.match(r"^(Caused by:|Error: |Stack backtrace|\s+\d+: )", line)), None)
    text = [line for line in lines[:end] if line.strip()]
    return text[-1] + "\n" + "\n".join(text)
