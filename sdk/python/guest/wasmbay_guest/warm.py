"""Imports, while the component is built, what would be imported at a first request: then there are no files any more.

Applications import lazily, and so do frameworks. The application's own sources are read for such imports. Frameworks are
made to do theirs by serving a small application of theirs; the author's is not called: it has not started yet.
"""

import ast
import importlib
import logging
import sys


#: What the standard library imports in the middle of its functions, and codecs.
STANDARD = """
    _strptime ast base64 calendar colorsys copy csv datetime decimal difflib email.message email.policy email.utils
    email.mime.text email.mime.multipart fractions functools getpass gettext gzip hashlib heapq hmac html html.parser
    http.client http.cookies http.cookiejar inspect io ipaddress itertools json locale mimetypes numbers pathlib pprint
    queue quopri random secrets shlex statistics string stringprep tempfile textwrap tokenize traceback types typing
    unicodedata urllib.parse urllib.request uuid xml.etree.ElementTree zipfile zlib zoneinfo
    encodings.ascii encodings.cp1252 encodings.idna encodings.iso8859_1 encodings.iso8859_15 encodings.latin_1
    encodings.punycode encodings.raw_unicode_escape encodings.unicode_escape encodings.utf_16 encodings.utf_16_be
    encodings.utf_16_le encodings.utf_32 encodings.utf_8 encodings.utf_8_sig encodings.charmap
""".split()

#: What frameworks and what hangs on them import late, beyond what serving shows.
LATE = {
    "fastapi": ["fastapi.openapi.docs", "fastapi.openapi.utils", "fastapi.encoders"],
    "pydantic": ["pydantic.networks", "pydantic.json_schema", "pydantic.deprecated.json"],
    "starlette": ["starlette.formparsers", "starlette.staticfiles", "starlette.middleware.base",
                  "starlette.middleware.errors"],
    "werkzeug": ["werkzeug.debug", "werkzeug.formparser"],
    "requests": ["idna", "requests.packages"],
    "falcon": ["falcon.media", "falcon.media.multipart"],
}

log = logging.getLogger("wasmbay.build")


def imports(names, quietly=True):
    """Imports modules by name. Raises ModuleNotFoundError unless `quietly`."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            if not quietly:
                raise


def late_imports_of(files):
    """The absolute names of modules that these sources import inside of functions."""
    names = set()
    for file in files:
        with open(file, "rb") as source:
            tree = ast.parse(source.read(), file)
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for node in ast.walk(function):
                    names.update(_imported(node))
    return sorted(names)


def _imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def frameworks():
    """Lets each framework that the application imported do its late imports."""
    imports(STANDARD)
    for name, late in LATE.items():
        if name in sys.modules:
            imports(late)
    for name, serve in (("fastapi", _fastapi), ("starlette", _starlette), ("flask", _flask)):
        if name in sys.modules:
            try:
                serve()
            except Exception:
                log.warning("warming %s failed; imports it does late may be missing", name, exc_info=True)


def ask(app, method, path, headers=(), body=b""):
    """Serves one request while building. Returns the events sent."""
    from .loop import run_at_build

    events, sent = [{"type": "http.request", "body": body, "more_body": False}], []

    async def receive():
        return events.pop() if events else {"type": "http.disconnect"}

    async def send(event):
        sent.append(event)

    path, _, query = path.partition("?")
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method,
             "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
             "headers": [(b"host", b"build"), *headers], "client": ("", 0), "server": ("build", 80), "state": {}}
    run_at_build(app(scope, receive, send))
    return sent


def live(app):
    """Starts and stops an application while building."""
    from .loop import run_at_build

    events = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]

    async def receive():
        return events.pop()

    async def send(_event):
        pass

    run_at_build(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))


FORM = [(b"content-type", b"application/x-www-form-urlencoded")]
JSON = [(b"content-type", b"application/json")]
PARTS = [(b"content-type", b"multipart/form-data; boundary=b")]
UPLOAD = b'--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--b--\r\n'


def _fastapi():
    import contextlib
    import datetime
    import decimal
    import uuid

    import fastapi
    import pydantic

    class Model(pydantic.BaseModel):
        text: str = pydantic.Field(min_length=1)
        number: decimal.Decimal = decimal.Decimal(1)
        time: datetime.datetime | None = None
        id: uuid.UUID | None = None

    @contextlib.asynccontextmanager
    async def lifespan(_app):
        yield {}

    app = fastapi.FastAPI(lifespan=lifespan)

    @app.get("/{number}")
    async def show(number: int, tasks: fastapi.BackgroundTasks, q: str | None = None, of: str = fastapi.Header("")):
        tasks.add_task(len, "")
        return {"number": number}

    @app.post("/")
    def take(model: Model) -> Model:
        return model

    live(app)
    for method, path, headers, body in (
        ("GET", "/1?q=1", [], b""), ("GET", "/x", [], b""), ("GET", "/docs", [], b""), ("GET", "/openapi.json", [], b""),
        ("POST", "/", JSON, b'{"text": "a", "time": "2030-01-01T00:00:00Z"}'), ("POST", "/", JSON, b'{"number": "x"}'),
        ("POST", "/", JSON, b"{"), ("PUT", "/", [], b""), ("GET", "/a/b", [], b""),
    ):
        ask(app, method, path, headers, body)


def _starlette():
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route

    async def pieces():
        yield "a"

    async def show(message):
        async with message.form() as form:
            return JSONResponse([str(value) for value in form.values()])

    async def stream(_message):
        return StreamingResponse(pieces())

    async def fail(_message):
        raise RuntimeError

    async def through(message, call_next):
        return await call_next(message)

    routes = [Route("/", show, methods=["POST"]), Route("/stream", stream), Route("/fail", fail)]
    app = Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=through)])
    live(app)
    ask(app, "GET", "/stream")
    for headers, body in ((FORM, b"a=1"), (PARTS, UPLOAD)):
        try:
            ask(app, "POST", "/", headers, body)
        except AssertionError:
            log.debug("python-multipart is not among the dependencies: no forms")
    try:
        ask(app, "GET", "/fail")
    except RuntimeError:
        pass  # After its response, as it should be.


def _flask():
    import flask

    app = flask.Flask("warm")
    app.secret_key = "none"

    @app.route("/<int:number>", methods=["GET", "POST"])
    def show(number):
        flask.session["a"] = flask.request.form.get("a")
        flask.request.files.get("f")
        flask.request.get_json(silent=True)
        return flask.jsonify(number=number)

    @app.errorhandler(404)
    def lost(error):
        return flask.make_response(str(error), 404)

    client = app.test_client()
    client.get("/1?a=b")
    client.get("/x")
    client.put("/1")
    for headers, body in ((FORM, b"a=1"), (PARTS, UPLOAD), (JSON, b"{}")):
        client.post("/1", data=body, content_type=headers[0][1].decode())
