"""Sockets whose operations end at a deadline, however slowly or fast the peer sends.

A socket's own timeout begins again with each byte, so a peer that sends one now and then holds a reader for ever:
`http.client` reads headers, `100 Continue` lines, chunks and trailers until they end.
"""

import math
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_DEADLINE = ContextVar("deadline", default=math.inf)


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """In the block, what this thread does with sockets of this module raises TimeoutError at `deadline` (monotonic)."""
    token = _DEADLINE.set(deadline)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def limited(connected: socket.socket) -> "Socket":
    """The same connection as a socket of this module; `connected` is detached from it."""
    timeout = connected.gettimeout()
    made = Socket(fileno=connected.detach())
    made.settimeout(timeout)
    return made


class Socket(socket.socket):
    """A socket that obeys `until`."""

    def connect(self, *args: Any) -> None:
        """Each address of a name has a timeout of its own, all of them have one deadline."""
        _lower_timeout(self)
        super().connect(*args)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Every reader of `makefile` calls this."""
        _lower_timeout(self)
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        """Send nothing once the deadline is over."""
        _lower_timeout(self)
        super().sendall(*args, **kwargs)


class TlsSocket(ssl.SSLSocket):
    """A TLS socket that obeys `until`: the `sslsocket_class` of an SSLContext."""

    def do_handshake(self, *args: Any, **kwargs: Any) -> None:
        """The timeout of a handshake covers all of it."""
        _lower_timeout(self)
        super().do_handshake(*args, **kwargs)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Every reader of `makefile` calls this."""
        _lower_timeout(self)
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        """`sendall` calls this for each part."""
        _lower_timeout(self)
        return super().send(*args, **kwargs)


def _lower_timeout(sock: socket.socket) -> None:
    remaining = _DEADLINE.get() - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the deadline is over")
    timeout = sock.gettimeout()
    if remaining < (math.inf if timeout is None else timeout):
        sock.settimeout(remaining)
