"""Requests to an API server, and its replies."""

import json
from dataclasses import dataclass
from typing import Any

KINDS = {"nodes": "Node", "pods": "Pod", "services": "Service"}


@dataclass(frozen=True)
class Call:
    """A request for one object, or for a list if `name` is empty."""

    method: str
    resource: str
    name: str = ""
    query: str = ""
    body: str = ""
    content_type: str = ""
    accept: str = ""

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    @property
    def manager(self) -> str:
        """The field manager: that of the query, or the user agent of the tests."""
        given = [each.partition("=") for each in self.query.split("&")]
        return next((value for key, _, value in given if key == "fieldManager"), "nodeproxy-harness")


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP status, JSON text, and how many hours had passed."""

    status: int
    text: str
    hour: int = 0

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


class Refusal(Exception):
    """The API server's own refusal."""

    def __init__(
        self, code: int, reason: str, message: str, call: Call, kind: str | None = None, field: str = ""
    ) -> None:
        """`kind` is what the message is about, by default the resource; "" is nothing in particular."""
        super().__init__(message)
        about = call.resource if kind is None else kind
        details: dict[str, Any] = {"name": call.name, "kind": about} if call.name and about else {}
        if field:
            details["causes"] = [{"field": field}]
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
        self.reply = Reply(code, json.dumps({**status, "reason": reason, "details": details, "code": code}))
