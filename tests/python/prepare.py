"""`prepare.py LINK`: builds what the tests of Python need, once per content, and lets LINK point to the folder of it.

That folder holds a component of each application here, the sources of each, and `reference`: the same packages and
uvicorn and gunicorn for the Python that runs this, so that the tests can ask both and compare.
"""

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
from wasmbay_build.place import SDK, BuildError, key_of, made_once, say  # noqa: E402
from wasmbay_build.tools import Tools, run  # noqa: E402

#: The applications, and what they speak.
APPLICATIONS = {"fastapi": "asgi", "others": "asgi", "tutorials": "asgi", "wsgi": "wsgi"}


def examples(version, into):
    """The examples of FastAPI's tutorial, out of its source on the package index."""
    say(f"fetching the examples of FastAPI {version}")
    with tempfile.TemporaryDirectory() as work:
        run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=fastapi", "--dest", work,
             f"fastapi=={version}"], "FastAPI's source cannot be fetched")
        with tarfile.open(next(Path(work).glob("*.tar.gz"))) as archive:
            archive.extractall(work, filter="data")
        shutil.copytree(next(Path(work).glob("fastapi-*/docs_src")), into / "docs_src")


def fill(into):
    """Makes everything."""
    tools, locks = Tools(), []
    for name, protocol in APPLICATIONS.items():
        project = into / name
        shutil.copytree(HERE / name, project, ignore=shutil.ignore_patterns("__pycache__"))
        if name == "tutorials":
            pinned = requirements.versions((project / "requirements.txt").read_text())
            examples(pinned["fastapi"], project)
        lock = into / f"{name}.lock"
        packages = requirements.install(tools, requirements.resolve(tools, project, lock, upgrade=False))
        componentize.build(tools, project, protocol, "main:app", packages, [], into / f"{name}.wasm")
        locks += ["--constraints", lock, "--requirements", project / "requirements.txt"]
    say("installing the servers to compare with")
    tools.uv("pip", "install", "--quiet", "--target", into / "reference", "--python", sys.executable, *locks,
             "--requirements", HERE / "reference.txt", failed="the servers to compare with cannot be installed")


def main(link):
    try:
        folder = made_once("tests", key_of(HERE, key_of(SDK), sys.version), fill)
    except BuildError as error:
        sys.exit(f"error: {error}")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)


main(Path(sys.argv[1]))
