"""Random faults of networks, gateways and API servers, drawn from a seed and made by a Gateway."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any

from tests.harness.gateway import Gateway
from tests.harness.rules import Reply, Rule

Target = tuple[str, str]  # method and path of requests, as a Rule has them
WRITES = ("PATCH", "DELETE")
LATE = 0.6  # seconds: longer than the read timeout of `inprocess`, so the client has given up


@dataclass(frozen=True)
class Kind:
    """A kind of fault. `lost`: the request may have been carried out, and its caller does not know.

    `lasting`: if it never ends, no request of that kind succeeds. `writes`: it concerns writes only. `once`: it must
    not happen twice in a row, which would mean something else.
    """

    name: str
    what: Callable[[Random, Gateway], dict[str, Any]]
    lost: bool = False
    lasting: bool = True
    writes: bool = False
    once: bool = False


@dataclass(frozen=True)
class Planned:
    """A fault with its rule, which counts how often it happened."""

    kind: Kind
    target: Target
    rule: Rule

    def __str__(self) -> str:
        rule = self.rule
        often = "for ever" if rule.times is None else f"{rule.times} times"
        return f"{self.kind.name} at {' '.join(self.target)} from the {rule.nth}. on, {often} (fired: {rule.fired})"


def status(code: int, reason: str, **headers: str) -> Reply:
    """A refusal by the API server itself."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    body["message"] = f"{reason}, says the soak"
    return Reply(code, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})


def _replied(code: int, reason: str, **headers: str) -> Callable[[Random, Gateway], dict[str, Any]]:
    return lambda _random, _gateway: {"reply": status(code, reason, **headers)}


def _soon(random: Random, _gateway: Gateway) -> dict[str, Any]:
    """A Retry-After with a date by the server's clock, which may be slightly wrong."""
    moment = datetime.now(UTC) + timedelta(seconds=random.randint(-3600, 1))
    return {"reply": status(429, "TooManyRequests", **{"Retry-After": format_datetime(moment, usegmt=True)})}


KINDS = (
    Kind("reset before", lambda _r, _g: {"reset": "before"}),
    Kind("reset after", lambda _r, _g: {"reset": "after"}, lost=True),
    Kind("stall", lambda _r, _g: {"hang": True}),
    Kind("late delivery", lambda _r, gateway: {"before": lambda: gateway.closing.wait(LATE)}, lost=True),
    Kind("half answer", lambda random, _g: {"truncate": random.randint(0, 60)}, lost=True),
    Kind("truncated JSON", lambda random, _g: {"rewrite": _cut(random)}, lost=True),
    Kind("slow bytes", lambda random, _g: {"drip": random.choice((0.0001, 0.0005))}, lasting=False),
    Kind("429", _replied(429, "TooManyRequests")),
    Kind("429 with Retry-After", _replied(429, "TooManyRequests", **{"Retry-After": "1"})),
    Kind("429 with a date", _soon),
    Kind("500", _replied(500, "InternalError")),
    Kind("502 of a gateway", lambda _r, _g: {"reply": Reply(502, b"<h1>Bad Gateway</h1>")}),
    Kind("503", _replied(503, "ServiceUnavailable", **{"Retry-After": "0"})),
    Kind("504 before", _replied(504, "Timeout")),
    Kind("504 after", lambda _r, _g: {"instead": status(504, "Timeout")}, lost=True),
    Kind("401 once", _replied(401, "Unauthorized"), lasting=False, once=True),
    Kind("409", _replied(409, "Conflict"), writes=True),
)


def _cut(random: Random) -> Callable[[bytes], bytes]:
    share = random.random()
    return lambda body: body[: int(len(body) * share * 0.99)]


def passing(random: Random, gateway: Gateway, targets: Sequence[Target]) -> list[Planned]:
    """One to five faults, all of which end."""
    planned: list[Planned] = []
    for _ in range(random.randint(1, 5)):
        target = random.choice(targets)
        kind = random.choice(_fitting(target, planned))
        times = 1 if kind.once or kind.name == "stall" else random.randint(1, 2)
        planned.append(_plan(random, gateway, kind, target, times))
    return planned


def lasting(random: Random, gateway: Gateway, targets: Sequence[Target]) -> Planned:
    """An outage that outlasts every timeout."""
    target = random.choice(targets)
    kind = random.choice([kind for kind in _fitting(target, ()) if kind.lasting])
    return _plan(random, gateway, kind, target, None)


def _fitting(target: Target, planned: Sequence[Planned]) -> list[Kind]:
    there = {each.kind for each in planned if each.kind.once}
    return [kind for kind in KINDS if kind not in there and (target[0] in WRITES or not kind.writes)]


def _plan(random: Random, gateway: Gateway, kind: Kind, target: Target, times: int | None) -> Planned:
    rule = gateway.rule(*target, nth=random.randint(1, 3), times=times, **kind.what(random, gateway))
    return Planned(kind, target, rule)
