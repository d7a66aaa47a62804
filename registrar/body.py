"""The bytes of an answer, read so that neither a flood nor a trickle of them outlasts the budget."""

import time

import urllib3

from registrar.failure import Failure

READ_TIMEOUT = 15.0  # seconds without a byte
_MOST = 64 * 1024 * 1024  # bytes; a page of 500 large objects is far below


def read(action: str, response: urllib3.BaseHTTPResponse, *, deadline: float, budget: float) -> bytes:
    """All of it. `deadline` is of the monotonic clock, `budget` what it was in seconds, for the Failure raised when
    either it or the limit of 64 MiB is over; urllib3's errors are raised as they come."""
    parts, size = [], 0
    try:
        while part := _next(response, deadline):
            parts.append(part)
            size += len(part)
            if size > _MOST or time.monotonic() > deadline:
                break
        else:
            return b"".join(parts)
    except urllib3.exceptions.ReadTimeoutError:
        if time.monotonic() < deadline:
            raise
    response.close()
    raise Failure(
        action,
        f"no end of the answer after {size} bytes and a budget of {budget:g}s",
        "check the server and the way to it",
    )


def _next(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """What there is next; the time to wait for it is what the budget has left, not what it had at the start."""
    left = deadline - time.monotonic()
    socket = getattr(response.connection, "sock", None)  # None where the server ends the connection with its answer
    if socket and left > 0:
        socket.settimeout(min(READ_TIMEOUT, left))
    return response.read1(1 << 16)
