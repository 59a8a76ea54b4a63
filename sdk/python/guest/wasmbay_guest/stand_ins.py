"""Stand-ins for what this CPython is built without and frameworks import all the same.

Names are there, so that an import works; using one says what does not exist and what to do instead.
"""

import asyncio
import contextvars
import errno
import os
import socket
import sys
import tempfile
import threading
import types

NO_TLS = ("TLS is not in a component: the host speaks it, for requests that come in and for those that a grant lets out; "
          "httpx, requests and urllib3 reach out through it")
NO_SOCKETS = ("sockets do not exist inside of a component: what is outside is reached through the host's grants, over HTTP by "
              "httpx, requests or urllib3")
NO_PROCESSES = "a component starts no processes: work that computes belongs in a plugin of the compute lane"
NO_THREADS = (
    "threads do not exist inside of a component: work that computes belongs in a plugin of the compute lane, "
    "work that waits in `async def`"
)


class Missing(types.ModuleType):
    """A module whose names are there and do nothing but explain themselves."""

    def __init__(self, name, reason, **names):
        super().__init__(name, reason)
        self.__dict__.update(names)
        self._reason = reason

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name.isupper() or "_" in name and name.split("_")[0].isupper():
            return 0  # A constant: such are combined at import.
        return type(name, (), {"__init__": self._refuse, "__module__": self.__name__})

    def _refuse(self, *_args, **_options):
        raise RuntimeError(self._reason)


def _ssl():
    error = type("SSLError", (OSError,), {})
    names = {name: type(name, (error,), {}) for name in (
        "SSLWantReadError", "SSLWantWriteError", "SSLSyscallError", "SSLEOFError", "SSLZeroReturnError")}
    # Clients look at what they were linked with when they are imported.
    names |= {"OPENSSL_VERSION": "OpenSSL 3.0.0 (none: TLS is the host's)", "OPENSSL_VERSION_INFO": (3, 0, 0, 0, 0),
              "OPENSSL_VERSION_NUMBER": 0x30000000}
    verification = type("SSLCertVerificationError", (error, ValueError), {})
    return Missing("ssl", NO_TLS, SSLError=error, SSLCertVerificationError=verification,
                   CertificateError=verification, **names)


def _multiprocessing():
    missing = Missing("_multiprocessing", NO_THREADS, sem_unlink=lambda name: None)
    # Read when `multiprocessing.synchronize` is imported.
    missing.SemLock = type("SemLock", (), {"SEM_VALUE_MAX": 2**31 - 1, "__init__": missing._refuse})
    return missing


def install():
    """Puts them in place. Called before the application is imported."""
    stand_ins = {
        "ssl": _ssl,
        "_multiprocessing": _multiprocessing,
    }
    for name, make in stand_ins.items():
        try:
            __import__(name)
        except ImportError:
            sys.modules[name] = make()
    _no_threads()
    _no_sockets()
    # What `multiprocessing` begins with, whatever is asked of it.
    os.pipe = _no_pipe
    # Files in memory have nowhere else to go once they are large; the instance's memory limit holds for them.
    tempfile.SpooledTemporaryFile.rollover = lambda self: None
    # Else what is printed would come out when the interpreter ends, which it does not.
    sys.stdout.reconfigure(line_buffering=True)


def _no_threads():
    """What frameworks run in a thread runs at once; whoever starts one by hand is told why there are none."""

    def start(self):
        raise RuntimeError(f"{self.name}: {NO_THREADS}")

    threading.Thread.start = start

    async def to_thread(function, /, *args, **options):
        return contextvars.copy_context().run(function, *args, **options)

    asyncio.to_thread = to_thread
    try:
        import anyio.to_thread
    except ImportError:
        return

    async def run_sync(function, *args, abandon_on_cancel=False, cancellable=None, limiter=None):
        return contextvars.copy_context().run(function, *args)

    anyio.to_thread.run_sync = run_sync


def _no_pipe():
    raise RuntimeError(f"os.pipe: {NO_PROCESSES}")


def _no_sockets():
    """The interpreter's own end without a word of why. The errors are those that callers expect of a network."""

    def refuse(self, *_args, **_options):
        raise OSError(errno.ENETUNREACH, f"socket.socket: {NO_SOCKETS}")

    socket.socket.__init__ = refuse
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo"):
        setattr(socket, name, _no_names(name))


def _no_names(name):
    def refuse(*_args, **_options):
        raise socket.gaierror(socket.EAI_FAIL, f"socket.{name}: {NO_SOCKETS}")

    return refuse
