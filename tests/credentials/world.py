"""Two real API servers, users with tokens and certificates, proxies, and what each of them saw of a program."""

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.harness.apiserver import ApiServer
from tests.harness.cluster import ROOT
from tests.harness.connectproxy import ConnectProxy
from tests.harness.controlplane import ADMIN_GROUP
from tests.harness.processes import bare_environment

LOGIN = "proxy-user:p%40ss"  # percent-encoded, as in a URL
NAMESPACE = "team-a"
POD = {"NODE_NAME": "node-a", "POD_NAME": "agent-1", "POD_UID": "0-1-2"}
Object = dict[str, Any]


class Server(ApiServer):
    """An API server that also listens on IPv6, and has a certificate for names that lead nowhere."""

    server_names = (*ApiServer.server_names, "0.0.0.0", "::1", "api.example.test", "192.0.2.77")

    def _flags(self) -> list[str]:
        return [*super()._flags(), "--bind-address=::"]


@dataclass(frozen=True)
class Asked:
    """What a program asked for: of which server, as whom, in which namespaces, through the proxy or not."""

    who: frozenset[tuple[str, str, str]]  # server, user, impersonated user with groups, uid and extra
    namespaces: frozenset[str]
    proxied: bool


@dataclass(frozen=True)
class Setup:
    """How to start a program: its environment and the flags that kubectl has too.

    `timeout` is shorter where a program retries in vain.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    timeout: str = "30s"


class World:
    """Everything that a case may refer to. `folder` is a new one for each case, and the programs' HOME."""

    def __init__(self, a: ApiServer, b: ApiServer, proxy: ConnectProxy, locked: ConnectProxy) -> None:
        self.servers = {"a": a, "b": b}
        self.proxy, self.locked = proxy, locked
        self.folder = Path()
        for server in self.servers.values():
            for user in ("one", "two"):
                server.ensure_service_account("default", user)
        self.tokens = {
            (name, user): server.service_account_token("default", user)
            for name, server in self.servers.items()
            for user in ("one", "two")
        }

    # ---- parts of a kubeconfig

    def port(self, server: str = "a") -> int:
        return self.servers[server].port

    def ca(self, server: str = "a") -> str:
        return base64.b64encode(self.servers[server].ca_file.read_bytes()).decode()

    def cluster(self, server: str = "a", host: str = "127.0.0.1", **fields: Any) -> Object:
        """A cluster that trusts the server's CA. A field that is None is left out."""
        found = {"server": f"https://{host}:{self.port(server)}", "certificate-authority-data": self.ca(server)}
        return {key: value for key, value in (found | fields).items() if value is not None}

    def token(self, user: str = "one", server: str = "a") -> Object:
        return {"token": self.tokens[server, user]}

    def certificate(self, user: str = "carol", groups: tuple[str, ...] = ()) -> tuple[bytes, bytes]:
        pair = self.servers["a"].ca.client(user, groups)
        return pair.cert.read_bytes(), pair.key.read_bytes()

    def admin(self) -> Object:
        """A user who may impersonate others."""
        cert, key = (base64.b64encode(each).decode() for each in self.certificate("root", (ADMIN_GROUP,)))
        return {"client-certificate-data": cert, "client-key-data": key}

    # ---- files

    def file(self, name: str, content: str | bytes, mode: int = 0o600) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return str(path)

    def config(self, name: str, content: Object) -> str:
        return self.file(name, yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **content}))

    def one(self, user: Object, cluster: Object | None = None, **env: str) -> Setup:
        """One kubeconfig with one context."""
        return Setup({"KUBECONFIG": self.config("config", single(user, cluster or self.cluster()))} | env)

    # ---- programs

    def kubectl(self, setup: Setup) -> Asked:
        return self._asked([str(self.servers["a"].assets.kubectl), "get", "services", "--request-timeout=30s"], setup)[
            0
        ]

    def program(self, name: str, setup: Setup) -> tuple[Asked, subprocess.CompletedProcess[str]]:
        more = {"registrar": (), "janitor": ("--dry-run",)}[name]
        return self._asked([sys.executable, "-m", name, "--timeout", setup.timeout, *more], setup)

    def _asked(self, command: list[str], setup: Setup) -> tuple[Asked, subprocess.CompletedProcess[str]]:
        marks = {name: server.audit_mark() for name, server in self.servers.items()}
        for proxy in (self.proxy, self.locked):
            proxy.targets.clear()
        environ = bare_environment() | POD | {"HOME": str(self.folder), "PYTHONPATH": str(ROOT)} | dict(setup.env)
        done = subprocess.run(
            [*command, *setup.flags],
            env=environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return self._seen(marks), done

    def _seen(self, marks: Mapping[str, int]) -> Asked:
        who, namespaces = set(), set()
        for name, mark in marks.items():
            for event in _events(self.servers[name].audit.path, mark):
                if event.get("userAgent", "").startswith("nodeproxy-harness"):
                    continue
                acts = event.get("impersonatedUser")
                who.add((name, event["user"].get("username", ""), json.dumps(acts, sort_keys=True) if acts else ""))
                if event.get("objectRef", {}).get("resource") in ("pods", "services"):
                    namespaces.add(event["objectRef"].get("namespace", ""))
        return Asked(frozenset(who), frozenset(namespaces), bool(self.proxy.targets or self.locked.targets))


def single(user: Object, cluster: Object, name: str = "x", **context: Any) -> Object:
    """The content of a kubeconfig with one context, the current one."""
    about = {"cluster": name, "user": name, "namespace": NAMESPACE} | context
    return {
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {key: value for key, value in about.items() if value is not None}}],
        "current-context": name,
    }


def _events(path: Path, mark: int) -> list[Object]:
    """Whole requests after `mark`: impersonation is known at their end only."""
    with path.open("rb") as log:
        log.seek(mark)
        events = [json.loads(line) for line in log.read().splitlines() if line]
    return [each for each in events if each["stage"] == "ResponseComplete"]
