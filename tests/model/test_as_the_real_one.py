"""The API server in memory answers as the real one: random sequences of the same requests go to both."""

import os
from collections.abc import Sequence

import hypothesis
import pytest
import requests

from tests.harness import versions
from tests.harness.apiserver import ApiServer
from tests.harness.cluster import NAMESPACE
from tests.model.calls import Call, Reply
from tests.model.moves import SEQUENCES, Move
from tests.model.release import Release
from tests.model.server import Server
from tests.model.talk import Talk

EXAMPLES = int(os.environ.get("SEQUENCES", "200"))


class Real:
    """The real API server, by its admin's certificate."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(api.ca_file)
        pair = api.ca.client("model", ["system:masters"])
        self._session.cert = (str(pair.cert), str(pair.key))

    def answer(self, asked: Call) -> Reply:
        prefix = "/api/v1/" if asked.resource == "nodes" else f"/api/v1/namespaces/{NAMESPACE}/"
        url = f"{self._api.url}{prefix}{asked.resource}" + (f"/{asked.name}" if asked.name else "")
        headers = {"Content-Type": asked.content_type, "Accept": asked.accept or "application/json"}
        headers["User-Agent"] = "nodeproxy-harness"
        answer = self._session.request(
            asked.method, url, params=asked.query, data=asked.body or None, headers=headers, timeout=60
        )
        return Reply(answer.status_code, answer.text)

    def wipe(self) -> None:
        for resource in ("services", "pods", "nodes"):
            for item in self.answer(Call("GET", resource)).json["items"]:
                name = item["metadata"]["name"]
                if item["metadata"].get("finalizers"):
                    body = '{"metadata": {"finalizers": null}}'
                    self.answer(Call("PATCH", resource, name, "", body, "application/merge-patch+json"))
                grace = '{"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}'
                self.answer(Call("DELETE", resource, name, "", grace, "application/json"))


@pytest.fixture(scope="module")
def real(api: ApiServer) -> Real:
    api.ensure_namespace(NAMESPACE)
    return Real(api)


def release(api: ApiServer) -> Release:
    """The model is that of the newest release. Of the oldest it knows most, but not all (docs/model.md)."""
    if versions.minor_of(api.assets.version) != versions.minors()[0]:
        pytest.skip("the model is compared with the newest release")
    return Release()


@hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=[*hypothesis.HealthCheck], print_blob=False)
@hypothesis.given(moves=SEQUENCES)
def test_the_model_answers_as_the_real_api_server(api: ApiServer, real: Real, moves: Sequence[Move]) -> None:
    assert difference(real, release(api), moves) == ""


def difference(real: Real, known: Release, moves: Sequence[Move]) -> str:
    """The first answers that differ, and the requests so far; "" if there are none."""
    real.wipe()
    ours, theirs = (Talk(peer, pod_versions=not known.old) for peer in (Server(known), real))
    for number, move in enumerate(moves, 1):
        expected, found = theirs.answers(move), ours.answers(move)
        if found != expected:
            return "\n".join([*map(str, moves[:number]), f"real:  {expected}", f"model: {found}"])
    return ""
