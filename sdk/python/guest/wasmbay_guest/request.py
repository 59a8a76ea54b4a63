"""A wasi:http request as both servers read it, 0.2 and 0.3 alike."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Asked:
    """What was asked for, in the words of HTTP."""

    method: str
    scheme: str
    target: str
    """Path and query, still percent-encoded."""
    base_path: str
    """The tenant's prefix, which the host took off the path."""
    headers: list
    """Names in lower case, values in bytes."""
    host: str
    port: int
    client: str
    """The client's address, as the host vouches for it; empty if it tells none."""


def read(message, fields):
    """Reads a request of either version; their bindings have the same names with and without `get_`."""
    get = lambda name: (getattr(message, name, None) or getattr(message, "get_" + name))()
    with fields:
        headers = [(name.lower(), value) for name, value in (getattr(fields, "copy_all", None) or fields.entries)()]
    authority = get("authority") or ""
    found = dict(headers)
    if authority and "host" not in found:
        headers.insert(0, ("host", authority.encode("latin-1")))
    text = lambda name: found.get(name, b"").decode("latin-1")
    scheme = text("x-forwarded-proto") or word(get("scheme") or "http")
    parts = urlsplit("//" + (authority or text("host")))
    port = parts.port or (443 if scheme == "https" else 80)
    base_path = text("wasmbay-base-path").rstrip("/")
    target = get("path_with_query") or "/"
    return Asked(word(get("method")).upper(), scheme, target, base_path, headers, parts.hostname or "", port,
                 text("x-forwarded-for"))


def word(case):
    """The name of a variant's case: `Method_Get` is `get`, `Method_Other("PURGE")` is `PURGE`."""
    if isinstance(case, str):
        return case
    name = type(case).__name__.rpartition("_")[2]
    if name == "Other":
        return case.value
    return name.lower()


def declared_length(headers):
    """The body's length as the request declares it, or None."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return None
