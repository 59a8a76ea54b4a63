"""Calls by wasi:http 0.3: other requests of the instance go on while one waits."""

import asyncio

import wit_world
from componentize_py_types import Err, Ok
from wit_world.imports import client
from wit_world.imports import wasi_http_types_0_3_2 as http

from ..loop import loop
from .asked import PIECE, Failed

_trailers = wit_world.result_option_wasi_http_types_0_3_2_fields_wasi_http_types_0_3_2_error_code_future
_outcome = wit_world.result_unit_wasi_http_types_0_3_2_error_code_future


async def send(asked, body=None):
    """Sends a request, its body an async iterator of pieces or None. Returns the answer when its head is there.

    Raises Failed, and what `body` raises: then the request is broken off. Whoever is cancelled here leaves nothing behind.
    """
    fields = asked.fields(http)
    sending = Sending(asked, body)
    message, _sent = http.Request.new(fields, sending.reader, sending.trailers, asked.options(http))
    asked.fill(http, message)
    writing = loop.create_task(sending.run())
    try:
        answer = await _abandonable(client.send(message), lambda answer: answer.__exit__(None, None, None))
    except Err as error:
        writing.cancel()
        # A body that broke off says more than what the host makes of it.
        raise sending.failure or asked.failed(error.value) from None
    except BaseException:
        writing.cancel()
        raise
    return Response(asked, answer, writing)


async def _abandonable(coroutine, undo):
    """Waits for what cannot be taken back. Who is cancelled meanwhile leaves its result to `undo`."""
    task = loop.detached(coroutine)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda task: task.exception() or undo(task.result()))
        raise


class Sending:
    """A request's body on its way."""

    def __init__(self, asked, body):
        self.asked, self.body = asked, body
        self.failure = None
        self.outcome = Ok(None)
        self.writer = self.reader = None
        if body is not None:
            self.writer, self.reader = wit_world.byte_stream()
        self.end, self.trailers = _trailers(lambda: self.outcome)

    async def run(self):
        try:
            if self.body is not None:
                await self._write_all()
        except BaseException as error:
            self.outcome = Err(http.ErrorCode_InternalError("the request's body broke off"))
            self.failure = None if isinstance(error, asyncio.CancelledError) else error
        finally:
            if self.writer is not None:
                self.writer.__exit__(None, None, None)
            self.end.__exit__(None, None, None)

    async def _write_all(self):
        async for piece in self.body:
            if self.writer.reader_dropped:
                break  # It has answered without reading all of it.
            # Not cancelled with this task: half a write would lose the stream.
            writing = loop.create_task(self.writer.write_all(bytes(piece)))
            try:
                async with asyncio.timeout(self.asked.write):
                    await asyncio.shield(writing)
            except TimeoutError:
                raise Failed("write-timeout", f"{self.asked}: its body is not taken") from None


class Response:
    """An answer whose body is read piece by piece."""

    def __init__(self, asked, message, writing):
        self.asked, self.writing = asked, writing
        self.status = message.get_status_code()
        with message.get_headers() as fields:
            self.headers = fields.copy_all()
        _, done = _outcome(lambda: Ok(None))
        self.stream, self.trailers = http.Response.consume_body(message, done)
        self.reading, self.failure = None, None
        self.ended = False

    async def read(self):
        """The next bytes; none at the end. Raises Failed when the body breaks off.

        A caller that is cancelled loses nothing: what was read by then is there the next time.
        """
        if self.failure is not None:
            raise self.asked.failed(self.failure)
        if self.ended:
            return b""
        if self.reading is None:
            self.reading = loop.detached(self._read())
        data = await asyncio.shield(self.reading)
        self.reading = None
        return data or await self.read()

    async def _read(self):
        data = await self.stream.read(PIECE)
        if self.stream.writer_dropped and not self.ended:
            outcome = await self.trailers.read()
            self.ended = True
            self.failure = outcome.value if isinstance(outcome, Err) else None
        return data

    def close(self):
        """Reads and sends no further. Does nothing the second time."""
        self.writing.cancel()
        if not self.ended:
            self.ended = True
            if self.reading is None or self.reading.done():
                self._drop()
            else:
                self.reading.add_done_callback(lambda _: self._drop())

    def _drop(self):
        self.stream.__exit__(None, None, None)
        self.trailers.__exit__(None, None, None)
