"""What both programs are told: the way to the API server, logs, the budget. Pure."""

from dataclasses import dataclass

from registrar.options import Group, Option
from registrar.values import boolean, one_of, positive_duration


@dataclass(frozen=True)
class Common:
    """The fields of both programs' settings. `timeout` is in seconds."""

    timeout: float
    kubeconfig: str | None
    context: str | None
    tls_relaxed: bool
    log_level: str
    log_format: str


def timeout(prefix: str) -> Option:
    """The budget; `prefix` is that of the environment variables ("REGISTRAR_")."""
    return Option("timeout", prefix + "TIMEOUT", positive_duration, "budget for the whole run", "DURATION", "120s")


def groups(prefix: str) -> tuple[Group, ...]:
    """The way to the API server, and logs; `prefix` as in `timeout`."""
    return (
        Group(
            "the way to the API server",
            (
                Option(
                    "kubeconfig",
                    prefix + "KUBECONFIG",
                    str,
                    "kubeconfig file",
                    "FILE",
                    unset="KUBECONFIG, then in-cluster, then ~/.kube/config",
                ),
                Option(
                    "context",
                    prefix + "CONTEXT",
                    str,
                    "context of the kubeconfig",
                    "NAME",
                    unset="the kubeconfig's current one",
                ),
                Option(
                    "tls-relaxed",
                    prefix + "TLS_RELAXED",
                    boolean,
                    "accept a CA that Python 3.13+ refuses as not strictly X.509; it is still verified",
                    default="false",
                ),
            ),
        ),
        Group("logs, to standard error", (_log_level(prefix), _log_format(prefix))),
    )


def _log_level(prefix: str) -> Option:
    parse = one_of("debug", "info", "warning", "error")
    return Option("log-level", prefix + "LOG_LEVEL", parse, "debug, info, warning or error", "LEVEL", "info")


def _log_format(prefix: str) -> Option:
    return Option("log-format", prefix + "LOG_FORMAT", one_of("text", "json"), "text or json", "FORMAT", "text")
