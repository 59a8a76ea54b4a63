"""`prepare.py LINK [soak]`: builds what the tests of Python need, once per content, and lets LINK point to the folder of it.

That folder holds a component of each application here, the sources of each, and `reference`: the same packages and
uvicorn and gunicorn for the Python that runs this, so that the tests can ask both and compare. With `soak` it also holds
`soak-0` and so on: every example of FastAPI's tutorial but those that `soak/left-out.txt` gives a reason for.
"""

import re
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The host is built from the same folder, and would be built again for what Python leaves there.
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "sdk" / "python"))

from wasmbay_build import componentize, requirements  # noqa: E402
from wasmbay_build.place import SDK, BuildError, key, key_of, made_once, put, say  # noqa: E402
from wasmbay_build.tools import PINNED, Tools, run  # noqa: E402

#: The applications, and what they speak.
APPLICATIONS = {"fastapi": "asgi", "others": "asgi", "tutorials": "asgi", "wsgi": "wsgi"}

#: How many components the examples of the whole tutorial are in.
PARTS = 4


def examples(version, into):
    """The examples of FastAPI's tutorial, out of its source on the package index."""
    say(f"fetching the examples of FastAPI {version}")
    with tempfile.TemporaryDirectory() as work:
        run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=fastapi", "--dest", work,
             f"fastapi=={version}"], "FastAPI's source cannot be fetched")
        with tarfile.open(next(Path(work).glob("*.tar.gz"))) as archive:
            archive.extractall(work, filter="data")
        shutil.copytree(next(Path(work).glob("fastapi-*/docs_src")), into / "docs_src")


def every_example(docs):
    """The names of the examples that are applications, without those that are left out."""
    left_out = {line.split(":")[0] for line in (HERE / "soak" / "left-out.txt").read_text().splitlines()}
    names = [".".join(path.relative_to(docs).with_suffix("").parts) for path in sorted(docs.rglob("*.py"))
             if re.search(r"^app\b", path.read_text(), re.MULTILINE)]
    if unknown := left_out - set(names):
        raise BuildError(f"soak/left-out.txt names what is no example: {', '.join(sorted(unknown))}")
    return [name for name in names if name not in left_out]


def parts_of_the_tutorial(into):
    """Projects that together mount every example."""
    first = into / "soak-0"
    shutil.copytree(HERE / "soak", first)
    shutil.copy(HERE / "tutorials" / "main.py", first)
    examples(requirements.versions((first / "requirements.txt").read_text())["fastapi"], first)
    names = every_example(first / "docs_src")
    for part in range(PARTS):
        project = into / f"soak-{part}"
        if part:
            shutil.copytree(first, project)
        (project / "examples.txt").write_text("\n".join(names[part::PARTS]) + "\n")
        yield project, "asgi"


def applications(into, soak):
    """The projects to build, and what they speak."""
    for name, protocol in APPLICATIONS.items():
        project = into / name
        shutil.copytree(HERE / name, project, ignore=shutil.ignore_patterns("__pycache__"))
        if name == "tutorials":
            examples(requirements.versions((project / "requirements.txt").read_text())["fastapi"], project)
        yield project, protocol
    if soak:
        yield from parts_of_the_tutorial(into)


def spin(tools, into):
    """A guest of Spin's SDK, built as its authors build one: by componentize-py, without anything of this project's."""
    project = into / "spin"
    shutil.copytree(HERE / "spin", project, ignore=shutil.ignore_patterns("__pycache__"))
    packages = requirements.install(tools, requirements.resolve(tools, project, into / "spin.lock", upgrade=False))

    def make(folder):
        say("building a guest of Spin's SDK")
        command, environment = tools.componentize(
            "-w", "spin:up/http-trigger@4.1.0", "componentize", "-p", project, "-p", packages.folder, "app", "-o",
            folder / "component.wasm")
        run(command, "the guest of Spin's SDK cannot be built", env=environment)

    folder = made_once("components", key(key_of(project), packages.lock, *PINNED), make)
    put(folder / "component.wasm", into / "spin.wasm")


def fill(into, soak):
    """Makes everything."""
    tools, locks = Tools(), []
    spin(tools, into)
    for project, protocol in applications(into, soak):
        lock = into / f"{project.name}.lock"
        packages = requirements.install(tools, requirements.resolve(tools, project, lock, upgrade=False))
        componentize.build(tools, project, protocol, "main:app", packages, [], into / f"{project.name}.wasm")
        locks += ["--constraints", lock, "--requirements", project / "requirements.txt"]
    say("installing the servers to compare with")
    tools.uv("pip", "install", "--quiet", "--target", into / "reference", "--python", sys.executable, *locks,
             "--requirements", HERE / "reference.txt", failed="the servers to compare with cannot be installed")


def main(link, soak):
    name = key_of(HERE, key_of(SDK), sys.version, "soak" if soak else "")
    try:
        folder = made_once("tests", name, lambda into: fill(into, soak))
    except BuildError as error:
        sys.exit(f"error: {error}")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)


main(Path(sys.argv[1]), sys.argv[2:] == ["soak"])
