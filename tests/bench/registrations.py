"""One registration, and five hundred of them."""

import itertools
import re
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from images.progress import counted
from registrar.kube.source import Source
from registrar.kube.transport import Kube
from registrar.register import register
from registrar.settings import parse
from tests.bench import handrolled
from tests.bench.measure import Program, Sample, ratio, spread
from tests.bench.programs import Access, HostPython, ImagePython
from tests.harness.client import parallel
from tests.harness.cluster import JANITOR, NAMESPACE, REGISTRAR, Cluster

SCRIPT = "script"
BARE = "the image's CPython and urllib3, one bare request"
_NUMBERS = itertools.count()


def one(cluster: Cluster, runs: int, pythons: Sequence[HostPython | ImagePython], folder: Path) -> list[str]:
    """A table. In each run every program registers a new node once."""
    samples: dict[str, list[Sample]] = {name: [] for name in [SCRIPT, *(python.name for python in pythons)]}
    for _ in counted("run", range(runs)):
        samples[SCRIPT].append(_script(cluster, folder))
        for python in pythons:
            samples[python.name].append(_ours(cluster, python))
            if isinstance(python, ImagePython):
                samples.setdefault(BARE, []).append(_bare(cluster, python))
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


def _script(cluster: Cluster, folder: Path) -> Sample:
    api, env = cluster.api, _pod_env(cluster)
    access = Access(api.url, api.ca_file, api.service_account_token(NAMESPACE, handrolled.ACCOUNT))
    env |= {"KUBECTL": str(api.assets.kubectl), "KUBECONFIG": str(access.kubeconfig(folder))}
    mark = api.audit_mark()
    count = lambda: len(api.requests_since(mark, user=handrolled.user()))  # noqa: E731
    return Program(["sh", "-c", handrolled.REGISTER], env).run(count)


def _ours(cluster: Cluster, python: HostPython | ImagePython, **more: str) -> Sample:
    api, env = cluster.api, _pod_env(cluster)
    token = api.service_account_token(NAMESPACE, REGISTRAR, pod=(env["POD_NAME"], env["POD_UID"]))
    mark = api.audit_mark()
    count = lambda: len(api.requests_since(mark, user_agent="nodeproxy-registrar"))  # noqa: E731
    return python.program("registrar", Access(api.url, api.ca_file, token), {**env, **more}).run(count)


def _bare(cluster: Cluster, python: ImagePython) -> Sample:
    api = cluster.api
    access = Access(api.url, api.ca_file, api.service_account_token(NAMESPACE, JANITOR))
    mark = api.audit_mark()
    user = f"system:serviceaccount:{NAMESPACE}:{JANITOR}"
    return python.bare_request(access).run(lambda: len(api.requests_since(mark, user=user)))


def profile(cluster: Cluster, python: ImagePython) -> list[str]:
    """A table: how long the imports at the start of a registration take, by package (`-X importtime`)."""
    log = _ours(cluster, python, PYTHONPROFILEIMPORTTIME="1").log
    times: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for taken, name in re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", log, re.MULTILINE):
        package = name.partition(".")[0].lstrip("_")
        times[package] += int(taken)
        modules[package] += 1
    rows = [f"| package | modules (of {modules.total()}) | ms (of {times.total() / 1000:.0f}) |", "|---|---|---|"]
    rows += [f"| {name} | {modules[name]} | {taken / 1000:.1f} |" for name, taken in times.most_common(12)]
    return rows


class Retries:
    """An Observer that counts retries."""

    def __init__(self) -> None:
        self.count = 0

    def request(self, method: str, url: str, status: int | None) -> None:
        """Not counted here, because the audit log has the requests."""

    def retry(self) -> None:
        self.count += 1


def many(cluster: Cluster, number: int, at_once: int) -> str:
    """The load of a rollout: the registrar's own code in threads, each with its own connection and pod's token."""
    envs = parallel(lambda _: _pod_env(cluster), range(number))
    tokens = parallel(lambda env: _kubeconfig(cluster, env), envs)
    retries = Retries()

    def run(env: dict[str, str], config: str) -> float:
        started = time.monotonic()
        kube = Kube(Source(config), agent="nodeproxy-registrar/bench", timeout=120, observer=retries)
        register(kube, parse((), env))
        return time.monotonic() - started

    mark, started = cluster.api.audit_mark(), time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        seconds = list(pool.map(run, envs, tokens))
    took = time.monotonic() - started
    requests = len(cluster.api.requests_since(mark, user_agent="nodeproxy-registrar/bench"))
    p99 = statistics.quantiles(seconds, n=100)[98]
    return (
        f"{number} registrations, {at_once} at a time: all succeeded, {requests} requests ({retries.count} retries), "
        f"median {statistics.median(seconds):.2f} s, p99 {p99:.2f} s, all in {took:.1f} s."
    )


def _kubeconfig(cluster: Cluster, env: dict[str, str]) -> str:
    token = cluster.api.service_account_token(NAMESPACE, REGISTRAR, pod=(env["POD_NAME"], env["POD_UID"]))
    return str(cluster.api.token_kubeconfig(token, NAMESPACE))
