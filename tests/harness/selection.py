"""Pytest plugin: `@pytest.mark.needs(Feature.X)` skips a test on servers without X; the last line says how many."""

from collections import Counter

import pytest

from tests.harness import assets

NEEDS = "needs "
_PREFIX = f"Skipped: {NEEDS}"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*features): run on Kubernetes releases that have these features")
    if not hasattr(config, "workerinput"):  # workers of pytest-xdist have no terminal
        config.pluginmanager.register(_LastLine(config))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the fixtures: they may need the feature too."""
    for marker in item.iter_markers("needs"):
        version = assets.ensure().version
        for feature in marker.args:
            if not feature.is_in(version):
                pytest.skip(f"{NEEDS}{feature}")


class _LastLine:
    """Counts what was skipped for want of a feature, and says so below pytest's own summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._skipped: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if report.skipped and reason.startswith(_PREFIX):
            self._skipped[reason.removeprefix(_PREFIX)] += 1

    def pytest_unconfigure(self) -> None:
        if self._skipped:
            counts = ", ".join(f"{count} need {feature}" for feature, count in sorted(self._skipped.items()))
            self._config.get_terminal_writer().line(
                f"Kubernetes {assets.ensure().version} did not run {self._skipped.total()} tests: {counts}"
            )
