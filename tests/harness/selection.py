"""Pytest plugin: `@pytest.mark.needs(Feature.X)` skips a test on servers without X, and the last line counts those."""

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
    """Counts the tests that were skipped because the server lacks a feature, and prints that below pytest's summary.

    It also names the release, if an older one took the place of the newest.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._skipped: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if report.skipped and reason.startswith(_PREFIX):
            self._skipped[reason.removeprefix(_PREFIX)] += 1

    def pytest_unconfigure(self) -> None:
        found = assets.in_use()
        if found and (self._skipped or found.instead_of):
            counts = "".join(f"; {count} need {feature}" for feature, count in sorted(self._skipped.items()))
            line = f"{found}; {self._skipped.total()} tests did not run{counts}"
            self._config.get_terminal_writer().line(line)
