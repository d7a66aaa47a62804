"""Pushes the metrics of a run to a Pushgateway."""

import base64
import logging
import ssl
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import tenacity
import urllib3
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from registrar.cli import deadline, secrets, watchdog
from registrar.cli.failures import Failure
from registrar.cli.text import plain
from registrar.kube import broken, pools
from registrar.kube.answers import Transient

JOB = "nodeproxy-janitor"
_TIMEOUT = urllib3.Timeout(connect=2, read=5)  # seconds
_ATTEMPTS = 3
_LONGEST = 20.0  # seconds for all attempts, however slowly the answers come
_MAX_ANSWER = 1 << 16  # bytes; of an answer, only the beginning is shown
_CA = "name a file with its CA in the environment variable SSL_CERT_FILE"

log = logging.getLogger(__name__)


def push(gateway: str, registry: CollectorRegistry, namespace: str, pause: Callable[[float], object]) -> None:
    """Add these metrics to this namespace's group, replacing those of the same names. `pause` waits between attempts.

    It uses POST: a failed run has no time of success, and PUT would drop the one that is there. A push that fails is
    one warning, because the run's work is done.
    """

    def sleep(seconds: float) -> None:
        pause(seconds)

    url, headers = _address(gateway, namespace)
    headers["Content-Type"] = CONTENT_TYPE_PLAIN_0_0_4
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Transient),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=2),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        sleep=sleep,
        reraise=True,
    )
    post = partial(_post, f"push metrics to {url}", url, headers, generate_latest(registry))
    ends = time.monotonic() + _LONGEST

    def work() -> None:
        with deadline.until(ends):
            retrying(post)

    try:
        watchdog.within(_LONGEST, work)  # a name server that does not answer must not hold the next run
    except Failure as failure:
        log.warning("%s (the run's result stands)", failure)


def _post(action: str, url: str, headers: dict[str, str], body: bytes) -> None:
    try:
        with urllib3.PoolManager(timeout=_TIMEOUT, retries=False) as pool:
            pools.limit(pool, ssl.create_default_context() if url.startswith("https:") else None)
            response = pool.request(
                "POST", url, body=body, headers=headers, redirect=False, preload_content=False, decode_content=False
            )
            words = response.read(_MAX_ANSWER).decode(errors="replace").strip()
            response.close()
    except urllib3.exceptions.HTTPError as error:
        raise broken.failure(action, "the Pushgateway", error, strict_ca="renew its CA", other_ca=_CA) from error
    if 200 <= response.status < 300:
        return
    said = f"HTTP {response.status} {plain(words)}"
    may_pass = response.status == 429 or response.status >= 500
    raise (Transient if may_pass else Failure)(action, said, "check --pushgateway and any proxy in front of it")


def _address(gateway: str, namespace: str) -> tuple[str, dict[str, str]]:
    """URL of the group, and headers. User and password move from the URL to a header, so that no log shows them."""
    parts = urlsplit(gateway)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    encoded = base64.b64encode(f"{user}:{password}".encode())
    secrets.add(f"{user}:{password}", password, encoded)
    headers = {"Authorization": f"Basic {encoded.decode()}"} if user or password else {}
    host = parts.netloc.rpartition("@")[2]
    path = f"{parts.path}/metrics/job/{JOB}/namespace/{quote(namespace, safe='')}"
    return urlunsplit((parts.scheme, host, path, "", "")), dict(headers)
