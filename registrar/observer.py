"""Who is told of every exchange with the API server. Pure."""

from typing import Protocol


class Observer(Protocol):
    """May be called by several threads at once, and must not raise."""

    def request(self, method: str, url: str, status: int | None) -> None:
        """One exchange is over; `status` is that of the answer, None where there was none."""

    def retry(self) -> None:
        """Something failed that may pass, and will be tried again."""


class Unobserved:
    """Tells nobody."""

    def request(self, method: str, url: str, status: int | None) -> None:
        """Nobody asks."""

    def retry(self) -> None:
        """Nobody asks."""
