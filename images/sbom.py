"""The bill of materials of a built image, from the records inside it: CycloneDX 1.6 (https://cyclonedx.org)."""

import email
import json
import re
from typing import Any
from urllib.parse import quote

from images.archive import Archive

_METADATA = re.compile(r"(\./)?app/[^/]+\.dist-info/METADATA")
_DEBIAN = re.compile(r"(\./)?var/lib/dpkg/status\.d/[^/]+")
_PYTHON = re.compile(r"(\./)?usr/local/lib/python3\.\d+/build-details[^/]*\.json")

Component = dict[str, Any]


def document(archive: Archive) -> dict[str, Any]:
    """The whole document. It names no time and no serial number, so that the same image has the same."""
    components = []
    for member, content in archive.files():
        if content and (reader := _reader(member.name)):
            components.append(reader(content.read().decode()))
    labels = archive.config["config"]["Labels"]
    image = {
        "type": "container",
        "bom-ref": archive.digest,
        "name": labels["org.opencontainers.image.title"],
        "version": labels["org.opencontainers.image.version"],
        "licenses": [{"expression": labels["org.opencontainers.image.licenses"]}],
        "hashes": [{"alg": "SHA-256", "content": archive.digest.removeprefix("sha256:")}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": image},
        "components": sorted(components, key=lambda each: str(each["purl"])),
    }


def _reader(name: str) -> Any:
    for pattern, reader in ((_METADATA, _distribution), (_DEBIAN, _package), (_PYTHON, _python)):
        if pattern.fullmatch(name):
            return reader
    return None


def _distribution(text: str) -> Component:
    fields = email.message_from_string(text)
    name = re.sub(r"[-_.]+", "-", str(fields["Name"])).lower()
    component = _component(name, str(fields["Version"]), f"pkg:pypi/{name}")
    if expression := fields["License-Expression"]:
        component["licenses"] = [{"expression": str(expression)}]
    elif licence := fields["License"]:
        component["licenses"] = [{"license": {"name": str(licence).splitlines()[0]}}]
    return component


def _package(text: str) -> Component:
    """Of Debian. Scanners look for the source package's flaws, so it goes with the reference."""
    fields = email.message_from_string(text)
    source = str(fields["Source"] or fields["Package"]).split()[0]
    component = _component(str(fields["Package"]), str(fields["Version"]), f"pkg:deb/debian/{fields['Package']}")
    component["purl"] += f"?arch={fields['Architecture']}&upstream={source}"
    return component


def _python(text: str) -> Component:
    version = json.loads(text)["language"]["version_info"]
    return _component("python", f"{version['major']}.{version['minor']}.{version['micro']}", "pkg:generic/python")


def _component(name: str, version: str, purl: str) -> Component:
    reference = f"{purl}@{quote(version, safe='.+-~')}"
    return {"type": "library", "bom-ref": reference, "name": name, "version": version, "purl": reference}
