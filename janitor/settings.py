"""Settings of the janitor, read once into a frozen dataclass. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from janitor.flags import PROGRAM
from janitor.values import MaxDelete
from registrar import options, usage
from registrar.common import Common
from registrar.failure import SettingsError


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
    flags = usage.flags(PROGRAM, argv) if argv else {}  # YAML gives none, and argparse takes its time
    given = Settings(**options.values(PROGRAM.options, flags, environ))
    if given.linger and given.metrics_port is None:
        raise SettingsError("--linger", "there is nothing to serve without --metrics-port")
    if given.linger and given.interval:
        raise SettingsError("--linger", "it is for a single run, and --interval stays anyway")
    return given
