"""images/nodeproxy.openvex.json: each statement is complete, by OpenVEX 0.2.0, and is about our images."""

import json
from datetime import datetime
from typing import Any

import pytest

from images import build
from tests.harness.cluster import ROOT

DOCUMENT: dict[str, Any] = json.loads((ROOT / "images" / "nodeproxy.openvex.json").read_text())
JUSTIFICATIONS = {
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
}
BY_NAME = {each["vulnerability"]["name"]: each for each in DOCUMENT["statements"]}


def test_the_document_names_its_format_author_and_time() -> None:
    assert DOCUMENT["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert DOCUMENT["@id"]
    assert DOCUMENT["author"]
    assert DOCUMENT["version"] >= 1
    assert datetime.fromisoformat(DOCUMENT["timestamp"]).tzinfo


def test_no_vulnerability_has_two_statements() -> None:
    assert len(BY_NAME) == len(DOCUMENT["statements"])


@pytest.mark.parametrize("name", BY_NAME)
def test_a_statement_says_why_both_images_are_not_affected(name: str) -> None:
    statement = BY_NAME[name]
    repositories = [build.image(target).rpartition(":")[0] for target in build.TARGETS]

    assert set(statement) == {"vulnerability", "products", "status", "justification", "status_notes"}
    assert statement["status"] == "not_affected"
    assert statement["justification"] in JUSTIFICATIONS
    assert [each["@id"].partition("?repository_url=")[2] for each in statement["products"]] == repositories
    assert {part["@id"] for each in statement["products"] for part in each["subcomponents"]} == {"pkg:deb/debian/libc6"}


def test_security_md_lists_every_statement() -> None:
    text = (ROOT / "SECURITY.md").read_text()

    assert [name for name in BY_NAME if name not in text] == []
