"""What must hold after every step, and when all is quiet."""

import json
from collections.abc import Hashable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from janitor.outcome import Result, Run
from janitor.verdict import Verdict
from registrar import contract
from registrar.cli.failures import Failure
from registrar.ownership import Refused
from registrar.pod import OwnPodGone
from tests.model import programs
from tests.model.replay import EPOCH, Asks, Ended, Replayer
from tests.model.server import HOUR, Server
from tests.model.steps import Steps
from tests.model.tables import Histories
from tests.model.world import DONE, START, Actor, State, Step, World


def broken(steps: Steps, before: State, step: Step) -> Iterator[str]:
    """What a step broke."""
    if step.actor < 0:
        return
    actor = steps.world.actors[step.actor]
    if before.server != step.state.server:
        changed = steps.servers.changed(before.server, step.state.server)
        for resource, name in sorted(changed - actor.writes):
            yield f"{actor.name} wrote {resource} {name}, which is not its own"
        if step.call and step.call.method == "DELETE":
            node = _node(steps.servers[before.server].get("services", step.call.name))
            if steps.servers[step.state.server].uid("nodes", node) in step.nodes:
                yield f"the Service of node {node} was deleted, but {node} has lived since before {actor.name} looked"
            yield from _early(steps.world, steps.servers[before.server], step)
    if step.ended:
        yield from _badly(steps, before, step, step.ended)


def _early(world: World, server: Server, step: Step) -> Iterator[str]:
    """A deletion before the grace period of this registration was over."""
    if not world.grace or not step.call:
        return
    annotations = _annotations(server.get("services", step.call.name))
    since, _, registration = annotations.get(contract.NODE_MISSING_SINCE_ANNOTATION, "").partition("/")
    if not since:
        yield "the Service was deleted although nobody had noted that its node was missing"
        return
    hours = (EPOCH + timedelta(hours=server.count(HOUR)) - datetime.fromisoformat(since)) / timedelta(hours=1)
    if hours < world.grace or registration != annotations.get(contract.REGISTERED_BY_ANNOTATION):
        yield f"the Service was deleted {hours:g} h after its node was first missed, before the grace period was over"


def _badly(steps: Steps, before: State, step: Step, ended: Ended) -> Iterator[str]:
    """What is wrong with the way in which a program ended."""
    actor, server = steps.world.actors[step.actor], steps.servers[step.state.server]
    if actor.pod and ended.failure and not _rightly(steps.world, actor, ended.failure, server):
        yield f"{actor.name} failed although nothing was wrong: {ended.failure}"
    if not actor.is_janitor:
        return
    if not isinstance(ended.result, Run) or ended.result.refusal:
        yield f"{actor.name} failed although nothing was wrong: {ended.failure or ended.result.refusal}"
        return
    for outcome in ended.result.outcomes:
        node = outcome.judgement.node or ""
        if outcome.result is Result.FAILED:
            yield f"{actor.name} failed although nothing was wrong: {outcome.reason}"
        gone = outcome.judgement.verdict in (Verdict.DELETE, Verdict.WAIT)
        if gone and server.uid("nodes", node) in steps.at_services(before, step):
            yield f"{actor.name} took {node} for gone, but {node} has lived since before the Services were listed"


def _rightly(world: World, actor: Actor, failure: Failure, server: Server) -> bool:
    """May the registrar fail so? Its pod is gone, or the Service is somebody else's."""
    if isinstance(failure, Refused):
        return bool(actor.writes & world.foreign)
    return isinstance(failure, OwnPodGone) and not server.has("pods", actor.pod)


class Quiet:
    """What must hold when nobody acts any more, and one more janitor has run."""

    def __init__(self, steps: Steps, replayer: Replayer) -> None:
        self._steps, self._world = steps, steps.world
        janitor = Actor("one more janitor", programs.janitor("--max-delete", "100%"), is_janitor=True)
        self._janitor = Histories(World("", steps.world.start, [janitor]), replayer)
        self._known: dict[tuple[int, frozenset[str]], list[str]] = {}

    def settled(self, server: int) -> int:
        """The server after one more janitor has run, alone."""
        history = START
        while history >= START:
            following = self._janitor.next(0, history)
            assert isinstance(following, Asks)
            server, reply = self._steps.servers.answer(server, following.call)
            history, _ = self._janitor.after(0, history, reply)
        assert history == DONE
        return server

    def broken(self, state: State) -> list[str]:
        registered = self._world.registered | {
            actor.pod
            for actor, history in zip(self._world.actors, state.histories, strict=True)
            if actor.pod and history == DONE
        }
        key = state.server, registered
        if key not in self._known:
            self._known[key] = [*self._wrong(self._steps.servers[self.settled(state.server)], registered)]
        return self._known[key]

    def final(self, state: State) -> Hashable:
        """What is there in the end: what happened, how programs ended, and what each Service says and leads to."""
        server = self._steps.servers[self.settled(state.server)]
        return state.events, state.histories, tuple(_lasting(server, name) for name in server.names("services"))

    def _wrong(self, server: Server, registered: frozenset[str]) -> Iterator[str]:
        for node, pods in self._world.nodes.items():
            alive, service = server.has("nodes", node), server.get(*programs.service_key(node))
            if service and "deletionTimestamp" in service["metadata"]:
                service = None  # it goes when its finalizers do
            agents = [pod for pod in pods if pod in registered and server.has("pods", pod)]
            if alive and agents and not service:
                yield f"{node} and its registered pod {agents[0]} live, but are without their Service for good"
            if alive and agents and service and service["spec"]["selector"] != _selector(node):
                yield f"the Service of {node} leads elsewhere: {service['spec']['selector']}"
            if service and not alive and not any(_label(server.get("pods", pod)) for pod in pods):
                yield f"{node} and its pods are gone, but its Service is still there"
        yield from self._strange(server)

    def _strange(self, server: Server) -> Iterator[str]:
        expected = {programs.service_key(node)[1] for node in self._world.nodes}
        foreign = {name for _, name in self._world.foreign}
        if strange := set(server.names("services")) - expected - foreign:
            yield f"there are Services that nobody asked for: {', '.join(sorted(strange))}"
        for key in self._world.foreign:
            if server.objects[key] != self._world.start.objects[key]:
                yield f"{' '.join(key)} was changed"


def _node(service: Mapping[str, Any] | None) -> str:
    return _annotations(service).get(contract.NODE_NAME_ANNOTATION, "")


def _annotations(service: Mapping[str, Any] | None) -> Mapping[str, str]:
    annotations: Mapping[str, str] = service["metadata"].get("annotations", {}) if service else {}
    return annotations


def _label(pod: Mapping[str, Any] | None) -> str | None:
    return pod["metadata"].get("labels", {}).get(contract.NODE_LABEL) if pod else None


def _selector(node: str) -> dict[str, str]:
    return {**contract.AGENT_SELECTOR, contract.NODE_LABEL: contract.label_value(node)}


def _lasting(server: Server, name: str) -> str:
    """A Service without what only the API server needs: uid, version, and which manager owns which field."""
    service = server.get("services", name)
    assert service
    meta = {key: service["metadata"].get(key) for key in ("name", "labels", "annotations", "finalizers")}
    return json.dumps([meta, service["spec"]])
