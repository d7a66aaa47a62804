"""A cluster of random shape that changes while a janitor runs."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from registrar import contract
from registrar.kube.source import Source
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
NAMES = (
    "{}",
    "zz-{}",
    "zz-{}-b",
    "ip-10-0-1-{}.ec2.internal",
    f"n{{}}{'-long' * 20}",
    "{}.zz",
)  # some are parts of others
LONG_AGO, FUTURE = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"  # stamps of a wrong clock


@dataclass
class Machine:
    """The true state of one node: whether it exists, its agent pod, and whether either was ever missing."""

    name: str
    alive: bool
    pod: Object | None
    service: str = ""  # its uid at the start, "" if there was none
    stamp: str = ""
    always_alive: bool = True
    always_pod: bool = True

    @property
    def service_name(self) -> str:
        return contract.service_name(self.name)


class Scene:
    """`machines` is kept up to date during changes, which the Gateway's threads make one at a time."""

    def __init__(self, random: Random, cluster: Cluster) -> None:
        self._random, self.cluster = random, cluster
        self.server: str | None = None  # what registrars connect to, None for the API server itself
        names = [name.format(number) for name in NAMES for number in range(4)]
        self._lock = threading.Lock()
        self.machines = [self._machine(name) for name in random.sample(names, random.randint(3, 14))]
        self.machines[0].alive = True  # the guard refuses a cluster without nodes
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

    # ---- changes during a run

    def change(self, gateway: Gateway) -> list[str]:
        """Plan up to six changes, each at a request drawn now; a description of each."""
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
        """The Node is deleted; its pod exists until it is collected."""
        if machine.alive:
            machine.alive = machine.always_alive = False
            self.cluster.delete_node(machine.name)

    def collect(self, machine: Machine) -> None:
        """Delete the pod, as Kubernetes' pod garbage collection does a minute after the Node is deleted."""
        if machine.pod and not machine.alive:
            pod, machine.pod, machine.always_pod = machine.pod, None, False
            self.cluster.delete_pod(pod)

    def back(self, machine: Machine) -> None:
        """The Node comes (back). A pod that was not collected keeps running and does not register again."""
        if not machine.alive:
            self.cluster.node(machine.name)
            machine.alive = True
        if machine.pod is None:
            self._start_pod(machine)

    def renew(self, machine: Machine) -> None:
        """The agent pod is replaced, as in a rollout, by one that registers."""
        if machine.alive and machine.pod:
            self.cluster.delete_pod(machine.pod)
            machine.pod, machine.always_pod = None, False
            self._start_pod(machine)

    def _start_pod(self, machine: Machine) -> None:
        pod = self.cluster.pod(machine.name)
        env = self.cluster.registrar_env(pod, self.server)
        register(Kube(Source(env["KUBECONFIG"]), agent="soak", timeout=60), parse((), env))
        machine.pod = pod

    # ---- invariants

    def broken(self) -> list[str]:
        """Invariants that the last run broke: the Services that it must not have changed."""
        after = self.cluster.services()
        uids = {each["metadata"]["uid"] for each in after.values()}
        taken = [each for each in self.machines if each.service and each.service not in uids]
        lines = [f"{each.name} always existed, but its Service is gone" for each in taken if each.always_alive]
        lines += [f"{each.name} always had its pod, but its Service is gone" for each in taken if each.always_pod]
        return lines + [f"{name} was changed" for name in self.foreign if after.get(name) != self.before[name]]

    def unsettled(self) -> list[str]:
        """What is wrong after a run without faults and changes."""
        there = set(self.cluster.services())
        lines = []
        for each in self.machines:
            leads = each.service_name in there
            if each.pod and not leads and (each.alive and self.registered(each)):
                lines.append(f"{each.name} has a running agent pod, but no Service")
            if leads and not each.alive and each.pod is None:
                lines.append(f"{each.name} is gone, but its Service is not")
        return lines

    def registered(self, machine: Machine) -> bool:
        """Did the Service exist at the start, or has a pod registered since? Otherwise there need not be a Service."""
        assert machine.pod
        return bool(machine.service) or contract.NODE_LABEL not in machine.pod["metadata"]["labels"]
