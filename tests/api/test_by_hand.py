"""The runbook's command for a run by hand works every time."""

import re
import shlex
import subprocess
import time
from functools import partial

import pytest
import yaml

from tests.harness.apiserver import ApiServer
from tests.harness.cluster import NAMESPACE, ROOT, Cluster, installed
from tests.harness.features import Feature
from tests.harness.processes import wait_until

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()


def after(moment: int) -> bool:
    return time.time() >= moment


@pytest.mark.needs(Feature.BATCH_V1_CRONJOB)
def test_a_run_can_be_started_by_hand_twice(cluster: Cluster, api: ApiServer) -> None:
    [assignment, create] = re.search(r"^(job=.*)\n(kubectl .*create job .*)$", RUNBOOK, re.MULTILINE).groups()  # type: ignore[union-attr]
    [cronjob] = [each for each in installed() if each["kind"] == "CronJob"]
    api.kubectl("apply", "-f", "-", input=yaml.safe_dump(cronjob))
    kubectl = shlex.join([str(api.assets.kubectl), f"--kubeconfig={api.admin_kubeconfig}", "-n", NAMESPACE])
    script = f'set -e; kubectl() {{ {kubectl} "$@"; }}; {assignment}; {create}'
    for _ in range(2):
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        wait_until(partial(after, int(time.time()) + 1), 5, "the next second, which names the next Job")
    api.kubectl("delete", "cronjob,jobs", "--all", "-n", NAMESPACE)
