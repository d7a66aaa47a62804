"""Serves /metrics, /livez and /readyz over HTTP."""

from contextlib import AbstractContextManager

from prometheus_client.exposition import choose_encoder

from janitor.metrics import Metrics
from registrar import serve
from registrar.health import Health
from registrar.serve import Page, probe


def serving(port: int, metrics: Metrics, health: Health) -> AbstractContextManager[None]:
    """Serve while the block runs. Raises SettingsError where the port is taken."""

    def exposition(accept: str) -> Page:
        encode, kind = choose_encoder(accept)
        return Page(encode(metrics.registry), kind=kind)

    pages = {
        "/metrics": exposition,
        "/livez": probe(health.live, "no run has finished for three intervals"),
        "/readyz": probe(health.ready, "no run has finished yet, or the last one failed"),
    }
    return serve.serving("--metrics-port", port, pages)
