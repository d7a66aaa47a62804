"""docs/compatibility.md: rows of several runs become one page."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.matrix import page, results
from tests.matrix.results import NOTHING, RedRun, Row

NEW = Row("1.37", "v1.37.2", "35.0.0", "3.11.7", "800", NOTHING, NOTHING)
OLD = Row("1.20", "v1.20.2", "35.0.0", "3.11.7", "750", "50 need a feature (Kubernetes 1.30)", "admission, sidecar")
REPORT = """<testsuites><testsuite>
<testcase classname="a" name="passed"/>
<testcase classname="a" name="applied"><properties>
<property name="component that does not work" value="sidecar"/></properties></testcase>
<testcase classname="a" name="skipped"><skipped message="needs a feature (Kubernetes 1.30)"/></testcase>
{more}</testsuite></testsuites>"""


def write(rows: list[Row], file: Path) -> str:
    page.update(rows, ["admission", "surge"], ">=35,<38", "35.0.0", file)
    return file.read_text()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "report.xml"
    file.write_text(REPORT.format(more=""))
    return file


def test_a_report_is_counted(report: Path) -> None:
    row = results.read(report, "v1.29.6", "35.0.0", "3.11.7")

    assert row == Row("1.29", "v1.29.6", "35.0.0", "3.11.7", "2", "1 need a feature (Kubernetes 1.30)", "sidecar")


@pytest.mark.parametrize("tag", ["failure", "error"])
def test_a_run_that_is_not_green_is_no_row(report: Path, tag: str) -> None:
    report.write_text(REPORT.format(more=f'<testcase classname="a" name="red"><{tag}/></testcase>'))
    with pytest.raises(RedRun, match=r"1 tests failed: a\.red"):
        results.read(report, "v1.29.6", "35.0.0", "3.11.7")


def test_a_run_without_a_report_is_no_row(tmp_path: Path) -> None:
    with pytest.raises(RedRun, match="no test ran"):
        results.read(tmp_path / "missing.xml", "v1.29.6", "35.0.0", "3.11.7")


def test_a_partial_run_changes_its_own_rows_only(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    write([OLD, NEW], file)
    again = replace(NEW, release="v1.37.3", passed="801")
    text = write([again], file)

    assert [*dict.fromkeys(page.rows(text))] == [again, OLD]


def test_another_release_of_the_client_has_a_row_of_its_own(tmp_path: Path) -> None:
    client = replace(NEW, client="37.0.2")
    text = write([OLD, NEW, client], tmp_path / "page.md")

    releases, _, clients = text.partition("## Python client")
    assert page.rows(releases) == [NEW, OLD]
    assert page.rows(clients) == [NEW, client]


def test_a_components_oldest_release_is_the_last_before_it_fails(tmp_path: Path) -> None:
    text = write([OLD, NEW, replace(NEW, minor="1.30", release="v1.30.14")], tmp_path / "page.md")

    assert "| admission | 1.30; not 1.20 |" in text
    assert "| surge | 1.20 (nothing older was tested) |" in text
