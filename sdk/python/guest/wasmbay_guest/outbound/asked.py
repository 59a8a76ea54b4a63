"""A request to another server, and what can become of it, in the words of both versions of wasi:http."""

import re
from dataclasses import dataclass, field

from componentize_py_types import Err

#: Bytes of a body that are read or written at once.
PIECE = 65536

#: Headers of a connection, which is the host's, not of a request.
OF_THE_CONNECTION = {"connection", "host", "http2-settings", "keep-alive", "proxy-connection", "te", "transfer-encoding",
                     "upgrade"}

METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

#: What an error code of wasi:http is to a caller; one that is not named here is `protocol`.
KINDS = {
    "connect": "DnsError DestinationNotFound DestinationUnavailable DestinationIpProhibited DestinationIpUnroutable "
               "ConnectionRefused ConnectionLimitReached TlsProtocolError TlsCertificateError TlsAlertReceived "
               "HttpRequestDenied LoopDetected",
    "connect-timeout": "DnsTimeout ConnectionTimeout",
    "read": "ConnectionTerminated HttpResponseIncomplete InternalError",
    "read-timeout": "HttpResponseTimeout ConnectionReadTimeout",
    "write-timeout": "ConnectionWriteTimeout",
    "local": "HttpRequestMethodInvalid HttpRequestUriInvalid HttpRequestUriTooLong HttpRequestHeaderSectionSize "
             "HttpRequestHeaderSize HttpRequestBodySize HttpRequestLengthRequired",
}
KIND_OF = {code: kind for kind, codes in KINDS.items() for code in codes.split()}

#: What to do, where the code alone does not say.
REMEDIES = {
    "ConnectionLimitReached": "this request has as many calls under way as it may, or the plugin it calls is full",
    "DestinationIpProhibited": "plugins may not reach that address; the log names it",
    "TlsCertificateError": "the server is not who the URL says, or of no authority that the host trusts",
}


class Failed(OSError):
    """A call that came to nothing. `kind` is one of [`KINDS`], `protocol` or `write`."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


@dataclass
class Asked:
    """A request, but for its body."""

    method: str
    scheme: str
    authority: str
    target: str
    """Path and query, percent-encoded."""
    headers: list = field(default_factory=list)
    """Names in text, values in bytes."""
    connect: float | None = None
    """Seconds it may take to connect. None leaves it to the host, here and below."""
    read: float | None = None
    """Seconds until the answer's head, and between two pieces of its body."""
    write: float | None = None
    """Seconds that a piece of the request's body may wait to be taken."""

    def __str__(self):
        return f"{self.method} {self.scheme}://{self.authority}{self.target}"

    def fields(self, http):
        """The headers, for a version of wasi:http. Raises Failed for one that cannot be sent."""
        kept = [(name, value) for name, value in self.headers if name.lower() not in OF_THE_CONNECTION]
        try:
            return http.Fields.from_list(kept)
        except Err as error:
            raise Failed("local", f"{self}: a header cannot be sent: {_words(error.value)}") from None

    def fill(self, http, message):
        """Tells a request who is asked for what. Raises Failed for what HTTP has no way to say."""
        case = getattr(http, f"Method_{self.method.title()}")() if self.method in METHODS else http.Method_Other(self.method)
        scheme = {"http": http.Scheme_Http, "https": http.Scheme_Https}.get(self.scheme)
        try:
            message.set_method(case)
            message.set_scheme(scheme() if scheme else http.Scheme_Other(self.scheme))
            message.set_authority(self.authority)
            message.set_path_with_query(self.target)
        except Err:
            raise Failed("local", f"{self} is no request that can be sent") from None

    def options(self, http):
        """Its deadlines."""
        made = http.RequestOptions()
        for name, seconds in (("connect", self.connect), ("first_byte", self.read), ("between_bytes", self.read)):
            if seconds is not None:
                getattr(made, f"set_{name}_timeout")(max(1, int(seconds * 1e9)))
        return made

    def failed(self, code):
        """What an error code means for this request."""
        name = type(code).__name__.removeprefix("ErrorCode_")
        text = f"{self}: {_words(code)}"
        if name == "HttpRequestDenied":
            text = f"{self}: {self._denied()}"
        elif name in REMEDIES:
            text += f": {REMEDIES[name]}"
        return Failed(KIND_OF.get(name, "protocol"), text)

    def _denied(self):
        host = self.authority.rpartition("@")[2]
        if host.endswith(".plugin.internal"):
            line = f'plugins = ["{host.removesuffix(".plugin.internal")}"]'
        else:
            line = f'http = ["{self.scheme}://{host}"]'
        return f"the plugin is not granted this call; under [grants] of plugin.toml it takes {line}, and that the operator allows it"


def _words(case):
    """A variant's case in words, and what it carries: `ErrorCode_DnsError` is `dns error`."""
    name = type(case).__name__.rpartition("_")[2]
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
    value = getattr(case, "value", None)
    more = [str(part) for part in vars(value).values() if part is not None] if hasattr(value, "__dict__") else [value]
    more = [str(part) for part in more if part is not None]
    return f"{words} ({', '.join(more)})" if more else words
