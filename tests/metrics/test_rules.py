"""Alert rules and dashboard: promtool accepts them, and they use metrics that exist."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from janitor.metrics import Metrics
from janitor.outcome import Run
from tests.harness import chart
from tests.harness.cluster import ROOT
from tests.harness.prometheus import promtool

NAME = re.compile(r"nodeproxy_janitor_[a-z_]+")
ALERTS = [rule for group in chart.rule_groups() for rule in group["rules"] if "alert" in rule]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rule file in Prometheus' format, with its unit tests beside it."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": chart.rule_groups()}))
    shutil.copy(Path(__file__).parent / "rules_test.yaml", tmp_path)
    return path


def exposed() -> set[str]:
    """The names of all series that a janitor can expose."""
    metrics = Metrics()
    metrics.request("GET", "/api/v1/nodes", 200)
    metrics.record(Run(False, [], None, 0, []), dry_run=False, seconds=0)
    return {sample.name for family in metrics.registry.collect() for sample in family.samples}


def test_promtool_accepts_the_rules(rules: Path) -> None:
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_rules_pass_their_unit_tests(rules: Path) -> None:
    tested = promtool("test", "rules", str(rules.parent / "rules_test.yaml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_has_a_unit_test_that_fires_it() -> None:
    tests = yaml.safe_load((Path(__file__).parent / "rules_test.yaml").read_text())["tests"]
    fired = {each["alertname"] for test in tests for each in test["alert_rule_test"] if each.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_section_in_the_runbook(alert: dict[str, dict[str, str]]) -> None:
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    page, anchor = alert["annotations"]["runbook_url"].split("#")
    assert page.endswith("/docs/runbook.md")
    headings = re.findall(r"^## (.*)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert anchor == str(alert["alert"]).lower()
    assert alert["alert"] in headings


@pytest.mark.parametrize("path", [chart.RULES, chart.DASHBOARD], ids=lambda path: path.name)
def test_all_metrics_in_rules_and_dashboard_exist(path: Path) -> None:
    used = set(NAME.findall(path.read_text()))
    assert used
    assert used <= exposed()


def test_the_dashboard_shows_every_metric() -> None:
    assert set(NAME.findall(chart.DASHBOARD.read_text())) == exposed()


def test_the_documentation_lists_every_metric_and_no_other() -> None:
    assert set(NAME.findall((ROOT / "docs/metrics.md").read_text())) == exposed()


def test_all_queries_of_the_dashboard_are_valid_promql(tmp_path: Path) -> None:
    dashboard = json.loads(chart.DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "dashboard.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = promtool("check", "rules", str(path))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
