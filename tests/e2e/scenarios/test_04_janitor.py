"""The janitor by hand: as a Job of its CronJob, and from outside the cluster."""

import json
import os
import subprocess
import sys

from registrar import contract
from tests.e2e.cluster import Cluster
from tests.e2e.layout import STATE
from tests.e2e.stack import Stack
from tests.harness.client import Object
from tests.harness.cluster import JANITOR, NAMESPACE, ROOT, SERVICES

GONE = "node-gone-09"


def service_of(node: str) -> Object:
    """As a registrar on that node would have left it."""
    return {
        "metadata": {
            "name": contract.service_name(node),
            "labels": {**contract.SERVICE_LABELS, contract.NODE_LABEL: node},
            "annotations": {contract.NODE_NAME_ANNOTATION: node},
        },
        "spec": {
            "selector": {**contract.AGENT_SELECTOR, contract.NODE_LABEL: node},
            "ports": [{"name": "http-proxy", "port": 8888}],
        },
    }


def test_by_hand_it_shows_first_and_then_removes_what_is_gone(cluster: Cluster, nodeproxy: Stack) -> None:
    living = nodeproxy.services()
    zombie = cluster.admin.create(SERVICES, service_of(GONE))["metadata"]["name"]

    report = dry_run(cluster)
    assert report["mode"] == "dry-run"
    verdicts = {row["name"]: row["verdict"] for row in report["services"]}
    assert verdicts == {zombie: "delete", **dict.fromkeys(living, "keep")}
    assert set(nodeproxy.services()) == {zombie, *living}

    said = nodeproxy.clean_up("by-hand")
    assert zombie in said
    assert nodeproxy.services() == living


def dry_run(cluster: Cluster) -> Object:
    """`python -m janitor --dry-run` outside the cluster, with a kubeconfig of the janitor's own identity."""
    token = cluster.api.service_account_token(NAMESPACE, JANITOR)
    kubeconfig = cluster.api.token_kubeconfig(token, NAMESPACE, server=cluster.api.cluster_url)
    result = subprocess.run(
        [sys.executable, "-m", "janitor", "--dry-run", "--output=json", f"--kubeconfig={kubeconfig}"],
        cwd=ROOT,
        env={"PATH": os.defpath, "HOME": str(STATE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    report: Object = json.loads(result.stdout)
    return report
