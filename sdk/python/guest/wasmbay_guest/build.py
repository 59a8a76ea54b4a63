"""The part of a build that runs in the interpreter that becomes the component: imports the application and warms it."""

import importlib
import inspect
import sys

from . import distributions, instance, logs, missing, stand_ins, warm
from .outbound import hooks


def prepare():
    """Makes the ground that applications expect. Before any of their modules is imported."""
    instance.watch_seeds()
    stand_ins.install()
    hooks.install()


def load(app, folder, files, imports, native):
    """Imports the application `module:name` and what it will want to import later. Returns it."""
    finder = missing.explain(native)
    module, _, name = app.partition(":")
    found = importlib.import_module(module)
    for part in (name or "app").split("."):
        found = getattr(found, part)
    warm.imports(imports, quietly=False)
    # Not all of them have to be there: `try: import x` may stand in a function as well.
    warm.imports(warm.late_imports_of(files))
    warm.frameworks()
    logs.configure()
    logs.keep_sources(folder)
    distributions.keep()
    finder.sealed = True
    return found


def is_asgi(app):
    """Whether an application is ASGI 3, by what is called with how many arguments."""
    call = app if inspect.isfunction(app) else getattr(app, "__call__", None)
    return inspect.iscoroutinefunction(call) or _parameters(call) == 3


def _parameters(call):
    try:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return sum(parameter.kind in kinds for parameter in inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return 0


def asgi(**about):
    """The handler of an ASGI application."""
    from . import loop  # First: what follows uses asyncio.
    prepare()
    app = load(**about)
    if not is_asgi(app):
        raise SystemExit(f"{about['app']} is not an ASGI application; if it is WSGI, build it by `wsgi {about['app']}`")
    from . import asgi as server
    _warn_of_websockets(app)
    return server.handler(app)


def wsgi(**about):
    """The handler of a WSGI application."""
    prepare()
    app = load(**about)
    if is_asgi(app):
        raise SystemExit(f"{about['app']} is an ASGI application; build it by `asgi {about['app']}`")
    from . import wsgi as server
    return server.handler(app)


def _warn_of_websockets(app):
    for route in getattr(app, "routes", ()):
        if "WebSocket" in type(route).__name__:
            print(f"warning: {route.path} is a WebSocket; the host refuses those", file=sys.stderr)
