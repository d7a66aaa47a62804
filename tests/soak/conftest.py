"""Choose the seeds (`SEEDS=1000`, or `SEEDS=417-417` for a single one), and print the table of their results."""

import os
from collections import defaultdict
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.harness import document

SLICE = "20"  # seeds in `make test`
WORTH_KEEPING = 1000  # seeds of a scenario: the table goes into docs/benchmarks.md
WORDS = """\
Random faults, drawn from a seed, between the programs and a real API server, programs that are killed, and many
programs at the same time. The results are checked on the server. `make soak` repeats it, `SEEDS=417-417` a single seed.
{machine}, {today:%Y-%m-%d}.

"""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "one_in(n): run an nth of the seeds, because each takes longer")


def seeds(one_in: int) -> range:
    """`SEEDS` is a number of seeds from 0 on, or the first and last seed of a range that is run completely."""
    first, dash, last = os.environ.get("SEEDS", SLICE).partition("-")
    return range(int(first), int(last) + 1) if dash else range(-(-int(first) // one_in))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("one_in")
        metafunc.parametrize("seed", seeds(mark.args[0] if mark else 1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    seed = getattr(item, "callspec", None) and item.callspec.params.get("seed")  # type: ignore[attr-defined]
    if report.failed and seed is not None:
        name = item.originalname  # type: ignore[attr-defined]
        report.sections.append(("to repeat it", f"make soak SEEDS={seed}-{seed} ARGS='-k {name}'"))
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """For each scenario: its seeds, how they ended, and the worst values that they recorded."""
    rows: dict[str, list[pytest.TestReport]] = defaultdict(list)
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        if report.when == "call" and "tests/soak/" in report.nodeid and "[" in report.nodeid:
            rows[report.nodeid.partition("::")[2].partition("[")[0].removeprefix("test_")].append(report)
    if not rows:
        return
    table = ["| scenario | seeds | failed | ended | longest run beyond its budget | most log lines |", "|---" * 6 + "|"]
    table += [row(name.replace("_", " "), reports) for name, reports in sorted(rows.items())]
    terminalreporter.section("soak")
    for line in table:
        terminalreporter.write_line(line)
    if max(map(len, rows.values())) >= WORTH_KEEPING and not config.getoption("keyword"):
        document.put("Soak", WORDS.format(machine=document.machine(), today=datetime.now(UTC)) + "\n".join(table))


def row(name: str, reports: list[pytest.TestReport]) -> str:
    ended: dict[str, int] = defaultdict(int)
    worst: dict[str, float] = {}
    for report in reports:
        for key, value in report.user_properties:
            if key == "ended":
                ended[str(value)] += 1
            elif isinstance(value, int | float):
                worst[key] = max(worst.get(key, value), value)
    ends = ", ".join(f"{count} {end}" for end, count in sorted(ended.items()))
    failed = sum(report.failed for report in reports)
    beyond = f"{worst['beyond']:+.1f} s" if "beyond" in worst else "-"
    return f"| {name} | {len(reports)} | {failed} | {ends} | {beyond} | {worst.get('lines', '-')} |"
