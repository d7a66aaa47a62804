"""Load over a number of connections: each connection sends its next request as soon as it has its answer."""

import select
import socket
import time
from dataclasses import dataclass, field

PATIENCE = 5.0  # seconds after the end in which a request may still be answered; then it has failed


@dataclass(frozen=True)
class Route:
    """How a request gets to the destination, and how many bytes the body of each answer has."""

    address: tuple[str, int]
    request: bytes
    body: int
    tunnel: bytes = b""  # a CONNECT request, which comes first on each connection
    keep: bool = False  # one connection for many requests, otherwise a new one for each


@dataclass
class Load:
    """Requests that were answered, `in_time` of them before the end, and requests that failed."""

    seconds: list[float] = field(default_factory=list)
    in_time: int = 0
    failed: int = 0

    @property
    def p99(self) -> float:
        """Seconds; NaN if no request was answered."""
        return sorted(self.seconds)[len(self.seconds) * 99 // 100] if self.seconds else float("nan")


def run(route: Route, connections: int, span: float, warm_up: float = 0.0) -> Load:
    """Send requests for `span` seconds. Those that were answered within the first `warm_up` seconds do not count."""
    return _Clients(route).run(connections, span, warm_up)


class _Connection:
    __slots__ = ("received", "socket", "started", "tunnelled")

    def __init__(self, address: tuple[str, int]) -> None:
        self.started = time.perf_counter()
        self.received = b""
        self.tunnelled = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(address)


class _Clients:
    """One thread with epoll, because the client must need less processor time than a proxy."""

    def __init__(self, route: Route) -> None:
        self._route, self._load = route, Load()
        self._poll = select.epoll()
        self._open: dict[int, _Connection] = {}
        self._over = False  # then no further request is sent

    def run(self, connections: int, span: float, warm_up: float) -> Load:
        begin = time.perf_counter() + warm_up
        for _ in range(connections):
            self._connect()
        self._serve_until(begin)
        load = self._load = Load()
        self._serve_until(begin + span)
        load.in_time, self._over = len(load.seconds), True
        self._serve_until(time.perf_counter() + PATIENCE)
        load.failed += len(self._open)
        for each in self._open.values():
            each.socket.close()
        self._poll.close()
        return load

    def _serve_until(self, end: float) -> None:
        while self._open and (now := time.perf_counter()) < end:
            for fd, event in self._poll.poll(end - now):
                connection = self._open[fd]
                try:
                    if event & select.EPOLLOUT:  # it is connected, or could not be
                        self._begin(connection)
                    else:
                        self._receive(connection, connection.socket.recv(1 << 16))
                except OSError:
                    self._fail(connection)

    def _connect(self) -> None:
        connection = _Connection(self._route.address)
        self._open[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.EPOLLOUT)

    def _begin(self, connection: _Connection) -> None:
        connection.socket.send(self._route.tunnel or self._route.request)
        self._poll.modify(connection.socket, select.EPOLLIN)

    def _receive(self, connection: _Connection, data: bytes) -> None:
        received = connection.received = connection.received + data
        head = received.find(b"\r\n\r\n")
        if not data or (head >= 0 and received[9:12] != b"200"):
            self._fail(connection)
        elif head >= 0 and self._route.tunnel and not connection.tunnelled:
            connection.tunnelled = True
            self._send(connection)
        elif head >= 0 and len(received) >= head + 4 + self._route.body:
            now = time.perf_counter()
            self._load.seconds.append(now - connection.started)
            if self._route.keep and not self._over:
                connection.started = now
                self._send(connection)
            else:
                self._again(connection)

    def _send(self, connection: _Connection) -> None:
        connection.received = b""
        connection.socket.send(self._route.request)

    def _fail(self, connection: _Connection) -> None:
        self._load.failed += 1
        self._again(connection)

    def _again(self, connection: _Connection) -> None:
        """Close this connection and open another one."""
        del self._open[connection.socket.fileno()]
        connection.socket.close()
        if not self._over:
            self._connect()
