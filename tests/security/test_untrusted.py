"""Text from a cluster is escaped in logs and on terminals, and no answer blocks a program."""

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from registrar import contract
from registrar.cli.text import escape
from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, SERVICES, Cluster, Run
from tests.harness.connectproxy import ConnectProxy
from tests.harness.gateway import Gateway
from tests.harness.pki import CertificateAuthority
from tests.harness.rules import Reply

TRICK = "\x1b[2J\x07\r\n\u202egnp.exe\u200b\x9b31m\ud800\u2028\u3164\ufe0f\u2800"
HUGE = "x" * 1_000_000
LINE = 10_000  # characters: a few texts of at most 2,000 each
LISTS = rf"^/api/v1/namespaces/{NAMESPACE}/services$"
SERVICE = rf"^/api/v1/namespaces/{NAMESPACE}/services/.+"
POD = rf"^/api/v1/namespaces/{NAMESPACE}/pods/.+"


def assert_clean(run: Run, *, longest: int = LINE) -> None:
    for line in f"{run.out}\n{run.err}".split("\n"):
        assert escape(line) == line, ascii(line[:500])
        assert len(line) <= longest


def edited(edit: Callable[[Any], object]) -> Callable[[bytes], bytes]:
    """A function that changes an answer."""

    def rewrite(body: bytes) -> bytes:
        answer = json.loads(body)
        edit(answer)
        return json.dumps(answer).encode()

    return rewrite


def _spoil(text: str) -> Callable[[Any], object]:
    def edit(answer: Any) -> None:
        for item in answer["items"]:
            meta = item["metadata"]
            meta["name"] += text
            meta["annotations"] = {contract.NODE_NAME_ANNOTATION: "gone" + text}
            meta["labels"][contract.NODE_LABEL] = text
            item["spec"]["selector"] = {contract.NODE_LABEL: text}

    return edit


@pytest.mark.parametrize("text", [TRICK, HUGE], ids=["control characters", "a megabyte"])
@pytest.mark.parametrize(
    "flags",
    [("--output", "text"), ("--output", "json", "--log-format", "json", "--log-level", "debug")],
    ids=["text", "json"],
)
def test_names_and_labels_of_services_are_escaped_and_cut(
    cluster: Cluster, gateway: Gateway, text: str, flags: tuple[str, ...]
) -> None:
    cluster.node("a")
    cluster.admin.create_many(SERVICES, [objects.service("a"), objects.service("gone")])
    gateway.rule("GET", LISTS, rewrite=edited(_spoil(text)))

    run = cluster.janitor("--dry-run", *flags, server=gateway.url)
    assert run.code == 0, run.err[-2000:]
    assert_clean(run)
    assert len(run.out) < 20_000


@pytest.mark.parametrize("text", [TRICK, HUGE], ids=["control characters", "a megabyte"])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_messages_of_the_api_server_are_escaped_and_cut(
    cluster: Cluster, gateway: Gateway, text: str, level: str
) -> None:
    cluster.node("a")
    pod = cluster.pod("a")
    status = {"kind": "Status", "reason": "Forbidden" + text, "message": "no: " + text, "details": {"kind": text}}
    gateway.rule("PATCH", POD, reply=Reply(403, json.dumps(status).encode()))

    run = cluster.registrar(pod, "--log-level", level, server=gateway.url)
    assert run.code == 1
    assert "403 Forbidden" in run.err
    assert_clean(run)
    assert len(run.err.encode()) < 100_000


@pytest.mark.parametrize("text", [TRICK, HUGE], ids=["control characters", "a megabyte"])
def test_the_owner_of_a_foreign_service_is_escaped_and_cut(cluster: Cluster, gateway: Gateway, text: str) -> None:
    cluster.node("a")
    pod = cluster.pod("a")
    cluster.admin.create(SERVICES, objects.service("a"))

    def edit(live: Object) -> None:
        live["metadata"] |= {"labels": {"app": text, text: "x"}, "annotations": {}}
        live["metadata"]["managedFields"] = [{"manager": text}]

    gateway.rule("GET", SERVICE, rewrite=edited(edit))
    run = cluster.registrar(pod, server=gateway.url)
    assert run.code == 1
    assert "it does not belong to nodeproxy" in run.err
    assert_clean(run)


@pytest.mark.parametrize("text", [TRICK, HUGE], ids=["control characters", "a megabyte"])
def test_the_yaml_of_a_dry_run_is_escaped_and_cut(cluster: Cluster, gateway: Gateway, text: str) -> None:
    cluster.node("a")
    pod = cluster.pod("a")

    def edit(live: Object) -> None:
        live["metadata"]["annotations"] |= {"note": text, text: "x"}
        live["metadata"]["labels"] |= {f"label-{number}": "x" for number in range(10_000)}

    gateway.rule("PATCH", SERVICE, rewrite=edited(edit))
    run = cluster.registrar(pod, "--dry-run", server=gateway.url)
    assert run.code == 0, run.err[-2000:]
    assert_clean(run)
    assert len(run.out) < 30_000
    _pod, service = yaml.safe_load_all(run.out)
    assert service["metadata"]["name"] == "nodeproxy-access-a"


DEEP = b'{"kind": "ServiceList", "items": ' + b"[" * 200_000
BOMBS = {
    "deep": DEEP,
    "a huge number": b'{"kind": "ServiceList", "metadata": {}, "items": ' + b"9" * 200_000 + b"}",
    "not a number": b'{"kind": "ServiceList", "metadata": {}, "items": [NaN]}',
    "a duplicate key": b'{"kind": "ServiceList", "metadata": {}, "items": [], "items": []}',
    "not JSON": b"<html>",
    "not an object": b"[]",
    "not UTF-8": b"\xff\xfe\xfa",
    "empty": b"",
    "compressed without request": gzip.compress(b" " * 50_000_000),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_an_answer_that_is_not_valid_json_ends_both_programs(cluster: Cluster, gateway: Gateway, bomb: bytes) -> None:
    cluster.node("a")
    cluster.admin.create(SERVICES, objects.service("gone"))
    pod = cluster.pod("a")
    encoded = {"Content-Type": "application/json"} | ({"Content-Encoding": "gzip"} if bomb[:2] == b"\x1f\x8b" else {})
    gateway.rule("GET|PATCH", LISTS + "|" + POD, times=None, reply=Reply(200, bomb, encoded))

    with ThreadPoolExecutor() as pool:
        janitor = pool.submit(cluster.janitor, "--timeout", "6s", server=gateway.url)
        registrar = pool.submit(cluster.registrar, pod, "--timeout", "6s", server=gateway.url)
    for run in (janitor.result(), registrar.result()):
        assert run.code == 1
        assert "the answer is not a JSON object" in run.last_line
        assert_clean(run)
    assert len(cluster.services()) == 1


def _set(*path: str, to: Any) -> Callable[[bytes], bytes]:
    def edit(answer: Any) -> None:
        for step in path[:-1]:
            answer = answer[int(step) if isinstance(answer, list) else step]
        answer[path[-1]] = to

    return edited(edit)


SHAPES: dict[str, Callable[[bytes], bytes]] = {
    "items": _set("items", to=7),
    "an item": _set("items", to=["x"]),
    "list metadata": _set("metadata", to=[]),
    "a name": _set("items", "0", "metadata", "name", to={"a": "b"}),
    "a uid": _set("items", "0", "metadata", "uid", to=None),
    "labels": _set("items", "0", "metadata", "labels", to=["x"]),
    "an annotation": _set("items", "0", "metadata", "annotations", to={contract.NODE_NAME_ANNOTATION: ["x"]}),
    "a selector": _set("items", "0", "spec", "selector", to={contract.NODE_LABEL: 7}),
    "no spec": _set("items", "0", "spec", to=None),
}


@pytest.mark.parametrize("rewrite", SHAPES.values(), ids=SHAPES)
def test_a_malformed_list_ends_the_run(cluster: Cluster, gateway: Gateway, rewrite: Callable[[bytes], bytes]) -> None:
    cluster.node("a")
    cluster.admin.create_many(SERVICES, [objects.service("a"), objects.service("gone")])
    gateway.rule("GET", LISTS, rewrite=rewrite)

    run = cluster.janitor(server=gateway.url)
    assert run.code == 1
    assert "cannot list Services: in the answer, " in run.last_line
    assert len(cluster.services()) == 2


@pytest.mark.parametrize(
    ("method", "where", "rewrite"),
    [
        ("PATCH", POD, _set("metadata", to=["x"])),
        ("PATCH", POD, _set("metadata", "labels", to=7)),
        ("GET", SERVICE, _set("metadata", to="x")),
        ("GET", SERVICE, _set("metadata", "labels", to=["x"])),
        ("GET", SERVICE, _set("metadata", to={"name": "x"})),
        ("GET", SERVICE, _set("spec", "ports", to=7)),
        ("GET", SERVICE, _set("spec", "selector", to="xy")),
    ],
    ids=["pod", "pod's labels", "metadata", "labels", "no uid", "ports", "selector"],
)
def test_a_malformed_object_ends_the_registration(
    cluster: Cluster, gateway: Gateway, method: str, where: str, rewrite: Callable[[bytes], bytes]
) -> None:
    cluster.register("a")
    pod = cluster.pod("a")
    gateway.rule(method, where, rewrite=rewrite)

    run = cluster.registrar(pod, "--timeout", "5s", server=gateway.url)
    assert run.code == 1
    assert run.last_line.partition("ERROR ")[2].startswith("cannot ")
    assert "bug" not in run.last_line


def test_an_endless_list_ends_the_run(cluster: Cluster, gateway: Gateway) -> None:
    numbers = iter(range(1_000_000))
    endless = edited(lambda answer: answer["metadata"].update({"continue": f"page-{next(numbers)}"}))

    def rewrite(_body: bytes) -> bytes:
        return endless(b'{"kind": "ServiceList", "metadata": {}, "items": []}')

    gateway.rule("GET", LISTS, times=None, reply=Reply(200, b"{}"), rewrite=rewrite)

    run = cluster.janitor(server=gateway.url)
    assert run.code == 1
    assert "cannot list Services: the list does not end after 1000 pages" in run.last_line
    assert len(gateway.requests) == 1000


def test_a_proxy_that_ends_tls_gets_no_token(cluster: Cluster, api: ApiServer, tmp_path: Path) -> None:
    with ConnectProxy() as proxy, Gateway(api, ca=CertificateAuthority(tmp_path)) as between:
        server = f"https://198.18.0.9:{between.url.rpartition(':')[2]}"
        run = cluster.janitor("--dry-run", server=server, HTTPS_PROXY=f"http://{proxy.address}")
        assert between.requests == []
    assert run.code == 1
    assert (
        f"the certificate of {server} through the proxy http://{proxy.address} (HTTPS_PROXY) does not" in run.last_line
    )
    assert proxy.targets == [server.removeprefix("https://")]
