"""GitHub workflows: actions are pinned by commit, and a job has no more rights than it needs."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.harness.cluster import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: (?P<action>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)")
# The rights beyond reading the code, by workflow and job. Whoever adds one says in the workflow what it is for.
RIGHTS = {
    ("release", "images"): {"packages", "id-token"},
    ("release", "release"): {"contents", "packages", "id-token"},
    ("scorecard", "scorecard"): {"security-events", "id-token"},
    ("site", "publish"): {"pages", "id-token"},
}


def workflow(name: str) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    return read


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file in FILES:
        for name, job in workflow(file.stem)["jobs"].items():
            yield file.stem, name, job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for file, name, job in jobs():
        for step in job["steps"]:
            yield f"{file}/{name}", step


def lines() -> list[str]:
    """Every line that names an action."""
    return [line.strip() for file in FILES for line in file.read_text().splitlines() if re.match(r" *-? *uses:", line)]


def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it() -> None:
    assert [line for line in lines() if not PINNED.fullmatch(line.removeprefix("- "))] == []
    assert len(lines()) == len([step for _, step in steps() if "uses" in step])


def test_an_action_has_one_version_everywhere() -> None:
    found: dict[str, set[str]] = {}
    for line in lines():
        if match := PINNED.search(line):
            found.setdefault(match["action"], set()).add(f"{match['commit']} {match['version']}")
    assert {action: pins for action, pins in found.items() if len(pins) > 1} == {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_has_no_rights_of_its_own(file: Any) -> None:
    assert workflow(file.stem)["permissions"] == {}


def test_each_job_has_the_rights_it_needs_and_no_other() -> None:
    rights = {(file, name): job["permissions"] for file, name, job in jobs()}
    write = {job: {each for each, value in given.items() if value == "write"} for job, given in rights.items()}

    assert {job: given for job, given in write.items() if given} == RIGHTS
    assert {value for given in rights.values() for value in given.values()} == {"read", "write"}


def test_no_workflow_runs_code_of_a_pull_request_with_rights() -> None:
    for file in FILES:
        triggers = workflow(file.stem)[True]  # YAML 1.1 reads the key `on` as true
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers), file.name


def test_no_script_contains_an_expression() -> None:
    """GitHub puts the value into the script's text: a branch called `$(command)` would run."""
    assert [where for where, step in steps() if "${{" in step.get("run", "")] == []


def test_the_token_is_not_left_in_the_checkout() -> None:
    checkouts = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]

    assert checkouts
    assert {step["with"]["persist-credentials"] for step in checkouts} == {False}
