"""Rules of a Gateway: what it does with which requests."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Literal


@dataclass(frozen=True)
class Request:
    """A request that the Gateway received. Names in `headers` are not case-sensitive."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer, prepared by a test or from the API server."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Rule:
    """What happens to requests that match two regular expressions: `method` in full, `path` in part.

    The rule fires from the `nth` matching request on, `times` in all; None means always.

    `before` and `after` are called before and after forwarding. `reply` is sent instead of forwarding. `instead`
    replaces the answer to a forwarded request, such as a gateway's 504 after the server acted. `hang` never answers.
    `reset` breaks the connection before or after forwarding. `rewrite` changes the answer's body, `truncate` ends the
    answer after that many bytes of its body, and `drip` sends one byte of it every so many seconds. `endless` is one of
    `endless.ANSWERS`, sent instead of forwarding.
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
    endless: tuple[bytes, bytes] | None = None
    matched: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    def fires(self, request: Request) -> bool:
        """Whether the rule fires for this request. Counts the request."""
        if not (re.fullmatch(self.method, request.method) and re.search(self.path, request.path)):
            return False
        self.matched += 1
        due = self.matched >= self.nth and (self.times is None or self.fired < self.times)
        self.fired += due
        return due
