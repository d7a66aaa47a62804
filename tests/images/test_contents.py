"""Contents of the images: little, no secrets, and the same in every build."""

import re
import stat
import struct

import pytest

from images import build, sbom
from images.archive import Archive
from registrar import __version__

DYNAMIC_SYMBOLS, UNDEFINED = 11, 0  # SHT_DYNSYM and SHN_UNDEF of ELF
HASHED_UNCHECKED = 0b01  # PEP 552: bytecode with the hash of its source, which Python does not check


@pytest.fixture(params=build.TARGETS)
def archive(request: pytest.FixtureRequest, archives: dict[str, Archive]) -> Archive:
    return archives[request.param]


def names(archive: Archive) -> set[str]:
    return {member.name.removeprefix("./") for member, _ in archive.files()}


def test_sizes_are_within_their_limits(archives: dict[str, Archive]) -> None:
    assert not [line for line in build.report(archives) if "TOO LARGE" in line]


def test_the_janitors_image_adds_only_its_own_program(archives: dict[str, Archive]) -> None:
    more = names(archives["janitor"]) - names(archives["registrar"])

    assert more
    assert not [name for name in more if not name.startswith("app/janitor")]


def test_two_builds_give_the_same_digest(folder: object, archives: dict[str, Archive]) -> None:
    for target, archive in archives.items():
        again = Archive(archive.path.parent / "again" / f"{target}.tar")
        assert again.digest == archive.digest


def test_python_is_the_only_executable(archive: Archive) -> None:
    executable = {
        member.name
        for member, _ in archive.files()
        if member.isfile() and member.mode & 0o111 and ".so" not in member.name
    }
    assert executable == {"usr/local/bin/python3"}


def test_no_file_is_setuid_setgid_or_a_device(archive: Archive) -> None:
    special = [
        member.name for member, _ in archive.files() if member.mode & (stat.S_ISUID | stat.S_ISGID) or member.isdev()
    ]
    assert special == []


def test_only_root_may_write_to_files(archive: Archive) -> None:
    writable = [
        member.name
        for member, _ in archive.files()
        if not member.issym() and (member.mode & 0o022 or member.uid) and member.name.strip("./") != "tmp"
    ]
    assert writable == []


def test_no_package_manager_cache_or_secret_is_left(archive: Archive) -> None:
    suspect = re.compile(
        r"(^|/)(pip|apt|\.cache|root|run|ca-certificates\.crt|pip\.conf|\.git|token)(/|$)|\.(key|log|whl)$"
    )
    assert sorted(name for name in names(archive) if suspect.search(name)) == []


def test_every_module_is_compiled(archive: Archive) -> None:
    """Our modules keep their sources, but Python uses their bytecode without checking the sources."""
    sources, compiled = set(), set()
    for member, content in archive.files():
        if member.name.endswith(".py"):
            sources.add(member.name)
        if content and member.name.endswith(".pyc"):
            assert content.read(8)[4] == HASHED_UNCHECKED, member.name
            compiled.add(re.sub(r"__pycache__/(\w+)\.cpython-\d+\.pyc$", r"\1.py", member.name))

    assert {name.split("/")[1] for name in sources} <= {"registrar", "janitor"}
    assert sources <= compiled


def test_labels_name_version_revision_licence_and_source(archive: Archive) -> None:
    labels = archive.config["config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"] == "test"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.source"]


def test_the_user_is_a_number_other_than_root(archive: Archive) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", archive.config["config"]["User"])


def test_the_bill_of_materials_lists_all_packages(archive: Archive) -> None:
    listed = {each["purl"] for each in sbom.document(archive)["components"]}
    locked = re.findall(
        r"^([\w.-]+)==([\w.]+)", (build.ROOT / "images" / "requirements.lock").read_text(), re.MULTILINE
    )
    libraries = {name for name in names(archive) if re.match(r"usr/lib/lib.*\.so", name)}

    assert {f"pkg:pypi/{name}@{version}" for name, version in locked} <= listed
    assert any(each.startswith("pkg:generic/python@3.15.") for each in listed)
    assert any(each.startswith("pkg:deb/debian/libc6@") for each in listed)
    assert len(libraries) >= len([each for each in listed if each.startswith("pkg:deb/debian/lib")]) > 5


def test_the_claims_of_the_openvex_document_hold(archive: Archive) -> None:
    """images/nodeproxy.openvex.json: nothing calls glob() or regcomp() of glibc, and there is no ldd."""
    programs = {member.name: data for member, content in archive.files() if content and is_elf(data := content.read())}
    imports = {name: imported(data) for name, data in programs.items()}

    assert any("malloc" in functions for functions in imports.values())
    assert {name for name, functions in imports.items() if functions & {"glob", "glob64", "regcomp"}} == set()
    assert not [name for name in names(archive) if name.endswith("/ldd")]


def is_elf(data: bytes) -> bool:
    return data.startswith(b"\x7fELF\x02\x01")  # 64 bits, little-endian


def imported(data: bytes) -> set[str]:
    """The functions that an ELF file takes from libraries: undefined symbols of its dynamic symbol table."""
    [start], (size, count) = struct.unpack_from("<Q", data, 0x28), struct.unpack_from("<HH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQI", data, start + number * size) for number in range(count)]
    found = set()
    for _, kind, _, _, offset, length, link in sections:
        for at in range(offset, offset + length, 24) if kind == DYNAMIC_SYMBOLS else ():
            name, _, section = struct.unpack_from("<IHH", data, at)
            if section == UNDEFINED:
                begin = sections[link][4] + name
                found.add(data[begin : data.index(b"\0", begin)].decode())
    return found


def test_the_images_have_the_versions_that_the_tests_use() -> None:
    """The images' lock file is a part of the project's lock file."""
    pin = re.compile(r"^[\w.-]+==[^ ]+", re.MULTILINE)
    inside, outside = (
        set(pin.findall((build.ROOT / name).read_text())) for name in ("images/requirements.lock", "requirements.lock")
    )
    assert inside <= outside
