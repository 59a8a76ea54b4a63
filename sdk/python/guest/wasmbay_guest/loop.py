"""The event loop of an instance.

The component model gives every request a task of its own with a set of things that it waits for, and runs one task at a
time. componentize-py's loop covers just that. This one adds what frameworks take for granted: timers, wake-ups from one
request to another, tasks that outlive the coroutine that began them, errors that are logged.

Import it before anything that uses asyncio's loop. It takes the place of private names of componentize-py, whose version
the builder pins.
"""

import asyncio
import collections
import contextvars
import heapq
import itertools
import logging
import time
from asyncio import events

import componentize_py_async_support as support
import wit_world
from componentize_py_types import Ok
from wit_world.imports import wasi_clocks_monotonic_clock_0_3_2 as monotonic_clock

from .stand_ins import NO_SOCKETS

runtime = support.componentize_py_runtime
_of_context = support._future_state
_order = itertools.count()

#: The host's clock moves in steps of a millisecond.
CLOCK_STEP = 0.001


class Turn:
    """One request's task in the component model: what it waits for and what is ready to run in it.

    It lasts until every asyncio task begun in it has ended, so work after the response is not lost.
    """

    #: The turn that runs now.
    current = None
    #: Timers of turns that have ended, for instance a periodic task's that lifespan began: the next turn takes them on.
    orphans = []

    def __init__(self, waitable_set, futures, handles, _pending_count):
        self.waitable_set = waitable_set
        self.futures = futures
        self.handles = collections.deque(handles)
        self.timers, Turn.orphans = Turn.orphans, []
        self.armed = []
        self.tasks = 0
        self.waker = None
        self.ended = False

    # componentize-py counts by itself what it began; tasks are counted here instead.
    pending_count = property(lambda self: 1, lambda self, count: None)

    def join(self, waitable, pending):
        """Waits for one more thing; `pending.set_result` is called with its event."""
        if self.waitable_set is None:
            self.waitable_set = runtime.waitable_set_new()
        self.futures[waitable] = pending
        runtime.waitable_join(waitable, self.waitable_set)

    def run(self):
        """Runs whatever is ready until nothing is."""
        Turn.current = self
        try:
            while self.handles or self._due():
                handle = self.handles.popleft()
                if not handle._cancelled:
                    handle._run()
                if loop.exception is not None:
                    raise loop.exception
        finally:
            Turn.current = None

    def _due(self):
        """Makes timers whose time has come ready, and sees to it that the next one wakes the turn."""
        now = loop.time() + CLOCK_STEP if self.timers else 0
        while self.timers and (self.timers[0][2]._cancelled or self.timers[0][0] <= now):
            self.handles.append(heapq.heappop(self.timers)[2])
        if self.timers and not building:
            first = self.timers[0][0]
            if not self.armed or first < self.armed[0]:
                heapq.heappush(self.armed, first)
                # A timer alone keeps no request's task alive.
                loop.detached(self._wake_at(first))
        return bool(self.handles)

    async def _wake_at(self, when):
        await monotonic_clock.wait_for(max(0, int((when - loop.time()) * 1e9)))
        self.armed.remove(when)

    def leave(self):
        """Ends the turn. What it still waits for comes to nothing: the component model has no way to take it back."""
        self.ended = True
        for waitable in self.futures:
            runtime.waitable_join(waitable, 0)
        self.futures.clear()
        if self.waker is not None:
            Waker.idle.append(self.waker)
            self.waker.turn = self.waker = None
        if self.waitable_set is not None:
            runtime.waitable_set_drop(self.waitable_set)
        for timer in self.timers:
            if not timer[2]._cancelled:
                heapq.heappush(Turn.orphans, timer)

    def task_done(self, _task):
        self.tasks -= 1


class Waker:
    """A stream to oneself: its pending read lies in a turn's set, and a write from another turn ends it.

    Without it, nothing would resume a request that waits for what another request of the instance does.
    """

    idle = []

    def __init__(self):
        self.writer, self.reader = wit_world.byte_stream()
        self.woken = False
        self.turn = None
        self._arm()

    def _arm(self):
        self.waitable, self.promise = runtime.stream_read(self.reader.type_, self.reader.handle, 1).value

    def attach(self, turn):
        self.turn, turn.waker = turn, self
        turn.join(self.waitable, self)

    def wake(self):
        if not self.woken:
            self.woken = True
            runtime.stream_write(self.writer.type_, self.writer.handle, b"w")

    def set_result(self, event):
        runtime.promise_get_result(event, self.promise)
        self.woken = False
        self._arm()
        self.attach(self.turn)


class Pending:
    """A future for the host's answer that may be cancelled before the answer comes."""

    def __init__(self, turn, future):
        self.turn = turn
        self.future = future

    def set_result(self, event):
        if not self.future.done():
            # Whoever awaits it may be of no turn of its own.
            Turn.current = self.turn
            self.future.set_result(event)
            Turn.current = None


def turn_of(context):
    """The turn that work of this context belongs to: its own, or the one that runs now if that has ended."""
    turn = context.get(_of_context)
    return Turn.current if turn is None or turn.ended else turn


class Loop(support._Loop):
    """asyncio's loop over the turns of an instance."""

    def __init__(self):
        super().__init__()
        self.running = True
        self._task_factory = None
        self._exception_handler = None

    def time(self):
        return time.monotonic()

    def call_soon(self, callback, *args, context=None):
        context = contextvars.copy_context() if context is None else context
        handle = asyncio.Handle(callback, args, self, context)
        turn = turn_of(context)
        turn.handles.append(handle)
        if turn is not Turn.current and turn.waker is not None:
            turn.waker.wake()
        return handle

    call_soon_threadsafe = call_soon

    def call_at(self, when, callback, *args, context=None):
        context = contextvars.copy_context() if context is None else context
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        turn = turn_of(context)
        heapq.heappush(turn.timers, (when, next(_order), timer))
        if turn is not Turn.current and turn.waker is not None:
            turn.waker.wake()
        return timer

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle):
        pass  # It is left out when its time comes.

    def create_task(self, coroutine, *, name=None, context=None, **options):
        context = contextvars.copy_context() if context is None else context
        if self._task_factory is None:
            task = asyncio.Task(coroutine, loop=self, name=name, context=context, **options)
        else:
            task = self._task_factory(self, coroutine, name=name, context=context, **options)
        turn = context.get(_of_context)
        if turn is not None and not turn.ended and not task.done():
            turn.tasks += 1
            task.add_done_callback(turn.task_done, context=context)
        return task

    def detached(self, coroutine):
        """A task that no turn waits for: it comes to nothing when its turn ends before it does."""
        return asyncio.Task(coroutine, loop=self)

    def set_task_factory(self, factory):
        self._task_factory = factory

    def get_task_factory(self):
        return self._task_factory

    def run_in_executor(self, executor, function, *args):
        """Runs it here and now: there are no threads. What it takes is CPU time of this request's lane."""
        future = self.create_future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def set_exception_handler(self, handler):
        self._exception_handler = handler

    def get_exception_handler(self):
        return self._exception_handler

    def call_exception_handler(self, context):
        if self._exception_handler is not None:
            self._exception_handler(self, context)
        else:
            self.default_exception_handler(context)

    def default_exception_handler(self, context):
        logging.getLogger("asyncio").error(context.get("message", "unhandled"), exc_info=context.get("exception"))

    def set_debug(self, enabled):
        pass


def _refuse(*_args, **_options):
    raise OSError(NO_SOCKETS)


async def _refuse_later(*_args, **_options):
    raise OSError(NO_SOCKETS)


for _name in ("getaddrinfo", "getnameinfo", "create_connection", "create_server", "create_unix_connection",
              "create_unix_server", "create_datagram_endpoint", "sock_connect", "sock_recv", "sock_sendall"):
    setattr(Loop, _name, _refuse_later)
for _name in ("add_reader", "add_writer", "add_signal_handler"):
    setattr(Loop, _name, _refuse)


async def await_result(result):
    """What generated bindings await: the value of a call to the host, now or when its event comes."""
    if isinstance(result, Ok):
        return result.value
    waitable, promise = result.value
    future = loop.create_future()
    turn = turn_of(contextvars.copy_context())
    turn.join(waitable, Pending(turn, future))
    return runtime.promise_get_result(await future, promise)


def poll(turn):
    """Runs a request's task on, and tells the component model whether it waits or has ended."""
    turn.run()
    if turn.tasks == 0:
        turn.leave()
        return support._CallbackCode.EXIT
    if turn.waker is None:
        (Waker.idle.pop() if Waker.idle else Waker()).attach(turn)
    runtime.context_set(turn)
    return support._CallbackCode.WAIT | (turn.waitable_set << 4)


def run_at_build(coroutine):
    """Runs a coroutine to its end while the component is built, when there is nothing to wait for.

    Raises RuntimeError if it waits for something, and what the coroutine raises.
    """
    global building
    turn = Turn(None, {}, [], 0)
    context = contextvars.Context()
    context.run(_of_context.set, turn)
    task = loop.create_task(coroutine, context=context)
    building = True
    try:
        turn.run()
    finally:
        building = False
    turn.ended = True
    if not task.done():
        raise RuntimeError("it waits for something that does not happen while a component is built")
    return task.result()


building = False
loop = Loop()
support._FutureState = Turn
support._loop = loop
support._poll = poll
support.await_result = await_result
asyncio.set_event_loop(loop)
events._set_running_loop(loop)
