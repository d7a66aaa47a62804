"""The advice after a 403 depends on the API server's message: these are messages of real API servers."""

import json
from collections.abc import Iterator

import pytest

from registrar.kube import answers
from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiClient, ApiError
from tests.harness.processes import wait_until

NAMESPACE = "refused"
WHERE = f"/api/v1/namespaces/{NAMESPACE}"


@pytest.fixture
def namespace(api: ApiServer) -> Iterator[str]:
    """A namespace for one test."""
    api.ensure_namespace(NAMESPACE)
    yield NAMESPACE
    api.admin.delete(WHERE)
    gone = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": NAMESPACE}, "spec": {"finalizers": []}}
    api.admin.put(f"{WHERE}/finalize", gone)


def advice(client: ApiClient) -> str:
    """What the programs would advise after the API server has refused to create a Service."""
    refusals: list[ApiError] = []

    def refused() -> bool:
        try:
            client.create(f"{WHERE}/services?dryRun=All", objects.service("a"))
        except ApiError as error:
            refusals.append(error)
        return bool(refusals)

    wait_until(refused, 30, "a refusal, which comes when the API server's caches are up to date")
    with pytest.raises(answers.ApiError) as told:
        answers.read("create Service", refusals[0].status, {}, json.dumps(refusals[0].body).encode())
    return told.value.next_step


def test_a_refusal_by_rbac_advises_to_grant_the_verb(api: ApiServer, namespace: str) -> None:
    assert "grant this verb" in advice(api.client(api.service_account_token(namespace, "default")))


def test_a_refusal_by_a_quota_advises_to_raise_it(api: ApiServer, namespace: str) -> None:
    hard = {"hard": {"services": "0"}}
    api.admin.create(f"{WHERE}/resourcequotas", {"kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": hard})
    status = {"status": {**hard, "used": {"services": "0"}}}  # as kube-controller-manager reports it
    api.admin.patch(f"{WHERE}/resourcequotas/q/status", status)

    assert "raise the quota" in advice(api.admin)
    api.admin.delete(f"{WHERE}/resourcequotas/q")


def test_a_refusal_by_a_namespace_in_deletion_advises_to_wait(api: ApiServer, namespace: str) -> None:
    api.admin.delete(WHERE)

    assert "when it is gone" in advice(api.admin)
