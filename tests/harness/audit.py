"""The API server's own audit log, which counts requests exactly."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

# Log the arrival and the answer of each request. Leave out the API server's requests to itself: no test needs them.
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["ResponseStarted"],
    "rules": [{"level": "None", "users": ["system:apiserver"]}, {"level": "Metadata"}],
}


@dataclass(frozen=True)
class AuditEvent:
    """One stage of one request. `code` is None before the answer; the resource is empty for paths like /readyz.

    `seconds` have passed since the request arrived.
    """

    stage: str
    seconds: float
    verb: str
    uri: str
    user: str
    user_agent: str
    code: int | None
    resource: str
    subresource: str
    namespace: str
    name: str


class AuditLog:
    """Reads a log written in blocking mode.

    In this mode RequestReceived is on disk before the request is handled. A test that has its answers need not wait for
    the log.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        """A position: what is requested from now on comes after it."""
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, mark: int, stage: str) -> list[AuditEvent]:
        with self.path.open("rb") as log:
            log.seek(mark)
            whole_lines, _, _being_written = log.read().rpartition(b"\n")
        events = [json.loads(line) for line in whole_lines.splitlines()]
        return [_event(event) for event in events if event["stage"] == stage]


def _event(raw: dict[str, Any]) -> AuditEvent:
    target = raw.get("objectRef", {})
    arrived, reached = (datetime.fromisoformat(raw[name]) for name in ("requestReceivedTimestamp", "stageTimestamp"))
    return AuditEvent(
        stage=raw["stage"],
        seconds=(reached - arrived).total_seconds(),
        verb=raw["verb"],
        uri=raw["requestURI"],
        user=raw["user"].get("username", ""),  # missing if the request failed to authenticate
        user_agent=raw.get("userAgent", ""),
        code=raw.get("responseStatus", {}).get("code"),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
    )
