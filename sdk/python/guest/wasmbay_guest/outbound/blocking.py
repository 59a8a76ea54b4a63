"""Calls by wasi:http 0.2: the instance stands still until the answer is there."""

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler, streams

try:
    # Beside 0.3, names say which version they are of.
    from wit_world.imports import wasi_http_types_0_2_12 as http
except ImportError:
    from wit_world.imports import types as http

from .asked import PIECE, Failed


def send(asked, body=None):
    """Sends a request, its body a number of pieces or None. Returns the answer when its head is there.

    Raises Failed, and what `body` raises: then the request is broken off.
    """
    message = http.OutgoingRequest(asked.fields(http))
    asked.fill(http, message)
    content = message.body()
    try:
        pending = outgoing_handler.handle(message, asked.options(http))
    except Err as error:
        raise asked.failed(error.value) from None
    unwritten = _write(asked, content, body or ())
    with pending.subscribe() as ready:
        ready.block()
    answer = pending.get().value
    if isinstance(answer, Err):
        raise asked.failed(answer.value)
    return Response(asked, answer.value, unwritten)


def _write(asked, content, body):
    """Writes the body. A server may answer before it has read all of it, and need not: then what is left of it is returned."""
    try:
        with content.write() as stream:
            for piece in body:
                view = memoryview(piece)
                while view:
                    view = view[_write_some(stream, view):]
            stream.flush()
    except Err:
        return content
    except BaseException:
        content.__exit__(None, None, None)
        raise
    try:
        http.OutgoingBody.finish(content, None)
    except Err as error:
        # Fewer bytes than its `content-length` says, or more.
        raise asked.failed(error.value) from None
    return None


def _write_some(stream, view):
    """How many bytes were taken. Raises Err when no more will be."""
    room = stream.check_write()
    if room == 0:
        with stream.subscribe() as ready:
            ready.block()
        return 0
    room = min(room, len(view))
    stream.write(bytes(view[:room]))
    return room


class Response:
    """An answer whose body is read piece by piece."""

    def __init__(self, asked, message, unwritten):
        self.asked = asked
        self.message = message
        # Dropping it breaks the request off, and with it the answer.
        self.unwritten = unwritten
        self.status = message.status()
        with message.headers() as fields:
            self.headers = fields.entries()
        self.content = message.consume()
        self.stream = self.content.stream()

    def read(self, most=PIECE):
        """The next bytes, `most` at most; none at the end. Raises Failed when the body breaks off."""
        while self.stream is not None:
            try:
                data = self.stream.blocking_read(most)
            except Err as error:
                failure = error.value
                broken = not isinstance(failure, streams.StreamError_Closed)
                code = http.http_error_code(failure.value) if broken else self._end()
                self.close()
                if code is not None:
                    raise self.asked.failed(code) from None
                if broken:
                    raise Failed("read", f"{self.asked}: the answer broke off") from None
                break
            if data:
                return data
        return b""

    def _end(self):
        """Whether the body is whole: None, or why not."""
        self.stream.__exit__(None, None, None)
        self.stream = None
        content, self.content = self.content, None
        with http.IncomingBody.finish(content) as trailers:
            with trailers.subscribe() as ready:
                ready.block()
            outcome = trailers.get()
        return outcome.value.value if isinstance(outcome, Ok) and isinstance(outcome.value, Err) else None

    def close(self):
        """Reads no further. Does nothing the second time."""
        for name in ("stream", "content", "message", "unwritten"):
            part = getattr(self, name)
            if part is not None:
                setattr(self, name, None)
                part.__exit__(None, None, None)
