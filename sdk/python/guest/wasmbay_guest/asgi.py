"""An ASGI 3 server over wasi:http 0.3: `Handler = asgi.handler(app)` is what the component exports."""

import asyncio
import contextvars
import logging
from urllib.parse import unquote

import wit_world
from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import wasi_http_types_0_3_2 as http

from . import instance, request
from .loop import loop

#: Bytes that one `http.request` event holds at most, as large as uvicorn's.
PIECE = 65536

log = logging.getLogger("wasmbay.asgi")


class Lifespan:
    """The application's startup, run at an instance's first request. Shutdown is never sent: instances are dropped."""

    def __init__(self, app):
        self.app = app
        self.state = {}
        self.started = None

    async def startup(self):
        """Waits until the application has started. Raises RuntimeError if it failed to."""
        if self.started is None:
            self.started = loop.create_future()
            # In no request's context: what it begins is not the first request's, and ends with the instance.
            loop.create_task(self._run(), context=contextvars.Context())
        await asyncio.shield(self.started)

    async def _run(self):
        events = [{"type": "lifespan.startup"}]

        async def receive():
            return events.pop() if events else await loop.create_future()

        async def send(event):
            if event["type"] == "lifespan.startup.failed":
                self._end(RuntimeError(f"the application failed to start: {event.get('message', '')}"))
            else:
                self._end()

        try:
            scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
            await self.app(scope, receive, send)
        except Exception as error:
            # So it is with every server: an application that knows no lifespan raises.
            log.info("the application takes no lifespan events: %r", error)
        self._end()

    def _end(self, error=None):
        if self.started.done():
            return
        if error is None:
            self.started.set_result(None)
        else:
            self.started.set_exception(error)


class Body:
    """A request's body, read when the application asks for it."""

    def __init__(self, message, declared):
        _, done = wit_world.result_unit_wasi_http_types_0_3_2_error_code_future(lambda: Ok(None))
        self.stream, self.trailers = http.Request.consume_body(message, done)
        self.declared = declared
        self.length = 0
        self.ended = False
        self.reading = None

    async def event(self):
        """The next event. An application may stop waiting for it: what was read by then is there the next time."""
        if self.reading is None:
            self.reading = loop.create_task(self._read())
        event = await asyncio.shield(self.reading)
        self.reading = None
        return event

    async def _read(self):
        data = await self.stream.read(PIECE)
        self.length += len(data)
        self.ended = self.stream.writer_dropped
        if self.ended and self.length != self.declared and not isinstance(await self.trailers.read(), Ok):
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": data, "more_body": not self.ended}


class Exchange:
    """One request and its response."""

    def __init__(self, app, scope, body):
        self.app, self.scope, self.body = app, scope, body
        self.head = loop.create_future()
        self.over = loop.create_future()
        self.start = None
        self.writer = None
        # What the body ends with: trailers, of which ASGI has none here, or why it broke off.
        self.end, self.outcome = None, Ok(None)

    async def run(self):
        """Runs the application to its end, work after the response included."""
        try:
            await self.app(self.scope, self.receive, self.send)
            if not self.over.done():
                raise RuntimeError("the application returned without completing its response")
        except Exception as error:
            log.error("exception in ASGI application", exc_info=True)
            if not self.head.done():
                self.head.set_exception(error)
            elif not self.over.done():
                # A body that only ends would pass for a whole one.
                self.outcome = Err(http.ErrorCode_InternalError("the application failed amid its response"))
        finally:
            self.finish()

    async def receive(self):
        if not self.body.ended and not self.over.done():
            return await self.body.event()
        await asyncio.shield(self.over)
        return {"type": "http.disconnect"}

    async def send(self, event):
        kind = event["type"]
        if kind == "http.response.start" and self.start is None:
            self.start = event
        elif kind == "http.response.body" and self.start is not None:
            if self.over.done():
                raise OSError("the response is over")
            await self._send(bytes(event.get("body", b"")), event.get("more_body", False))
        else:
            raise RuntimeError(f"unexpected ASGI event {kind!r}")

    async def _send(self, data, more):
        if not self.head.done():
            self._begin(bool(data) or more)
        if data and self.writer is not None:
            # Not cancelled with the application's task: half a write would lose the stream.
            await asyncio.shield(loop.create_task(self.writer.write_all(data)))
            more = more and not self.writer.reader_dropped
        if not more:
            self.finish()

    def _begin(self, with_body):
        reader = None
        if with_body and self.scope["method"] != "HEAD":
            self.writer, reader = wit_world.byte_stream()
        make = wit_world.result_option_wasi_http_types_0_3_2_fields_wasi_http_types_0_3_2_error_code_future
        self.end, trailers = make(lambda: self.outcome)
        headers = [(bytes(name).decode("latin-1"), bytes(value)) for name, value in self.start.get("headers", ())]
        response, _sent = http.Response.new(http.Fields.from_list(headers), reader, trailers)
        response.set_status_code(self.start["status"])
        self.head.set_result(response)

    def finish(self):
        """Ends the response's body. Does nothing the second time."""
        if not self.over.done():
            self.over.set_result(None)
        if self.writer is not None:
            self.writer.__exit__(None, None, None)
            self.writer = None
        if self.end is not None:
            self.end.__exit__(None, None, None)
            self.end = None


def scope_of(message, state):
    """The ASGI scope of a wasi:http request."""
    asked = request.read(message, message.get_headers())
    path, _, query = asked.target.partition("?")
    raw_path = (asked.base_path + path).encode("latin-1")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": asked.scheme,
        "path": unquote(asked.base_path + path),
        "raw_path": raw_path,
        "query_string": query.encode("latin-1"),
        "root_path": unquote(asked.base_path),
        "headers": [(name.encode("latin-1"), value) for name, value in asked.headers],
        "client": (asked.client, 0) if asked.client else None,
        "server": (asked.host, asked.port),
        "state": state.copy(),
    }


def handler(app):
    """The class that a component of `wasi:http/service` exports."""
    lifespan = Lifespan(app)

    class Handler(exports.Handler):
        async def handle(self, message):
            instance.wake()
            await lifespan.startup()
            scope = scope_of(message, lifespan.state)
            exchange = Exchange(app, scope, Body(message, request.declared_length(scope["headers"])))
            loop.create_task(exchange.run())
            return await exchange.head

    return Handler
