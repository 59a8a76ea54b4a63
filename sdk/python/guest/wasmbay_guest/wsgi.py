"""A WSGI server (PEP 3333) over wasi:http 0.2: `IncomingHandler = wsgi.handler(app)` is what the component exports."""

import io
import logging
import sys
from urllib.parse import unquote_to_bytes

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import streams
from wit_world.imports import types as http

from . import instance, request

#: Bytes of the request's body that are asked for at once.
PIECE = 65536

log = logging.getLogger("wasmbay.wsgi")


class Body(io.RawIOBase):
    """The request's body as a file; it is read as the application reads it."""

    def __init__(self, stream):
        self.stream = stream

    def readable(self):
        return True

    def readinto(self, buffer):
        while True:
            try:
                data = self.stream.blocking_read(len(buffer))
            except Err as error:
                if isinstance(error.value, streams.StreamError_Closed):
                    return 0
                raise OSError("the request's body broke off") from None
            if data:
                buffer[: len(data)] = data
                return len(data)


class Answer:
    """The response of one request: its head goes out with the first piece of its body."""

    def __init__(self, outparam):
        self.outparam = outparam
        self.status, self.headers = None, None
        self.body, self.stream = None, None

    def start_response(self, status, headers, exc_info=None):
        """As PEP 3333 has it. Returns `write`."""
        if exc_info is not None and self.body is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self.status is not None:
            raise AssertionError("start_response was called twice")
        self.status, self.headers = int(status.split(None, 1)[0]), headers
        return self.write

    def write(self, data):
        """Sends the head if it is not sent, and a piece of the body. Raises OSError when the client has left."""
        if self.status is None:
            raise AssertionError("start_response was not called")
        if self.body is None:
            self._begin()
        view = memoryview(data)
        while view:
            try:
                room = self.stream.check_write()
                if room == 0:
                    with self.stream.subscribe() as ready:
                        ready.block()
                    continue
                self.stream.write(bytes(view[:room]))
            except Err:
                raise OSError("the client has left") from None
            view = view[room:]

    def _begin(self):
        fields = http.Fields.from_list([(name, value.encode("latin-1")) for name, value in self.headers])
        response = http.OutgoingResponse(fields)
        response.set_status_code(self.status)
        self.body = response.body()
        http.ResponseOutparam.set(self.outparam, Ok(response))
        self.stream = self.body.write()

    def finish(self):
        """Ends the body."""
        self.write(b"")
        try:
            self.stream.blocking_flush()
        except Err:
            raise OSError("the client has left") from None
        self.stream.__exit__(None, None, None)
        http.OutgoingBody.finish(self.body, None)


def environ_of(message, stream):
    """The WSGI environment of a wasi:http request."""
    asked = request.read(message, message.headers())
    path, _, query = asked.target.partition("?")
    environ = {
        "REQUEST_METHOD": asked.method,
        "SCRIPT_NAME": unquote_to_bytes(asked.base_path).decode("latin-1"),
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": asked.target,
        "REQUEST_URI": asked.target,
        "SERVER_NAME": asked.host,
        "SERVER_PORT": str(asked.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": asked.scheme,
        "wsgi.input": io.BufferedReader(Body(stream), PIECE),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if asked.client:
        environ["REMOTE_ADDR"] = asked.client
    for name, value in asked.headers:
        if "_" in name:
            continue  # It would pass for the header with a dash.
        name, value = name.upper().replace("-", "_"), value.decode("latin-1")
        name = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + name
        separator = "; " if name == "HTTP_COOKIE" else ","
        environ[name] = environ[name] + separator + value if name in environ else value
    return environ


def respond(app, environ, answer):
    """Runs the application and sends what it makes."""
    pieces = app(environ, answer.start_response)
    try:
        for piece in pieces:
            if piece:
                answer.write(piece)
        answer.finish()
    finally:
        if hasattr(pieces, "close"):
            pieces.close()


def handler(app):
    """The class that a component of `wasi:http/proxy` exports."""

    class IncomingHandler(exports.IncomingHandler):
        def handle(self, message, outparam):
            instance.wake()
            incoming = message.consume()
            answer = Answer(outparam)
            try:
                with incoming.stream() as stream:
                    respond(app, environ_of(message, stream), answer)
            except OSError as error:
                if answer.body is None:
                    raise
                log.info("the response was not finished: %s", error)
            except Exception:
                log.error("exception in WSGI application", exc_info=True)
                raise

    return IncomingHandler
