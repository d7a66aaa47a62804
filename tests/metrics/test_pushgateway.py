"""A run that pushes its metrics to a real Pushgateway."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.harness import chart, objects
from tests.harness.cluster import NAMESPACE, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.processes import free_ports, wait_until
from tests.harness.prometheus import Prometheus, Pushgateway
from tests.harness.rules import Reply

PASSWORD = "p@ss:word/1"
PASSWORD_HASH = "$2b$04$abcdefghijklmnopqrstuu1N.KQJQg5c6zj.NKklcH.l.FkkbgJ6q"  # bcrypt
FORBIDDEN = Reply(403, b'{"kind": "Status", "reason": "Forbidden", "message": "no"}')


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """Two nodes with their Services, of which one node is gone."""
    cluster.node("live")
    cluster.admin.create_many(SERVICES, [objects.service("live"), objects.service("gone")])
    return cluster


@pytest.fixture
def pushgateway() -> Iterator[Pushgateway]:
    with Pushgateway() as server:
        yield server


def pushed(group: dict[str, Any], name: str, **labels: str) -> float | None:
    """The value of one series in a group."""
    metrics = group.get(f"nodeproxy_janitor_{name}", {"metrics": []})["metrics"]
    found = [each["value"] for each in metrics if labels.items() <= each["labels"].items()]
    return float(found[0]) if found else None


def test_metrics_outlive_the_run_grouped_by_job_and_namespace(cluster: Cluster, pushgateway: Pushgateway) -> None:
    run = cluster.janitor("--pushgateway", pushgateway.url)

    assert run.code == 0, run.err
    [group] = pushgateway.groups()
    assert group["labels"] == {"job": "nodeproxy-janitor", "namespace": NAMESPACE}
    assert pushed(group, "last_run_deletions", result="deleted") == 1
    assert pushed(group, "last_success_timestamp_seconds", mode="delete")


def test_alert_rules_work_on_pushed_metrics(cluster: Cluster, pushgateway: Pushgateway) -> None:
    odd = objects.service("x", name="odd", selector=None)
    cluster.admin.create(SERVICES, odd)
    assert cluster.janitor("--pushgateway", pushgateway.url).code == 0
    target = {"static_configs": [{"targets": [f"127.0.0.1:{pushgateway.port}"]}]}
    scrape = {"job_name": "pushgateway", "honor_labels": True, **target}

    with Prometheus([scrape], chart.rule_groups()) as prometheus:
        firing = 'ALERTS{alertstate="firing"}'
        wait_until(lambda: prometheus.query(firing), 20, "an alert")
        [alert] = prometheus.query(firing)

    assert alert["metric"]["alertname"] == "NodeproxyJanitorUnknownServices"
    assert alert["metric"]["namespace"] == NAMESPACE


def test_a_failed_run_keeps_the_time_of_the_last_success(
    cluster: Cluster, gateway: Gateway, pushgateway: Pushgateway
) -> None:
    cluster.janitor("--pushgateway", pushgateway.url)
    [before] = pushgateway.groups()
    gateway.rule("GET", "/nodes$", reply=FORBIDDEN)

    assert cluster.janitor("--pushgateway", pushgateway.url, server=gateway.url).code == 1

    [after] = pushgateway.groups()
    success = pushed(after, "last_success_timestamp_seconds", mode="delete")
    assert success == pushed(before, "last_success_timestamp_seconds", mode="delete")
    assert success != pushed(after, "last_run_timestamp_seconds", mode="delete")
    assert pushed(after, "last_run_outcome", outcome="failure") == 1
    assert pushed(after, "nodes") == 1


def test_a_refused_run_is_pushed_and_keeps_its_exit_code(cluster: Cluster, pushgateway: Pushgateway) -> None:
    assert cluster.janitor("--pushgateway", pushgateway.url, "--max-delete", "0").code == 3

    [group] = pushgateway.groups()
    assert pushed(group, "last_run_outcome", outcome="refused") == 1
    assert pushed(group, "last_run_deletions", result="deleted") == 0


def test_a_dry_run_never_pushes(cluster: Cluster, pushgateway: Pushgateway) -> None:
    assert cluster.janitor("--pushgateway", pushgateway.url, "--dry-run").code == 0

    assert pushgateway.groups() == []


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--max-delete", "0"), 3)])
def test_a_pushgateway_that_cannot_be_reached_is_one_warning_without_the_password(
    cluster: Cluster, flags: tuple[str, ...], code: int
) -> None:
    [nobody] = free_ports(1)
    url = f"http://user:{quote(PASSWORD, safe='')}@127.0.0.1:{nobody}"
    run = cluster.janitor("--log-level", "debug", *flags, JANITOR_PUSHGATEWAY=url)

    assert run.code == code
    [warning] = [line for line in run.err.splitlines() if " WARNING " in line]
    where = f"http://127.0.0.1:{nobody}/metrics/job/nodeproxy-janitor/namespace/{NAMESPACE}"
    assert f"cannot push metrics to {where}: no answer from the Pushgateway: " in warning
    assert not [part for part in (PASSWORD, quote(PASSWORD, safe=""), "user:") if part in run.err]


class Guarded(Pushgateway):
    """A Pushgateway that requires a user name and a password."""

    def command(self) -> list[str]:
        config = self.folder / "web.yml"
        config.write_text(f"basic_auth_users:\n  user: {PASSWORD_HASH}\n")
        self.http.auth = ("user", PASSWORD)
        return [*super().command(), f"--web.config.file={config}"]


def test_user_and_password_in_the_url_are_sent(cluster: Cluster) -> None:
    with Guarded() as guarded:
        right, wrong = (
            guarded.url.replace("//", f"//user:{quote(password, safe='')}@") for password in (PASSWORD, "not it")
        )
        refused = cluster.janitor("--pushgateway", wrong)
        assert guarded.groups() == []
        accepted = cluster.janitor("--pushgateway", right)
        assert len(guarded.groups()) == 1

    assert (refused.code, accepted.code) == (0, 0)
    assert "HTTP 401" in refused.last_line
    assert "WARNING" not in accepted.err
    assert "not it" not in refused.err
