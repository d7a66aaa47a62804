"""Settings of the registrar, read once into a frozen dataclass. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registrar import contract, options, usage
from registrar.common import Common
from registrar.failure import SettingsError
from registrar.flags import PROGRAM
from registrar.port import Port


@dataclass(frozen=True)
class Settings(Common):
    """Everything the registrar is told. Times are in seconds; `namespace` None means the credentials' own."""

    node_name: str
    pod_name: str
    pod_uid: str
    namespace: str | None
    service_prefix: str
    port: tuple[Port, ...]
    selector: Mapping[str, str]
    node_label: str
    take_over: bool
    dry_run: bool
    resync: float | None
    health_port: int | None


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from flags and environment. Raises SettingsError, naming what is missing or bad."""
    flags = usage.flags(PROGRAM, argv) if argv else {}  # YAML gives none, and argparse takes its time
    given = options.values(PROGRAM.options, flags, environ)
    selector = dict(given["selector"])
    if len(selector) < len(given["selector"]):
        raise SettingsError("--selector (REGISTRAR_SELECTOR)", "the same key twice")
    if given["node_label"] in {*selector, *contract.SERVICE_LABELS}:
        raise SettingsError("--node-label (REGISTRAR_NODE_LABEL)", f"{given['node_label']!r} has another meaning")
    ports: tuple[Port, ...] = given["port"]
    if len({p.name for p in ports}) < len(ports) or len({(p.port, p.protocol) for p in ports}) < len(ports):
        raise SettingsError("--port (REGISTRAR_PORT)", "the same name, or the same port and protocol, twice")
    if given["resync"] and given["dry_run"]:
        raise SettingsError("--resync", "a dry run has nothing to stay for")
    if given["health_port"] and not given["resync"]:
        raise SettingsError("--health-port", "there is nothing to probe without --resync")
    return Settings(**{**given, "selector": selector})
