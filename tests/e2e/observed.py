"""Requests and registrations, observed while a test replaces agent pods."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.e2e.client import Client
from tests.e2e.figures import Figures, Stopwatch
from tests.e2e.layout import BEIJING, SHANGHAI, Site
from tests.e2e.traffic import Answer, loop
from tests.harness.client import ApiClient

SITES = (BEIJING, SHANGHAI)


@dataclass
class Observed:
    """Observes a change with requests of a client."""

    admin: ApiClient
    client: Client
    figures: Figures

    @contextmanager
    def change(self, occasion: str, *renewed: Site) -> Iterator[None]:
        """While a block replaces the agent pods of `renewed`, a client sends requests through both nodes.

        Each answer must come from the node's own city. Failed requests are counted, and registrations are timed.
        """
        with ExitStack() as stack:
            answers = {site.node: stack.enter_context(loop(self.client, site.node)) for site in SITES}
            with Stopwatch(self.admin, [site.node for site in renewed]) as watch:
                yield
        for site in SITES:
            assert {answer.text for answer in answers[site.node]} - {""} == {site.city}
        first = {node: _first(answers[node], ready) for node, ready in watch.ready.items()}
        self.figures.add_registrations(occasion, watch, first)
        for site in renewed:
            self.figures.add_loop(f"{occasion}: {site.node}", answers[site.node])


def _first(answers: Sequence[Answer], after: float) -> float:
    """When the first request after that moment succeeded."""
    return min(answer.time for answer in answers if answer.text and answer.time > after)
