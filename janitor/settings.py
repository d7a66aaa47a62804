"""Settings of the janitor, read once into a frozen dataclass. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registrar import __version__, contract, options, values
from registrar.failure import SettingsError
from registrar.options import Common, Option

_ABOUT = "Removes the Services of nodes that are gone. Uncertain means keep."
_MAX_DELETE = re.compile(r"(\d+)(%?)")


@dataclass(frozen=True)
class MaxDelete:
    """How many Services one run may delete: a number, or a share (0 to 100) of those with a known node."""

    number: int
    percent: bool

    def of(self, known: int) -> int:
        """The limit where `known` Services have a known node. A share rounds down."""
        return known * self.number // 100 if self.percent else self.number


@dataclass(frozen=True)
class Settings(Common):
    """Everything the janitor is told. Times are in seconds; `namespace` None means the credentials' own; `max_delete`
    None means half of the Services with a known node, rounded up."""

    namespace: str | None
    selector: str
    node_label: str
    dry_run: bool
    grace_period: float
    max_delete: MaxDelete | None
    delete_parallel: int
    output: str
    metrics_port: int | None
    linger: float
    interval: float | None
    pushgateway: str | None
    events: bool

    @property
    def budget(self) -> float:
        """Seconds for one run: `timeout`, but two intervals at most, so that an outage does not pass for a hang (see
        `registrar.health`)."""
        return min(self.timeout, 2 * self.interval) if self.interval else self.timeout


def max_delete(text: str) -> MaxDelete:
    """A limit from `10` or `25%`."""
    match = _MAX_DELETE.fullmatch(text)
    if not match or (match[2] and int(match[1]) > 100):
        raise ValueError("neither a number nor a share from 0% to 100%")
    return MaxDelete(int(match[1]), bool(match[2]))


def delete_parallel(text: str) -> int:
    """How many Services are deleted at a time."""
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise ValueError("not a number from 1 to 64")
    return int(text)


def selector(text: str) -> str:
    """An equality-based label selector, as text: `managed-by=nodeproxy-daemonset`, `a=b,c=d`."""
    return ",".join("=".join(values.label_pair(pair.strip())) for pair in text.split(","))


OPTIONS = (
    Option(
        "namespace",
        "JANITOR_NAMESPACE",
        values.namespace,
        "namespace of the Services (default: the credentials' own)",
        "NAME",
    ),
    Option(
        "selector",
        "JANITOR_SELECTOR",
        selector,
        "labels of the Services it looks at",
        "KEY=VALUE[,...]",
        "=".join(contract.MANAGED_BY),
    ),
    Option(
        "node-label",
        "JANITOR_NODE_LABEL",
        values.label_key,
        "label key that holds the node, on pods and Services",
        "KEY",
        contract.NODE_LABEL,
    ),
    Option("dry-run", "JANITOR_DRY_RUN", values.boolean, "judge and report, change nothing", default="false"),
    Option(
        "grace-period",
        "JANITOR_GRACE_PERIOD",
        values.duration,
        "how long a node must be gone, over however many runs",
        "DURATION",
        "0s",
    ),
    Option(
        "max-delete",
        "JANITOR_MAX_DELETE",
        max_delete,
        "refuse a run that would delete more (default: half of the Services with a known node, rounded up)",
        "N or N%",
    ),
    Option("delete-parallel", "JANITOR_DELETE_PARALLEL", delete_parallel, "how many are deleted at a time", "N", "4"),
    Option("output", "JANITOR_OUTPUT", values.one_of("text", "json"), "text or json", "FORMAT", "text"),
    Option(
        "metrics-port",
        "JANITOR_METRICS_PORT",
        values.tcp_port,
        "serve /metrics, /livez and /readyz on this port",
        "PORT",
    ),
    Option(
        "linger",
        "JANITOR_LINGER",
        values.duration,
        "how long to go on serving after the run, so that it is scraped",
        "DURATION",
        "0s",
    ),
    Option(
        "interval", "JANITOR_INTERVAL", values.positive_duration, "stay, and run again each time it is over", "DURATION"
    ),
    Option(
        "pushgateway",
        "JANITOR_PUSHGATEWAY",
        values.base_url,
        "push the metrics of each run there; a user and a password in the URL are never logged",
        "URL",
        secret=True,
    ),
    Option(
        "events",
        "JANITOR_EVENTS",
        values.boolean,
        "record a Kubernetes Event for each deletion and each refusal",
        default="false",
    ),
    *options.common("JANITOR_"),
)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from flags and environment. Raises SettingsError, naming what is missing or bad."""
    given = Settings(**options.read("python -m janitor", __version__, _ABOUT, OPTIONS, argv, environ))
    if given.linger and given.metrics_port is None:
        raise SettingsError("--linger", "there is nothing to serve without --metrics-port")
    if given.linger and given.interval:
        raise SettingsError("--linger", "it is for a single run, and --interval stays anyway")
    return given
