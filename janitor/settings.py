"""Settings of the janitor: its options, and what they say, checked. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from janitor.verdict import MaxDelete
from registrar import contract
from registrar.cli import options, parsing
from registrar.cli.failures import SettingsError
from registrar.cli.help import arguments
from registrar.cli.options import Common, Group, Option, Program

_MAX_DELETE = re.compile(r"(\d+)(%?)")


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
    return ",".join("=".join(parsing.label_pair(pair.strip())) for pair in text.split(","))


_WHICH = Group(
    "which Services it looks at",
    (
        Option(
            "namespace",
            "JANITOR_NAMESPACE",
            parsing.namespace,
            "namespace of the Services",
            "NAME",
            unset="the credentials' own",
        ),
        Option(
            "selector",
            "JANITOR_SELECTOR",
            selector,
            "labels of the Services",
            "KEY=VALUE,...",
            "=".join(contract.MANAGED_BY),
        ),
        Option(
            "node-label",
            "JANITOR_NODE_LABEL",
            parsing.label_key,
            "label key that holds the node, on pods and Services",
            "KEY",
            contract.NODE_LABEL,
        ),
    ),
)
_WHEN = Group(
    "what it may delete",
    (
        Option("dry-run", "JANITOR_DRY_RUN", parsing.boolean, "judge and report, change nothing", default="false"),
        Option(
            "grace-period",
            "JANITOR_GRACE_PERIOD",
            parsing.duration,
            "how long a node must be gone, over however many runs",
            "DURATION",
            "0s",
        ),
        Option(
            "max-delete",
            "JANITOR_MAX_DELETE",
            max_delete,
            "refuse a run that would delete more",
            "N or N%",
            unset="half of the Services with a known node, rounded up",
        ),
        Option(
            "delete-parallel", "JANITOR_DELETE_PARALLEL", delete_parallel, "how many are deleted at a time", "N", "4"
        ),
    ),
)
_HOW = Group(
    "how it runs",
    (
        Option(
            "interval",
            "JANITOR_INTERVAL",
            parsing.positive_duration,
            "stay, and run again each time it is over",
            "DURATION",
            unset="off, it runs once",
        ),
        options.timeout("JANITOR_"),
    ),
)
_WHOM = Group(
    "whom it tells",
    (
        Option("output", "JANITOR_OUTPUT", parsing.one_of("text", "json"), "text or json", "FORMAT", "text"),
        Option(
            "metrics-port",
            "JANITOR_METRICS_PORT",
            parsing.tcp_port,
            "serve /metrics, /livez and /readyz on this port",
            "PORT",
            unset="off",
        ),
        Option(
            "linger",
            "JANITOR_LINGER",
            parsing.duration,
            "how long to go on serving after the run, so that it is scraped",
            "DURATION",
            "0s",
        ),
        Option(
            "pushgateway",
            "JANITOR_PUSHGATEWAY",
            parsing.base_url,
            "push the metrics of each run there; a user and a password in the URL are never logged",
            "URL",
            unset="off",
            secret=True,
        ),
        Option(
            "events",
            "JANITOR_EVENTS",
            parsing.boolean,
            "record a Kubernetes Event for each deletion and each refusal",
            default="false",
        ),
    ),
)
PROGRAM = Program(
    name="janitor",
    about="Removes the Services of nodes that are gone. Uncertain means keep.",
    groups=(_WHICH, _WHEN, _HOW, _WHOM, *options.common_groups("JANITOR_")),
    exit_codes={
        "0": "done: what had to go is gone",
        "1": "not all could be done: the log says what, why and what to do next",
        "2": "bad settings: nothing was tried",
        "3": "refused by the guard: nothing was deleted (see --max-delete)",
        "130, 143": "interrupted by SIGINT, SIGTERM (0 with --interval)",
    },
    examples={
        "what would go": "python -m janitor --dry-run --namespace project-nodeproxy",
        "what is gone for a day, ten Services at the most": "python -m janitor --grace-period 24h --max-delete 10",
        "which Services wait, for a script": "python -m janitor --dry-run --output json",
    },
)


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


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from flags and environment. Raises SettingsError, naming what is missing or bad."""
    flags = arguments(PROGRAM, argv) if argv else {}  # YAML gives none, and argparse takes its time
    given = Settings(**options.values(PROGRAM.options, flags, environ))
    if given.linger and given.metrics_port is None:
        raise SettingsError("--linger", "there is nothing to serve without --metrics-port")
    if given.linger and given.interval:
        raise SettingsError("--linger", "it is for a single run, and --interval stays anyway")
    return given
