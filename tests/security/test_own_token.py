"""The registrar trusts its token more than its environment: a real server, and tokens as newer servers sign them."""

import pytest

from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, REGISTRAR, Cluster


def _bound(cluster: Cluster, pod: Object, node: str) -> str:
    """A token of a pod on `node`, as servers sign it from 1.30 on. Older servers do not name the node."""
    meta = {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    token = cluster.api.signed_token(NAMESPACE, REGISTRAR, pod=meta, node={"name": node, "uid": "n"})
    return str(cluster.api.token_kubeconfig(token, NAMESPACE))


def test_a_registration_of_the_tokens_node_succeeds(cluster: Cluster) -> None:
    cluster.node("a")
    pod = cluster.pod("a")

    run = cluster.registrar(pod, KUBECONFIG=_bound(cluster, pod, "a"))
    assert run.code == 0, run.err
    assert cluster.service_of("a")


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({"NODE_NAME": "b"}, "bad setting NODE_NAME (--node-name): 'b', but the token is bound to node name 'a'"),
        ({"POD_NAME": "x"}, "bad setting POD_NAME (--pod-name): 'x', but the token is bound to pod name"),
        ({"POD_UID": "x"}, "bad setting POD_UID (--pod-uid): 'x', but the token is bound to pod uid"),
    ],
    ids=["node", "pod name", "pod uid"],
)
def test_a_setting_that_contradicts_the_token_is_refused_before_any_request(
    cluster: Cluster, env: dict[str, str], line: str
) -> None:
    cluster.node("a")
    pod = cluster.pod("a")
    kubeconfig = _bound(cluster, pod, "a")
    mark = cluster.api.audit_mark()

    run = cluster.registrar(pod, **{"KUBECONFIG": kubeconfig, **env})
    assert run.code == 2
    assert line in run.last_line
    assert len(run.err.splitlines()) == 1
    assert not cluster.api.requests_since(mark, user_agent="nodeproxy-registrar")
