"""docs/compatibility.md: written from the rows of all runs, new ones and those that are on the page."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.harness.cluster import ROOT
from tests.matrix.results import Row

FILE = ROOT / "docs" / "compatibility.md"
HEAD = "| Kubernetes | release | Python client | Python | tests passed | tests not run | components that do not work |"
PAGE = """\
# Compatibility

`make matrix` writes this page: it runs the tests of `tests/api`, `tests/credentials` and `tests/security`, the upgrade
from the hand-rolled stack (`tests/manifests/test_upgrade.py`), each part of the chart on a real API server
(`tests/manifests/test_on_server.py`) and Kubernetes Events (`tests/metrics`) against the kube-apiserver of each
release. `make matrix MINORS="1.36 1.37"` runs these minor releases alone and changes only their rows; `make matrix
MINORS=client` runs the newest Python client.

## Kubernetes

{releases}

"Tests not run" are those that need a feature which the release does not have.

## Components

Parts of the chart that can be switched on or off alone; `tests/manifests/components.py` has the values of each. The
oldest release tested whose API server takes every field of the part, and the newest tested that lacks it. The releases
between these two were not tested: [values.yaml](../manifests/chart/values.yaml) says from which release on the chart
offers the part, and on older ones the chart refuses it. The objects of prometheus-operator in `pod-monitor` and
`prometheus-rules` are not a part of Kubernetes and not in this test. [e2e.md](e2e.md) lists what is tested with kubelet
too, on the newest release.

{components}

## Python client

`pyproject.toml` allows `{allowed}`. The images have the locked release ([images.md](images.md)).

{clients}

## Version skew

- **Kubernetes**: nodeproxy supports every minor release from 1.20 to the newest one in the table above. A minor release
  that the Kubernetes project itself still supports is never dropped. When nodeproxy drops an older one, it raises its
  own minor version, and the [CHANGELOG](../CHANGELOG.md) says so.
- **Images and manifests**: use images of the version that the manifests name. An older image ignores settings that a
  newer manifest gives it and that it does not know.
- **Helm**: tests use the release of Helm 4 that `tests/harness/versions.toml` pins. Helm 3 is not tested.
- **Registrar and janitor**: different versions work together on one cluster, during a rollout and for as long as you
  like. They share only the names, labels and annotations of the Services
  ([architecture.md](architecture.md)), which do not change without a migration that the CHANGELOG describes.

## Deprecation

What you rely on changes only in the following way. The [CHANGELOG](../CHANGELOG.md) lists it under "Deprecated" and
"Removed", with the replacement.

- **Names, labels, annotations and selectors of Services and pods** change only with a migration: the programs read the
  old form as long as a Service can have it, and an upgrade needs no downtime.
- **Flags, environment variables and values of the chart**: the old one works beside the new one for at least one minor
  version and three months, and using it prints a warning.
- **Names and labels of metrics, reasons of Events, fields of JSON logs and reports**: the old one stays beside the new
  one for at least one minor version and three months.
- **Exit codes**: a number never gets another meaning. A new number may be added.
- **The text of log lines and of reports for people** may change in any version.

Additions are possible in any version. A security fix may be quicker than this; the CHANGELOG then says so.
"""


def rows(text: str) -> list[Row]:
    """The rows on the page, those of the clients included."""
    return [Row.read(line) for line in text.splitlines() if line.startswith("| 1.")]


def merged(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """All rows, newest Kubernetes first; a new one replaces that of the same minor release and Python client."""
    found = {(row.minor, _major(row.client)): row for row in [*old, *new]}
    return sorted(found.values(), key=lambda row: (-row.number, row.client))


def render(found: Sequence[Row], components: Sequence[str], allowed: str, locked: str) -> str:
    """The page. `locked` is the release of the client that the rows of the first table have."""
    releases = [row for row in found if row.client == locked]
    clients = [row for row in found if row.minor == found[0].minor]
    oldest = [f"| {name} | {_oldest(name, releases)} |" for name in components]
    return PAGE.format(
        releases="\n".join([HEAD, "|---" * 7 + "|", *map(str, releases)]),
        components="\n".join(["| component | oldest Kubernetes |", "|---|---|", *oldest]),
        clients="\n".join([HEAD, "|---" * 7 + "|", *map(str, clients)]),
        allowed=allowed,
    )


def _oldest(component: str, releases: Sequence[Row]) -> str:
    """The oldest release of an unbroken series in which it works, and the next older one, in which it does not."""
    oldest = None
    for row in releases:
        if not row.works(component):
            return f"{oldest.minor}; not {row.minor}" if oldest else f"none; not {row.minor}"
        oldest = row
    return f"{oldest.minor} (nothing older was tested)" if oldest else "not tested"


def _major(version: str) -> str:
    return version.partition(".")[0]


def update(new: Sequence[Row], components: Sequence[str], allowed: str, locked: str, file: Path = FILE) -> None:
    """Put the new rows into the page."""
    old = rows(file.read_text()) if file.exists() else []
    file.write_text(render(merged(old, new), components, allowed, locked))
