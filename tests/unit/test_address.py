"""The address of this repository is one setting, and everything that spells it out agrees with it."""

import yaml

from docs import address
from images import build
from tests.harness.cluster import ROOT

OWNER = address.owner()


def test_every_file_has_the_address_that_pyproject_names() -> None:
    """If this fails: make address."""
    others = [str(file) for file in address.files() if address.rewritten(text := file.read_text(), OWNER) != text]

    assert others == []


def test_another_owner_leaves_no_address_behind() -> None:
    """A spelling that docs/address.py does not know would keep the old owner."""
    old = (f"github.com/{OWNER}/", f"ghcr.io/{OWNER}/", f"{OWNER}.github.io")
    left = [str(file) for file in address.files() if any(each in renamed(file.read_text()) for each in old)]

    assert left == []


def renamed(text: str) -> str:
    return address.rewritten(text, "Some-One")


def test_registries_and_host_names_are_in_lower_case() -> None:
    text = "https://github.com/{0}/nodeproxy ghcr.io/{1}/registrar:1 https://{1}.github.io/nodeproxy/"

    assert renamed(text.format(OWNER, OWNER)) == text.format("Some-One", "some-one")


def test_addresses_of_other_projects_stay() -> None:
    text = (
        "https://github.com/kubernetes/kubernetes docker.io/kalaksi/tinyproxy registry.example.com/nodeproxy/registrar"
    )

    assert renamed(text) == text


def test_images_are_built_under_the_names_that_the_chart_has() -> None:
    values = yaml.safe_load((ROOT / "manifests" / "chart" / "values.yaml").read_text())
    for target in build.TARGETS:
        image = values[target]["image"]
        assert build.image(target).startswith(f"{image['registry']}/{image['repository']}:")
