"""Options that both programs have, and the kinds of values that both use. Pure."""

from dataclasses import dataclass

from registrar.cli import parsing
from registrar.cli.options import Kind, option, switch

RUN = "Run"
SERVER = "Access to the API server"
LOGS = "Logs, on standard error"


def _show_seconds(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


DURATION = Kind("DURATION", parsing.duration, _show_seconds)
POSITIVE_DURATION = Kind("DURATION", parsing.positive_duration, _show_seconds)
FORMAT = Kind("FORMAT", parsing.one_of("text", "json"))
TCP_PORT = Kind("PORT", parsing.tcp_port)
NAMESPACE = Kind("NAME", parsing.namespace)
LABEL_KEY = Kind("KEY", parsing.label_key)
LABELS = Kind("KEY=VALUE", parsing.labels, parsing.label_selector, repeatable=True)


@dataclass(frozen=True)
class CommonSettings:
    """Settings of both programs. Times are in seconds."""

    timeout: float = option(POSITIVE_DURATION, RUN, "time limit for a run, retries included", default=120.0)
    kubeconfig: str | None = option(
        Kind("FILE", str), SERVER, "kubeconfig file", unset="KUBECONFIG, then ~/.kube/config, then in-cluster"
    )
    context: str | None = option(
        Kind("NAME", str), SERVER, "context of the kubeconfig", unset="the kubeconfig's current context"
    )
    tls_relaxed: bool = switch(
        SERVER, "accept a CA that Python 3.13+ refuses as not strictly X.509; certificates are still verified"
    )
    log_level: str = option(
        Kind("LEVEL", parsing.one_of("debug", "info", "warning", "error")),
        LOGS,
        "debug, info, warning or error",
        default="info",
    )
    log_format: str = option(FORMAT, LOGS, "text or json", default="text")
