"""The timeout covers everything from the start of a program, and no wait outlasts a request to stop."""

import itertools
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from registrar.cli.failures import Failure
from registrar.kube.answers import TimeIsOver, Transient
from registrar.kube.retry import Retries
from tests.harness.cluster import ROOT
from tests.harness.processes import bare_environment, free_ports, wait_until

POD = {"NODE_NAME": "a", "POD_NAME": "b", "POD_UID": "c"}
FOREVER = 300  # seconds; no test waits for it


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """A kubeconfig of a server that does not run."""
    [port] = free_ports(1)
    content = {
        "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "x", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x", "namespace": "n"}}],
        "current-context": "x",
    }
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize("program", ["registrar", "janitor"])
def test_reading_credentials_counts_towards_the_timeout(program: str, kubeconfig: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": [str(FOREVER)]}
    config = yaml.safe_load(kubeconfig.read_text().replace("http:", "https:"))  # kubectl sends no credentials to http
    config["users"][0]["user"] = {"exec": plugin | {"interactiveMode": "Never"}}
    kubeconfig.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", program, "--kubeconfig", str(kubeconfig), "--timeout", "3s"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=POD | bare_environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    line = "cannot get credentials from the plugin sleep: it did not end within the timeout; run it by hand, or raise"
    assert line in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        (["janitor"], 143, "cannot list Services: the program was asked to stop"),
        (["registrar"], 130, "cannot continue: interrupted"),
        (["registrar", "--resync", "1s"], 130, "cannot continue: interrupted"),  # it has not registered yet
    ],
    ids=["janitor", "registrar", "registrar --resync"],
)
def test_a_program_that_waits_for_its_next_attempt_stops_at_once(
    program: list[str], code: int, said: str, kubeconfig: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-m", *program, "--kubeconfig", str(kubeconfig), "--timeout", f"{FOREVER}s"]
    env = POD | bare_environment()
    with log.open("wb") as out, subprocess.Popen(command, cwd=ROOT, env=env, stderr=out) as running:
        try:
            wait_until(lambda: "attempt 1, next in" in log.read_text(), 60, "a failed attempt")
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == code
        finally:
            running.kill()

    assert said in log.read_text()


def test_a_request_to_stop_ends_a_wait() -> None:
    stop = threading.Event()

    def work() -> None:
        assert not stop.is_set(), "a second attempt"
        stop.set()
        raise Transient("get x", "no answer", retry_after=str(FOREVER))

    with pytest.raises(Failure, match="cannot get it all: the program was asked to stop"):
        Retries(10 * FOREVER, None, stop.wait).run("get it all", work)


@pytest.mark.parametrize(
    "last",
    [
        TimeIsOver("get it", "the timeout of 30s is over", "raise --timeout"),  # between two requests
        Transient("get it", "no answer (read timeout=0.06)"),  # in the middle of one
    ],
)
def test_a_failure_at_the_end_of_the_timeout_says_what_failed_before(last: Failure) -> None:
    retries = Retries(30, None, lambda _seconds: False)
    attempts = itertools.count(1)

    def work() -> None:
        if next(attempts) == 1:
            raise Transient("get it", "the answer is not a JSON object")
        retries.deadline = time.monotonic()
        raise last

    with pytest.raises(Failure, match=r"the answer is not a JSON object \(2 attempts within the timeout of 30s\)"):
        retries.run("get it", work)
