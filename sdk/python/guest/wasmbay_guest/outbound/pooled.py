"""Connections for urllib3's pools that call by the host."""

import io
from urllib.parse import urlsplit

from urllib3 import connectionpool
from urllib3._collections import HTTPHeaderDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProtocolError
from urllib3.response import HTTPResponse
from urllib3.util.request import body_to_chunks

from . import blocking
from .asked import Asked, Failed


class Content(io.RawIOBase):
    """An answer's body as a file."""

    def __init__(self, response):
        self.response = response

    def readable(self):
        return True

    def readinto(self, buffer):
        try:
            data = self.response.read(len(buffer))
        except Failed as error:
            raise _amid(error) from None
        buffer[: len(data)] = data
        if not data:
            self.close()  # As a socket's answer is at its end: urllib3 reads until then.
        return len(data)

    def close(self):
        self.response.close()
        super().close()


def _amid(error):
    """What went wrong once there was a connection, as sockets say it."""
    if error.kind.endswith("-timeout"):
        return TimeoutError(str(error))
    return ProtocolError(str(error), error)


class Calling:
    """What a connection does, for each scheme's class of urllib3's to begin with."""

    scheme = "http"
    # The host's TLS always looks at certificates.
    is_verified = True
    is_connected = True
    is_closed = False
    waiting_for = None

    def connect(self):
        if self._tunnel_host or self.proxy:
            raise ProtocolError("a component calls servers by the host, as its grants say: there are no proxies")

    def close(self):
        self.waiting_for = None

    def request(self, method, url, body=None, headers=None, *, chunked=False, preload_content=True, decode_content=True,
                enforce_content_length=True):
        headers = dict(headers or {})
        given = {name.lower() for name in headers}
        content = body_to_chunks(body, method=method, blocksize=self.blocksize)
        if not given & {"content-length", "transfer-encoding"} and not chunked and content.content_length is not None:
            headers["Content-Length"] = str(content.content_length)
        if "user-agent" not in given:
            headers["User-Agent"] = "python-urllib3"
        self.connect()
        self.waiting_for = {
            "request_method": method, "request_url": url, "preload_content": preload_content,
            "decode_content": decode_content, "enforce_content_length": enforce_content_length,
        }
        # The rest is known when the answer is waited for: how long that may take.
        self.begun = method, url, headers, content.chunks, self.timeout

    def getresponse(self):
        method, url, headers, chunks, connect = self.begun
        options, self.waiting_for = self.waiting_for, None
        host = f"[{self.host}]" if ":" in self.host else self.host
        authority = host if self.port in (None, self.default_port) else f"{host}:{self.port}"
        if not url.startswith("/"):
            parts = urlsplit(url)
            url = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        values = [(_text(name), _bytes(value)) for name, value in headers.items()]
        asked = Asked(method, self.scheme, authority, url, values, connect, self.timeout)
        pieces = None if chunks is None else (_bytes(chunk) for chunk in chunks)
        try:
            response = blocking.send(asked, pieces)
        except Failed as error:
            raise self._meant(error) from None
        told = HTTPHeaderDict((name, value.decode("latin-1")) for name, value in response.headers)
        return HTTPResponse(body=Content(response), headers=told, status=response.status, version=11, version_string="HTTP/1.1",
                            **options)

    def _meant(self, error):
        if error.kind == "connect":
            return NewConnectionError(self, str(error))
        if error.kind == "connect-timeout":
            return ConnectTimeoutError(self, str(error))
        return _amid(error)


def _text(name):
    return name.decode("latin-1") if isinstance(name, bytes) else name


def _bytes(value):
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


class Plain(Calling, HTTPConnection):
    """`http`."""


class Secure(Calling, HTTPSConnection):
    """`https`."""

    scheme = "https"


def install():
    """From here on, pools make these connections."""
    connectionpool.HTTPConnectionPool.ConnectionCls = Plain
    connectionpool.HTTPSConnectionPool.ConnectionCls = Secure
