"""What a Gateway is to do with which request."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Literal


@dataclass(frozen=True)
class Request:
    """What came over the wire. `headers` finds names in any case."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer, canned or from upstream."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Rule:
    """What happens to requests with this method and path (regular expressions: for all of it, and for a part of it).

    The first it concerns is the `nth` that matches; then those that follow, `times` in all, None for always.

    `before` and `after` are called around forwarding; `reply` is sent instead of forwarding, `instead` in place of the
    answer to what was forwarded (a gateway's 504 after the deed); `hang` never answers; `reset` breaks the
    connection before or after forwarding; `rewrite` makes the answer's body another; `truncate` cuts the answer after
    that many bytes of its body; `drip` sends a byte of it each so many seconds.
    """

    method: str
    path: str
    nth: int = 1
    times: int | None = 1
    before: Callable[[], object] = lambda: None
    after: Callable[[], object] = lambda: None
    reply: Reply | None = None
    instead: Reply | None = None
    hang: bool = False
    reset: Literal["before", "after"] | None = None
    rewrite: Callable[[bytes], bytes] = lambda body: body
    truncate: int | None = None
    drip: float = 0
    matched: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    def fires(self, request: Request) -> bool:
        """Whether it concerns this request; counts it."""
        if not (re.fullmatch(self.method, request.method) and re.search(self.path, request.path)):
            return False
        self.matched += 1
        due = self.matched >= self.nth and (self.times is None or self.fired < self.times)
        self.fired += due
        return due
