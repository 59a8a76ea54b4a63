"""Other plugins of the tenant, and jobs: requests that the host carries itself. For `async def`, in plugins built by `asgi`."""

import json as _json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What was answered, read to its end."""

    status: int
    headers: list[tuple[str, bytes]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return _json.loads(self.body)

    def ok(self) -> "Answer":
        """The answer itself. Raises RuntimeError for a status of 400 and more."""
        if self.status >= 400:
            raise RuntimeError(f"it answered with status {self.status}: {self.body[:200].decode(errors='replace')}")
        return self


@dataclass(frozen=True)
class Enqueued:
    """A job that the host has taken: it is on the disk."""

    id: str
    known: bool
    """Whether it was there before, under its key."""


class JobRefused(RuntimeError):
    """The host takes no job; the text says why, and which line would grant it. With a `status` of 429, 503 or 507 it may take it later."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


async def call_plugin(name: str, path: str, *, method: str = "GET", json: Any = None, body: bytes = b"",
                      headers: Mapping[str, str] | None = None) -> Answer:
    """Asks a plugin of the same tenant, in process; `grants.plugins` names it. Raises OSError where there is no answer."""
    return await _ask(f"{name}.plugin.internal", path, method, json, body, headers or {})


async def enqueue(plugin: str, path: str, *, json: Any = None, body: bytes = b"", headers: Mapping[str, str] | None = None,
                  key: str | None = None, delay: float | None = None, attempts: int | None = None,
                  deadline: float | None = None, priority: int | None = None) -> Enqueued:
    """Hands in a job: a POST to the plugin that happens whatever becomes of this request, at least once.

    `key`: the same one is the same job. `delay` and `deadline` are in seconds. Needs `jobs = true` under `[grants]`, and the plugin's name in
    `grants.plugins` unless it is this one. Raises JobRefused; after OSError it is not known whether the job was taken, and with
    a key it can be handed in again.
    """
    told = {"key": key, "delay": _time(delay), "attempts": attempts, "deadline": _time(deadline), "priority": priority}
    said = {f"wasmbay-job-{name}": str(value) for name, value in told.items() if value is not None}
    target = f"/{plugin}/{path.removeprefix('/')}"
    answer = await _ask("jobs.wasmbay.internal", target, "POST", json, body, {**(headers or {}), **said})
    if answer.status == 202:
        taken = answer.json()
        return Enqueued(taken["id"], taken["known"])
    try:
        problem = answer.json()
        text = ": ".join(filter(None, (problem["detail"], problem.get("remedy"))))
    except (ValueError, KeyError):
        text = f"status {answer.status}"
    raise JobRefused(answer.status, text)


def _time(seconds):
    return None if seconds is None else f"{round(seconds * 1000)}ms"


async def _ask(authority, path, method, json, body, headers):
    from wasmbay_guest.outbound import waiting
    from wasmbay_guest.outbound.asked import Asked

    sent = [(name, value.encode()) for name, value in headers.items()]
    if json is not None:
        body = _json.dumps(json).encode()
        sent.append(("content-type", b"application/json"))
    target = path if path.startswith("/") else f"/{path}"
    response = await waiting.send(Asked(method, "http", authority, target, sent), _pieces(body) if body else None)
    try:
        read = bytearray()
        while piece := await response.read():
            read += piece
        return Answer(response.status, response.headers, bytes(read))
    finally:
        response.close()


async def _pieces(body):
    yield body
