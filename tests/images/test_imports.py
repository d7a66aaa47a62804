"""The images lack no module that our code can import."""

from pathlib import Path

from tests.images.runtime import Image

HERE = Path(__file__).parent / "inside"
# The client's packages import these for terminals and on Windows, and work without them.
OPTIONAL = {"readline", "winreg"}


def test_every_standard_module_that_the_image_imports_is_in_it(janitor: Image) -> None:
    """Reads the bytecode of our modules and of their dependencies, including function bodies."""
    run = janitor.run(command=["/usr/local/bin/python3", "/tests/find_imports.py"], mounts={HERE: "/tests"})

    assert run.code == 0, run.err
    lacking = [line.split() for line in run.out.splitlines()]
    assert not [(by, what) for by, what in lacking if what.split(".")[0] not in OPTIONAL], run.out


def test_our_modules_and_the_clients_can_be_imported(janitor: Image) -> None:
    run = janitor.run(command=["/usr/local/bin/python3", "/tests/import_all.py"], mounts={HERE: "/tests"})

    assert run.code == 0, run.err + run.out


def test_metrics_can_be_served_and_pushed(janitor: Image) -> None:
    run = janitor.run(command=["/usr/local/bin/python3", "/tests/metrics.py"], mounts={HERE: "/tests"})

    assert run.code == 0, run.err
    assert "janitor_test_total 1.0" in run.out
