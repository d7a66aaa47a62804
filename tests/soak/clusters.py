"""A cluster of random shape that changes while a janitor looks at it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from registrar import contract
from registrar.kube.credentials import Source
from registrar.kube.transport import Kube
from registrar.register import register
from registrar.settings import parse
from tests.harness import objects
from tests.harness.client import Object, parallel
from tests.harness.cluster import SERVICES, Cluster
from tests.harness.gateway import Gateway

TARGETS = (
    ("GET", "/services$"),
    ("GET", "/nodes$"),
    ("GET", "/pods$"),
    ("GET", "/nodes/"),
    ("DELETE", "/services/"),
    ("PATCH", "/services/"),
)
NAMES = ("{}", "zz-{}", "zz-{}-b", "ip-10-0-1-{}.ec2.internal", f"n{{}}{'-long' * 20}", "{}.zz")  # parts of each other
LONG_AGO, FUTURE = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"  # as a clock that is wrong would stamp


@dataclass
class Machine:
    """One node's truth: is it there, which agent pod runs for it, and has either ever been away since the start?"""

    name: str
    alive: bool
    pod: Object | None
    service: str = ""  # its uid at the start, "" where there was none
    stamp: str = ""
    always_alive: bool = True
    always_pod: bool = True

    @property
    def service_name(self) -> str:
        return contract.service_name(self.name)


class Scene:
    """`machines` is kept true while changes happen, which the Gateway's threads do one at a time."""

    def __init__(self, random: Random, cluster: Cluster) -> None:
        self._random, self.cluster = random, cluster
        self.server: str | None = None  # where registrars go, if not straight to the API server
        names = [name.format(number) for name in NAMES for number in range(4)]
        self._lock = threading.Lock()
        self.machines = [self._machine(name) for name in random.sample(names, random.randint(3, 14))]
        self.machines[0].alive = True  # a cluster without any node is a case for the guard
        parallel(self._make, self.machines)
        self.foreign = [self._foreign(kind) for kind in ("unmanaged", "no selector", "disagrees")]
        self.before = cluster.services()
        for each in self.machines:
            each.service = self.before[each.service_name]["metadata"]["uid"] if each.service_name in self.before else ""

    def _machine(self, name: str) -> Machine:
        alive = self._random.random() < 0.5
        machine = Machine(name, alive, None, always_alive=alive)
        machine.stamp = self._random.choice(("", "", LONG_AGO, FUTURE, "not a time"))
        shapes = ("whole", "whole", "whole", "no pod", "hand-rolled", "no service")
        machine.service = self._random.choice(shapes)  # until the uid is known
        return machine

    def _make(self, machine: Machine) -> None:
        admin, shape = self.cluster.admin, machine.service
        if machine.alive:
            self.cluster.node(machine.name)
        fits = contract.is_service_name(contract.SERVICE_PREFIX + machine.name)
        if shape == "hand-rolled" and fits:
            admin.create(SERVICES, objects.hand_rolled_service(machine.name))
        elif shape != "no service":
            stamp = f"{machine.stamp}/{objects.FIRST_POD}" if machine.stamp else None
            admin.create(SERVICES, objects.service(machine.name, missing_since=stamp))
        if shape == "whole" and (machine.alive or machine.stamp == FUTURE):  # the latter's pod is not collected yet
            machine.pod = self.cluster.pod(machine.name, labels=objects.node_label(machine.name))
        machine.always_pod = machine.pod is not None

    def _foreign(self, kind: str) -> str:
        body: dict[str, Any] = objects.service("foreign", name=f"foreign-{kind.replace(' ', '-')}")
        if kind == "unmanaged":
            del body["metadata"]["labels"]["managed-by"]
        elif kind == "no selector":
            del body["spec"]["selector"][contract.NODE_LABEL]
        else:
            body["spec"]["selector"][contract.NODE_LABEL] = "another"
        return str(self.cluster.admin.create(SERVICES, body)["metadata"]["name"])

    # ---- what changes meanwhile

    def change(self, gateway: Gateway) -> list[str]:
        """Up to six changes, each at a request drawn now; what they are."""
        told = []
        for _ in range(self._random.randint(0, 6)):
            machine = self._random.choice(self.machines[1:])
            name, act = self._random.choice(
                (("leaves", self.leave), ("collected", self.collect), ("returns", self.back), ("renews", self.renew))
            )
            nth = self._random.randint(1, 4 + 2 * len(self.machines))
            gateway.rule(".*", "", nth=nth, before=partial(self._carry_out, act, machine))
            told.append(f"{machine.name} {name} at request {nth}")
        return told

    def _carry_out(self, act: Callable[[Machine], None], machine: Machine) -> None:
        with self._lock:
            act(machine)

    def leave(self, machine: Machine) -> None:
        """The Node goes; its pod is there until it is collected."""
        if machine.alive:
            machine.alive = machine.always_alive = False
            self.cluster.delete_node(machine.name)

    def collect(self, machine: Machine) -> None:
        """What Kubernetes' pod garbage collection does, a minute after the Node went."""
        if machine.pod and not machine.alive:
            pod, machine.pod, machine.always_pod = machine.pod, None, False
            self.cluster.delete_pod(pod)

    def back(self, machine: Machine) -> None:
        """The Node comes (back): a pod that was not collected runs on, and does not register again."""
        if not machine.alive:
            self.cluster.node(machine.name)
            machine.alive = True
        if machine.pod is None:
            self._start_pod(machine)

    def renew(self, machine: Machine) -> None:
        """The agent's pod is replaced, as in a roll-out, by one that registers."""
        if machine.alive and machine.pod:
            self.cluster.delete_pod(machine.pod)
            machine.pod, machine.always_pod = None, False
            self._start_pod(machine)

    def _start_pod(self, machine: Machine) -> None:
        pod = self.cluster.pod(machine.name)
        env = self.cluster.registrar_env(pod, self.server)
        register(Kube(Source(env["KUBECONFIG"]), agent="soak", timeout=60), parse((), env))
        machine.pod = pod

    # ---- what must hold

    def broken(self) -> list[str]:
        """Which promises the last run broke: of what it must never touch."""
        after = self.cluster.services()
        uids = {each["metadata"]["uid"] for each in after.values()}
        taken = [each for each in self.machines if each.service and each.service not in uids]
        lines = [f"{each.name} was always there, its Service went" for each in taken if each.always_alive]
        lines += [f"{each.name} always had its pod, its Service went" for each in taken if each.always_pod]
        return lines + [f"{name} was touched" for name in self.foreign if after.get(name) != self.before[name]]

    def unsettled(self) -> list[str]:
        """What a quiet run left as it should not be."""
        there = set(self.cluster.services())
        lines = []
        for each in self.machines:
            leads = each.service_name in there
            if each.pod and not leads and (each.alive and self.registered(each)):
                lines.append(f"{each.name} has a running agent pod, and no Service for good")
            if leads and not each.alive and each.pod is None:
                lines.append(f"{each.name} is gone, its Service stayed")
        return lines

    def registered(self, machine: Machine) -> bool:
        """A shape in which the Service was there, or a registration since: a pod without either was never promised."""
        assert machine.pod
        return bool(machine.service) or contract.NODE_LABEL not in machine.pod["metadata"]["labels"]
