"""One registration, compared with the script."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from images.progress import counted
from tests.bench import handrolled
from tests.bench.measure import Program, Sample, ratio, spread
from tests.bench.programs import Access, HostPython, ImagePython
from tests.harness.cluster import JANITOR, NAMESPACE, REGISTRAR, Cluster

SCRIPT = "script"
BARE = "the image's CPython and urllib3, one bare request"
_NUMBERS = itertools.count()


def one(
    cluster: Cluster, runs: int, pythons: Sequence[HostPython | ImagePython], folder: Path, server: str | None = None
) -> list[str]:
    """A table. In each run every program registers a new node once, at `server` if its URL is given."""
    server = server or cluster.api.url
    samples: dict[str, list[Sample]] = {name: [] for name in [SCRIPT, *(python.name for python in pythons)]}
    for _ in counted("run", range(runs)):
        samples[SCRIPT].append(script(cluster, folder, server))
        for python in pythons:
            samples[python.name].append(_ours(cluster, python, server))
            if isinstance(python, ImagePython):
                samples.setdefault(BARE, []).append(_bare(cluster, python, server))
    rows = ["| one registration | requests | wall, s | CPU, s | peak, MB |", "|---|---|---|---|---|"]
    for name, runs_of in samples.items():
        ratios = [f"; {ratio(runs_of, samples[SCRIPT], what):.2f}x" for what in ("wall", "cpu", "peak")]
        wall, cpu, peak = ratios if name != SCRIPT else ("", "", "")
        cells = [
            spread([each.requests for each in runs_of], 0),
            spread([each.wall for each in runs_of]) + wall,
            spread([each.cpu for each in runs_of]) + cpu,
            spread([each.peak for each in runs_of], 0, 1e6) + peak,
        ]
        rows.append(f"| {'hand-rolled script, kubectl' if name == SCRIPT else name} | {' | '.join(cells)} |")
    return rows


def _pod_env(cluster: Cluster) -> dict[str, str]:
    pod = cluster.pod(f"bench-{next(_NUMBERS)}")
    meta = pod["metadata"]
    names = {"NODE_NAME": pod["spec"]["nodeName"], "POD_NAME": meta["name"]}
    return {**names, "POD_NAMESPACE": NAMESPACE, "POD_UID": meta["uid"]}


def script(cluster: Cluster, folder: Path, server: str) -> Sample:
    """One run of the script, for a new pod."""
    api, env = cluster.api, _pod_env(cluster)
    access = Access(server, api.ca_file, api.service_account_token(NAMESPACE, handrolled.ACCOUNT))
    env |= {"KUBECTL": str(api.assets.kubectl), "KUBECONFIG": str(access.kubeconfig(folder))}
    mark = api.audit_mark()
    count = lambda: len(api.requests_since(mark, user=handrolled.user()))  # noqa: E731
    return Program(["sh", "-c", handrolled.REGISTER], env).run(count)


def _ours(cluster: Cluster, python: HostPython | ImagePython, server: str, **more: str) -> Sample:
    api, env = cluster.api, _pod_env(cluster)
    token = api.service_account_token(NAMESPACE, REGISTRAR, pod=(env["POD_NAME"], env["POD_UID"]))
    mark = api.audit_mark()
    count = lambda: len(api.requests_since(mark, user_agent="nodeproxy-registrar"))  # noqa: E731
    return python.program("registrar", Access(server, api.ca_file, token), {**env, **more}).run(count)


def _bare(cluster: Cluster, python: ImagePython, server: str) -> Sample:
    api = cluster.api
    access = Access(server, api.ca_file, api.service_account_token(NAMESPACE, JANITOR))
    mark = api.audit_mark()
    user = f"system:serviceaccount:{NAMESPACE}:{JANITOR}"
    return python.bare_request(access).run(lambda: len(api.requests_since(mark, user=user)))


def profile(cluster: Cluster, python: ImagePython) -> list[str]:
    """A table: how long the imports at the start of a registration take, by package (`-X importtime`)."""
    log = _ours(cluster, python, cluster.api.url, PYTHONPROFILEIMPORTTIME="1").log
    times: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for taken, name in re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", log, re.MULTILINE):
        package = name.partition(".")[0].lstrip("_")
        times[package] += int(taken)
        modules[package] += 1
    rows = [f"| package | modules (of {modules.total()}) | ms (of {times.total() / 1000:.0f}) |", "|---|---|---|"]
    rows += [f"| {name} | {modules[name]} | {taken / 1000:.1f} |" for name, taken in times.most_common(12)]
    return rows
