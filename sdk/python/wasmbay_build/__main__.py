"""`python3 -m wasmbay_build asgi main:app`: what a plugin's `[build] command` runs."""

import argparse
import sys
import time
from pathlib import Path

from . import componentize, requirements
from .place import BuildError, say
from .tools import Tools


def arguments():
    parser = argparse.ArgumentParser(
        prog="wasmbay_build",
        description="Builds the Python web application of this folder into a component. Dependencies are read from "
                    "requirements.txt, else from pyproject.toml. What is fetched and built is kept in "
                    "$XDG_CACHE_HOME/wasmbay/python (else ~/.cache/wasmbay/python), which may be deleted at any time.")
    parser.add_argument("protocol", choices=componentize.WORLDS,
                        help="asgi (FastAPI, Starlette, Quart, falcon.asgi; wasi:http 0.3) or wsgi (Flask, Bottle, Falcon; 0.2)")
    parser.add_argument("app", help="the application as module:name, for instance main:app")
    parser.add_argument("--out", type=Path, default=Path("target/plugin.wasm"), help="where the component goes")
    parser.add_argument("--upgrade", action="store_true",
                        help="ask for the newest versions again, not those of target/requirements.lock")
    return parser.parse_args()


def main():
    asked, begun, project = arguments(), time.monotonic(), Path.cwd()
    try:
        tools = Tools()
        lock = requirements.resolve(tools, project, project / "target" / "requirements.lock", asked.upgrade)
        packages = requirements.install(tools, lock)
        imports = requirements.extra_imports(project)
        componentize.build(tools, project, asked.protocol, asked.app, packages, imports, asked.out)
    except BuildError as error:
        sys.exit(f"error: {error}")
    say(f"{asked.out} is built ({time.monotonic() - begun:.0f} s)")


main()
