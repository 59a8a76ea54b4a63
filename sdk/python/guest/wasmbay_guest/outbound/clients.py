"""Lets HTTP clients that applications use call by the host, once the application imports them."""

from . import blocking
from .asked import Asked, Failed

NO_WAY = "a component calls servers by the host, as its grants say: there are no {} of its own"


def _refuse(**given):
    """Raises RuntimeError for what a client was told of the way to its servers, which is the host's."""
    for what, value in given.items():
        if value:
            raise RuntimeError(NO_WAY.format(what))


def _asked_by_httpx(request):
    waits = request.extensions.get("timeout", {})
    headers = [(name.decode("latin-1"), value) for name, value in request.headers.raw]
    return Asked(request.method, request.url.scheme, request.url.netloc.decode("ascii"), request.url.raw_path.decode("ascii"),
                 headers, waits.get("connect"), waits.get("read"), waits.get("write"))


def _has_body(request):
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def httpx(module):
    """Both of httpx's transports; clients, hooks, redirects, cookies and exceptions stay httpx's."""
    kinds = {
        "connect": module.ConnectError, "connect-timeout": module.ConnectTimeout, "read": module.ReadError,
        "read-timeout": module.ReadTimeout, "write": module.WriteError, "write-timeout": module.WriteTimeout,
        "protocol": module.RemoteProtocolError, "local": module.LocalProtocolError,
    }

    def meant(request, error):
        return kinds[error.kind](str(error), request=request)

    def answer(response, stream):
        headers = [(name.encode("latin-1"), value) for name, value in response.headers]
        return module.Response(response.status, headers=headers, stream=stream, extensions={"http_version": b"HTTP/1.1"})

    def init(self, verify=True, cert=None, trust_env=True, http1=True, http2=False, limits=None, proxy=None, uds=None,
             local_address=None, retries=0, socket_options=None):
        _refuse(**{"client certificates": cert, "proxies": proxy, "sockets": uds or local_address or socket_options})

    class Body(module.SyncByteStream):
        def __init__(self, request, response):
            self.request, self.response = request, response

        def __iter__(self):
            try:
                while data := self.response.read():
                    yield data
            except Failed as error:
                raise meant(self.request, error) from None

        def close(self):
            self.response.close()

    class Handle:
        """What is put in the place of the transports' methods."""

        def handle_request(self, request):
            try:
                response = blocking.send(_asked_by_httpx(request), request.stream if _has_body(request) else None)
            except Failed as error:
                raise meant(request, error) from None
            return answer(response, Body(request, response))

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            pass

        def close(self):
            pass

    _replace(module.HTTPTransport, init, Handle)
    try:
        from . import waiting
    except ImportError:
        return  # WSGI: there is no event loop for the other one.

    class AsyncBody(module.AsyncByteStream):
        def __init__(self, request, response):
            self.request, self.response = request, response

        async def __aiter__(self):
            try:
                while data := await self.response.read():
                    yield data
            except Failed as error:
                raise meant(self.request, error) from None

        async def aclose(self):
            self.response.close()

    class AsyncHandle:
        async def handle_async_request(self, request):
            try:
                response = await waiting.send(_asked_by_httpx(request), request.stream if _has_body(request) else None)
            except Failed as error:
                raise meant(request, error) from None
            return answer(response, AsyncBody(request, response))

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_error):
            pass

        async def aclose(self):
            pass

    _replace(module.AsyncHTTPTransport, init, AsyncHandle)


def _replace(transport, init, methods):
    transport.__init__ = init
    for name, method in vars(methods).items():
        if callable(method):
            setattr(transport, name, method)


def urllib3(_module):
    """urllib3's connections, and so requests: pools, retries, redirects and exceptions stay theirs."""
    from . import pooled

    pooled.install()


def requests(module):
    """requests looks for a file of certificates, which is the host's affair."""

    def cert_verify(self, conn, url, verify, cert):
        _refuse(**{"client certificates": cert})

    module.adapters.HTTPAdapter.cert_verify = cert_verify


#: What is done to a module once it has been imported.
CLIENTS = {"httpx": httpx, "urllib3": urllib3, "requests": requests}
