"""The janitor as a CronJob: by its own schedule, as a Job started by hand, and as a dry run from outside."""

import json
import os
import subprocess
import sys

from tests.e2e.cluster import Cluster
from tests.e2e.layout import STATE
from tests.e2e.stack import Stack
from tests.harness.client import Object
from tests.harness.cluster import JANITOR, NAMESPACE, ROOT
from tests.harness.processes import wait_until

WAIT = 150.0  # seconds: up to a minute until the next Job begins, and time for two Jobs on a busy machine


def test_the_cron_job_removes_a_service_by_its_own_schedule(cluster: Cluster, nodeproxy: Stack, zombie: str) -> None:
    """The values' schedule is every minute. The Service was created before the earlier tests."""
    wait_until(lambda: zombie not in nodeproxy.services(), WAIT, f"the removal of {zombie}", interval=0.5)
    where = f"/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs/nodeproxy-cleaner"
    wait_until(lambda: cluster.admin.get(where)["status"].get("lastSuccessfulTime"), WAIT, "a Job that succeeded")


def test_a_dry_run_lists_what_a_manual_job_then_removes(cluster: Cluster, by_hand_only: Stack) -> None:
    living = by_hand_only.services()
    gone = by_hand_only.add_zombie("node-gone-09")

    report = dry_run(cluster)
    assert report["mode"] == "dry-run"
    verdicts = {row["name"]: row["verdict"] for row in report["services"]}
    assert verdicts == {gone: "delete", **dict.fromkeys(living, "keep")}
    assert set(by_hand_only.services()) == {gone, *living}

    said = by_hand_only.clean_up("by-hand")
    assert gone in said
    assert by_hand_only.services() == living


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
