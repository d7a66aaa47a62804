"""Requests to etcd itself, through its JSON gateway."""

import base64
from typing import Any

import requests


def compact(port: int) -> None:
    """Forget all old revisions, as an API server lets etcd do every five minutes: continue tokens expire (410)."""
    everything = base64.b64encode(b"\0").decode()  # from the first key to the last
    found = _call(port, "kv/range", {"key": everything, "range_end": everything, "count_only": True})
    _call(port, "kv/compaction", {"revision": found["header"]["revision"], "physical": True})


def _call(port: int, method: str, body: dict[str, Any]) -> dict[str, Any]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy
        answer = session.post(f"http://127.0.0.1:{port}/v3/{method}", json=body, timeout=30)
    answer.raise_for_status()
    result: dict[str, Any] = answer.json()
    return result
