"""Credentials of a program that stays are read anew when they change; none of them stays behind when it ends."""

import base64
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.credentials.world import Object, single
from tests.harness.cluster import NAMESPACE, REGISTRAR, ROOT, SERVICES, Cluster
from tests.harness.processes import bare_environment, wait_until

POD = {"NODE_NAME": "a", "POD_NAME": "b", "POD_UID": "c"}
WHERE = f"{SERVICES}/nodeproxy-access-node-a"


# ---- temporary files


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"https://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("program", ["registrar", "janitor"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_key_stays_behind(program: str, number: int, cluster: Cluster, silent: str, tmp_path: Path) -> None:
    pair = cluster.api.ca.client("someone")
    cert, key = (base64.b64encode(each.read_bytes()).decode() for each in (pair.cert, pair.key))
    config, log, temporary = tmp_path / "config", tmp_path / "log", tmp_path / "tmp"
    temporary.mkdir()
    user = {"client-certificate-data": cert, "client-key-data": key}
    config.write_text(yaml.safe_dump(single(user, {"server": silent, **trust(cluster)})))
    env = bare_environment() | POD | {"KUBECONFIG": str(config), "TMPDIR": str(temporary), "HOME": str(tmp_path)}
    with log.open("wb") as out, subprocess.Popen([sys.executable, "-m", program], cwd=ROOT, env=env, stderr=out) as run:
        wait_until(lambda: "settings:" in log.read_text(), 60, "the start of the run")
        run.send_signal(number)
        run.wait(60)
    assert [*temporary.iterdir()] == []


def trust(cluster: Cluster) -> Object:
    return {"certificate-authority-data": base64.b64encode(cluster.api.ca_file.read_bytes()).decode()}


# ---- a program that stays


class Staying:
    """A registrar with `--resync 1s`, whose kubeconfig can be rewritten."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder, self.log = cluster, folder, folder / "log"
        self.pod = cluster.pod("node-a")

    def token(self) -> str:
        meta = self.pod["metadata"]
        return self.cluster.api.service_account_token(NAMESPACE, REGISTRAR, pod=(meta["name"], meta["uid"]))

    def expired(self) -> str:
        return self.cluster.api.expired_token(NAMESPACE, REGISTRAR)

    def write(self, user: Object, **cluster: str) -> None:
        """Replace the kubeconfig at once, as editors and `kubectl config` do."""
        new = self.folder / "new"
        given = {"server": self.cluster.api.url, **(cluster or trust(self.cluster))}
        new.write_text(yaml.safe_dump(single(user, given, namespace=NAMESPACE)))
        new.rename(self.folder / "config")

    def start(self, stack: ExitStack) -> subprocess.Popen[bytes]:
        meta = self.pod["metadata"]
        env = {"NODE_NAME": "node-a", "POD_NAME": meta["name"], "POD_UID": meta["uid"]}
        env |= bare_environment() | {"KUBECONFIG": str(self.folder / "config"), "HOME": str(self.folder)}
        command = [sys.executable, "-m", "registrar", "--resync", "1s"]
        out = stack.enter_context(self.log.open("wb"))
        program = stack.enter_context(subprocess.Popen(command, cwd=ROOT, env=env, stderr=out))
        stack.callback(program.kill)
        self.await_line("leads to node node-a")
        return program

    def await_line(self, words: str) -> None:
        wait_until(lambda: words in self.log.read_text(), 60, words)

    def await_repair(self) -> None:
        """Delete the Service, and wait until it is there again."""
        self.cluster.admin.delete(WHERE)
        wait_until(lambda: self.cluster.exists(WHERE), 60, "the Service, written with the new credentials")


Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def staying(cluster: Cluster, tmp_path: Path) -> Staying:
    return Staying(cluster, tmp_path)


@pytest.fixture
def start(staying: Staying) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda: staying.start(stack)


def test_a_rewritten_token_file_is_read_again(staying: Staying, start: Start) -> None:
    file = staying.folder / "token"
    file.write_text(staying.token())
    staying.write({"tokenFile": str(file)})
    start()
    file.write_text(staying.expired())
    staying.await_line("401 Unauthorized")
    file.write_text(f"{staying.token()}\n")
    staying.await_repair()


def test_a_rewritten_kubeconfig_is_read_again(staying: Staying, start: Start) -> None:
    staying.write({"token": staying.token()})
    start()
    staying.write({"token": staying.expired()})
    staying.await_line("401 Unauthorized")
    staying.write({"token": staying.token()})
    staying.await_repair()


@pytest.mark.parametrize("gone", ["config", "ca.crt", "token"])
def test_a_file_that_vanishes_is_named_and_may_come_back(staying: Staying, start: Start, gone: str) -> None:
    ca, token, file = staying.folder / "ca.crt", staying.folder / "token", staying.folder / gone
    ca.write_bytes(staying.cluster.api.ca_file.read_bytes())
    token.write_text(staying.token())
    staying.write({"tokenFile": str(token)}, **{"certificate-authority": str(ca)})
    program = start()
    content = file.read_bytes()
    file.unlink()
    staying.await_line(str(file))
    wait_until(lambda: "; next try within 1s" in staying.log.read_text(), 60, "the failed try")
    file.write_bytes(content)
    staying.await_repair()
    assert program.poll() is None


def test_a_kubeconfig_of_another_cluster_is_not_followed(staying: Staying, start: Start) -> None:
    staying.write({"token": staying.token()})
    start()
    other = staying.cluster.api.url.replace("127.0.0.1", "localhost")
    staying.write({"token": staying.token()}, **trust(staying.cluster) | {"server": other})
    staying.await_line(f"names the server {other} now, not {staying.cluster.api.url}")


@pytest.mark.parametrize("expiry", [{}, {"expirationTimestamp": "2020-01-01T00:00:00Z"}], ids=["valid", "expired"])
def test_a_plugin_is_run_again_only_when_its_credential_has_expired(
    staying: Staying, start: Start, expiry: Object
) -> None:
    plugin, runs = staying.folder / "plugin", staying.folder / "runs"
    version = "client.authentication.k8s.io/v1"
    answer = {"kind": "ExecCredential", "apiVersion": version, "status": {"token": staying.token(), **expiry}}
    text = json.dumps(answer)
    plugin.write_text(f"#!/bin/sh\necho x >> {runs}\ncat {staying.folder}/answer\n")
    plugin.chmod(0o755)
    (staying.folder / "answer").write_text(text)
    staying.write({"exec": {"apiVersion": version, "command": str(plugin), "interactiveMode": "Never"}})
    start()
    staying.await_repair()
    assert (runs.read_text() == "x\n") is not bool(expiry)


# ---- switched off verification


@pytest.mark.parametrize("program", ["registrar", "janitor"])
def test_insecure_works_relaxed_and_leaves_the_log_in_json(program: str, staying: Staying) -> None:
    staying.write({"token": staying.token()}, **{"insecure-skip-tls-verify": True})  # type: ignore[arg-type]
    meta = staying.pod["metadata"]
    env = {"NODE_NAME": "node-a", "POD_NAME": meta["name"], "POD_UID": meta["uid"]}
    env |= bare_environment() | {"KUBECONFIG": str(staying.folder / "config"), "HOME": str(staying.folder)}
    command = [sys.executable, "-m", program, "--tls-relaxed", "--log-format", "json"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode == 0) == (program == "registrar")  # the registrar's token may not list
    assert not [line for line in lines if "Warning" in line["message"] or "bug" in line["message"]]
