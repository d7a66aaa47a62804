"""Settings of the janitor: its options, read once into a frozen dataclass. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from janitor.guard import MaxDelete
from registrar import contract
from registrar.cli import common, options, parsing
from registrar.cli.common import CommonSettings
from registrar.cli.failures import SettingsError
from registrar.cli.options import Command, Kind, option, switch

_MAX_DELETE = re.compile(r"(\d+)(%?)")


def max_delete(text: str) -> MaxDelete:
    """A limit from `10` or `25%`."""
    match = _MAX_DELETE.fullmatch(text)
    if not match or (match[2] and int(match[1]) > 100):
        raise ValueError("neither a number nor a share from 0% to 100%")
    return MaxDelete(int(match[1]), percent=bool(match[2]))


def delete_parallel(text: str) -> int:
    """How many Services are deleted at the same time."""
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise ValueError("not a number from 1 to 64")
    return int(text)


_SERVICES = "Services to look at"
_DELETIONS = "Deletions"
_REPORTS = "Reports"
_NODE_LABEL = "label key that holds the node, on pods and Services"


@dataclass(frozen=True)
class Settings(CommonSettings):
    """All settings of the janitor. `namespace` None means the one that the credentials name."""

    namespace: str | None = option(
        common.NAMESPACE, _SERVICES, "namespace of the Services", unset="the credentials' namespace"
    )
    selector: Mapping[str, str] = option(
        common.LABELS, _SERVICES, "labels of the Services", default=dict([contract.MANAGED_BY])
    )
    node_label: str = option(common.LABEL_KEY, _SERVICES, _NODE_LABEL, default=contract.NODE_LABEL)
    dry_run: bool = switch(_DELETIONS, "judge and report, change nothing")
    grace_period: float = option(
        common.DURATION, _DELETIONS, "how long a node must be missing before its Service is deleted", default=0.0
    )
    max_delete: MaxDelete | None = option(
        Kind("N or N%", max_delete),
        _DELETIONS,
        "delete nothing if a run would delete the Services of more nodes than this",
        unset="half of the nodes that have a Service, rounded up",
    )
    delete_parallel: int = option(
        Kind("N", delete_parallel), _DELETIONS, "how many Services are deleted at the same time", default=4
    )
    interval: float | None = option(
        common.POSITIVE_DURATION, common.RUN, "keep running, one run per interval", unset="off, it runs once"
    )
    output: str = option(common.FORMAT, _REPORTS, "report as text or json", default="text")
    metrics_port: int | None = option(
        common.TCP_PORT, _REPORTS, "serve /metrics, /livez and /readyz on this port", unset="off"
    )
    linger: float = option(
        common.DURATION, _REPORTS, "keep serving metrics this long after the run, to be scraped", default=0.0
    )
    pushgateway: str | None = option(
        Kind("URL", parsing.base_url),
        _REPORTS,
        "push the metrics of each run to this Pushgateway; the URL may contain a user and a password",
        unset="off",
        secret=True,
    )
    events: bool = switch(_REPORTS, "record a Kubernetes Event for each deletion and each refusal")

    @property
    def run_timeout(self) -> float:
        """Seconds for one run: at most two intervals, so that the liveness probe does not take an outage for a hang."""
        return min(self.timeout, 2 * self.interval) if self.interval else self.timeout


COMMAND = Command(
    name="janitor",
    about="Deletes the Services of nodes that no longer exist. If uncertain, it keeps them.",
    settings=Settings,
    groups=(_SERVICES, _DELETIONS, common.RUN, _REPORTS, common.SERVER, common.LOGS),
    exit_codes={
        "0": "all Services that had to be deleted are gone",
        "1": "not all could be done: the log says what failed, why, and what to do",
        "2": "bad settings: nothing was tried",
        "3": "refused by the guard: nothing was deleted (see --max-delete)",
        "130, 143": "interrupted by SIGINT, SIGTERM (0 with --interval)",
    },
    examples={
        "show what would be deleted": "python -m janitor --dry-run --namespace project-nodeproxy",
        "wait a day, delete the Services of at most ten nodes": "python -m janitor --grace-period 24h --max-delete 10",
        "list waiting Services, for a script": "python -m janitor --dry-run --output json",
    },
)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from flags and environment. Raises SettingsError, which names the setting."""
    given = options.read(COMMAND, Settings(), argv, environ)
    if given.linger and given.metrics_port is None:
        raise SettingsError("--linger", "there is nothing to serve without --metrics-port")
    if given.linger and given.interval:
        raise SettingsError("--linger", "it is for a single run, and --interval keeps running anyway")
    return given
