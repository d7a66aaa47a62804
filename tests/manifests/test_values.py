"""Values of the chart: each is documented, and a wrong or unknown one is refused with its name."""

import copy
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from janitor.settings import COMMAND as JANITOR
from registrar import contract
from registrar.settings import COMMAND as REGISTRAR
from tests.harness import chart, versions
from tests.harness.chart import CHART, RefusedError, environment, render, template, the
from tests.manifests.components import COMPONENTS, NEEDS, merge

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
WRONG: dict[type, Any] = {str: [], bool: "yes", int: "many", list: "one", dict: "none"}
NOT_GIVEN_AS_SETTINGS = {"KUBECONFIG", "CONTEXT", "NAMESPACE", "SELECTOR", "NODE_LABEL", "DRY_RUN"}


def leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def groups(values: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all objects whose keys the schema lists."""
    yield path
    for key, value in values.items():
        if isinstance(value, dict) and value and not takes_any_key(key):
            yield from groups(value, (*path, key))


def takes_any_key(key: str) -> bool:
    """Is it an object of labels, or of quantities?"""
    return key in ("labels", "requests", "limits")


def nested(path: tuple[str, ...], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def definition(path: tuple[str, ...]) -> Any:
    """What the schema says of a value."""
    found: Any = SCHEMA
    for key in path:
        found = found["properties"][key]
        if "$ref" in found:
            found = SCHEMA["definitions"][found["$ref"].rpartition("/")[2]]
    return found


LEAVES = dict(leaves(VALUES))
CLOSED = [path for path in LEAVES if not any(takes_any_key(key) for key in path[:-1])]


def objections(values: dict[str, Any]) -> list[str]:
    """What the schema has against the defaults with these values."""
    merged = copy.deepcopy(VALUES)
    merge(merged, values)
    found = Draft7Validator(SCHEMA).iter_errors(merged)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


@pytest.mark.parametrize("path", CLOSED, ids=".".join)
def test_a_value_of_a_wrong_type_is_refused_by_name(path: tuple[str, ...]) -> None:
    [said] = objections(nested(path, WRONG[type(LEAVES[path])]))
    assert said.startswith(f"{'.'.join(path)}: ")


@pytest.mark.parametrize("path", [*groups(VALUES)], ids=lambda path: ".".join(path) or "top")
def test_an_unknown_value_is_refused_by_name(path: tuple[str, ...]) -> None:
    [said] = objections(nested((*path, "surprise"), value=True))
    assert said.startswith(f"{'.'.join(path)}: ")
    assert "'surprise' was unexpected" in said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"agent": {"sruge": True}}, "at '/agent': additional properties 'sruge' not allowed"),
        ({"agent": {"surge": "yes"}}, "at '/agent/surge': value must be one of 'auto', true, false"),
        ({"name": "Nodeproxy"}, "at '/name'"),
        ({"agent": {"clients": [{"node": "node-bj-01"}]}}, "at '/agent/clients/0'"),
        ({"agent": {"clients": [{"node": "Beijing", "podSelector": {}}]}}, "at '/agent/clients/0/node'"),
        ({"commonLabels": {"app": "x"}}, "invalid propertyName 'app'"),
        ({"commonLabels": {"target-node": "x"}}, "commonLabels.target-node: the registrar sets this label"),
        ({"service": {"nodeLabel": "app"}}, "at '/service/nodeLabel'"),
        ({"sites": ["Beijing"]}, "at '/sites/0': 'Beijing' does not match pattern"),
        ({"sites": ["cn.north"]}, "at '/sites/0'"),
        ({"sites": ["a", "a"]}, "at '/sites': items at 0 and 1 are equal"),
        ({"sites": ["s" * 49]}, f"sites: the Service's name nodeproxy-site-{'s' * 49} is longer than 63 characters"),
        ({"inject": {"noProxy": "a', b"}}, "at '/inject/noProxy'"),
        ({"registrar": {"image": {"digest": "sha256:12"}}}, "at '/registrar/image/digest'"),
        ({"janitor": {"settings": {"JANITOR_GRACE_PERIOD": 24}}}, "at '/janitor/settings/JANITOR_GRACE_PERIOD'"),
    ],
    ids=str,
)
def test_helm_refuses_what_the_schema_does(values: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(said)):
        render(values)


def test_the_defaults_are_valid() -> None:
    assert objections({}) == []


def test_every_value_has_a_comment() -> None:
    """Above it. A key of an object that holds values needs none."""
    lines = (CHART / "values.yaml").read_text().splitlines()
    bare = [
        line
        for before, line in pairwise(lines)
        if re.match(r" {,4}\w+: ", line) and not before.lstrip().startswith("#")
    ]
    assert bare == []


def test_the_schema_knows_every_value_and_no_other() -> None:
    for path in groups(VALUES):
        properties = set(definition(path)["properties"])
        value: Any = VALUES
        for key in path:
            value = value[key]
        assert properties - set(value) <= {"global", "claims"}, path


@pytest.mark.parametrize(("program", "command"), [("registrar", REGISTRAR), ("janitor", JANITOR)])
def test_settings_are_those_of_the_program(program: str, command: Any) -> None:
    prefix = f"{program.upper()}_"
    mine = {option.env for option in command.options if option.env.startswith(prefix)}
    listed = set(SCHEMA["properties"][program]["properties"]["settings"]["properties"])
    fixed = {name for kind in ("CronJob", "Deployment") for name in given(kind) if name.startswith(prefix)}

    assert listed <= mine
    left = {name.removeprefix(prefix) for name in mine - listed - fixed}
    assert left <= NOT_GIVEN_AS_SETTINGS


def given(kind: str) -> set[str]:
    """All variables that the chart itself sets somewhere."""
    metrics = {"podMonitor": {"enabled": True}, "pushgateway": {"existingSecret": "x"}}
    values = {"janitor": {"kind": kind, "events": True}, "registrar": {"resync": "1m"}, "metrics": metrics}
    values["admission"] = {"labelPods": True}
    objects = render(values)
    older = render({"sites": ["beijing"]}, kubernetes="1.34")
    agents = (environment(template(each, "DaemonSet"), "registrar") for each in (objects, older))
    return {*environment(template(objects, kind), "janitor"), *(name for each in agents for name in each)}


# ---- the cluster's version


@pytest.mark.parametrize("minor", versions.minors())
def test_each_supported_release_has_manifests(minor: str) -> None:
    objects = render(kubernetes=minor)
    number = int(minor.partition(".")[2])
    agent = the(objects, "DaemonSet", "nodeproxy-agent")["spec"]
    job = the(objects, "CronJob", "nodeproxy-cleaner")

    assert ("maxSurge" in agent["updateStrategy"]["rollingUpdate"]) is (number >= 30)
    assert ("lifecycle" in agent["template"]["spec"]["containers"][0]) is (number >= 30)
    assert ("ValidatingAdmissionPolicy" in {each["kind"] for each in objects}) is (number >= 30)
    assert ("podFailurePolicy" in job["spec"]["jobTemplate"]["spec"]) is (number >= 26)
    assert job["apiVersion"] == ("batch/v1" if number >= 21 else "batch/v1beta1")


RIGHT_ON_NODES = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}


@pytest.mark.parametrize(
    ("kubernetes", "key", "rights"),
    [("1.34", "topology.kubernetes.io/zone", [[RIGHT_ON_NODES]]), ("1.35", None, [])],
)
def test_the_registrar_copies_the_site_before_kubernetes_does(
    kubernetes: str, key: str | None, rights: list[Any]
) -> None:
    objects = render({"sites": ["beijing"]}, kubernetes=kubernetes)
    env = environment(template(objects, "DaemonSet"), "registrar")
    roles = [each for each in objects if each["kind"] == "ClusterRole" and "registrar" in each["metadata"]["name"]]
    assert env.get("REGISTRAR_COPY_NODE_LABEL") == key
    assert [each["rules"] for each in roles] == rights


@pytest.mark.parametrize("component", NEEDS)
def test_a_value_that_needs_a_newer_release_is_refused_on_an_older_one(component: str) -> None:
    needed = NEEDS[component].since
    with pytest.raises(
        RefusedError, match=rf"needs Kubernetes 1\.{needed} or newer; this cluster has v1\.{needed - 1}"
    ):
        render(COMPONENTS[component], kubernetes=f"1.{needed - 1}")
    render(COMPONENTS[component], kubernetes=f"1.{needed}")


def test_an_older_cluster_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"kubeVersion: >=1\.20\.0-0"):
        render(kubernetes="1.19")


def test_what_is_off_asks_for_nothing() -> None:
    objects = render({"agent": {"surge": False}, "admission": {"enabled": False}})
    agent = the(objects, "DaemonSet", "nodeproxy-agent")["spec"]

    assert agent["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": "10%"}
    assert "terminationGracePeriodSeconds" not in agent["template"]["spec"]
    assert not [each for each in objects if each["kind"].startswith("ValidatingAdmission")]


def test_a_site_has_a_service_with_the_ports_of_the_nodes_and_no_label_of_theirs() -> None:
    ports = [{"name": "http-proxy", "port": 8888}, {"name": "socks", "port": 1080, "targetPort": "http"}]
    objects = render({"name": "socks", "sites": ["beijing"], "service": {"ports": ports}})
    service = the(objects, "Service", "socks-site-beijing")

    assert service["spec"]["selector"] == {"app": "socks-agent", "topology.kubernetes.io/zone": "beijing"}
    assert service["spec"]["ports"] == [
        {"name": "http-proxy", "port": 8888, "targetPort": 8888, "protocol": "TCP"},
        {"name": "socks", "port": 1080, "targetPort": "http", "protocol": "TCP"},
    ]
    assert not {*contract.SERVICE_LABELS, contract.NODE_LABEL} & {*service["metadata"]["labels"]}


# ---- values that do not go together


@pytest.mark.parametrize(
    "proxy",
    [{"command": ["x"]}, {"args": ["x"]}, {"files": {"x": "y"}}, {"filesSecret": "x"}],
    ids=lambda proxy: next(iter(proxy)),
)
def test_another_program_beside_tinyproxy_is_refused(proxy: dict[str, Any]) -> None:
    name = next(iter(proxy))
    with pytest.raises(RefusedError, match=rf"proxy\.{name} is for another program than tinyproxy"):
        render({"proxy": proxy})


@pytest.mark.parametrize(
    "port", [{"targetPort": "socks"}, {"targetPort": "http", "protocol": "UDP"}], ids=["another name", "not over TCP"]
)
def test_a_port_of_the_service_that_leads_nowhere_is_refused(port: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match=rf"service\.ports: targetPort {port['targetPort']} leads nowhere"):
        render({"service": {"ports": [{"name": "x", "port": 1080, **port}]}})


def test_a_namespace_of_digits_stays_a_text() -> None:
    printer = {"name": "printer", "node": "node-bj-01", "host": "192.168.1.100", "port": 9100, "namespace": "1e5"}
    objects = render({"destinations": [printer]}, namespace="10042")
    assert {each["metadata"].get("namespace") for each in objects} == {"10042", "1e5", None}
    assert environment(template(objects, "DaemonSet"), "registrar")["POD_NAMESPACE"] == "10042"


def test_clients_of_a_node_with_a_shortened_label_have_a_policy_with_a_valid_name() -> None:
    label = f"{'a' * 51}.-0123456789"
    clients = [{"node": label, "namespaceSelector": {"matchLabels": {"team": "a"}}}]
    objects = render({"networkPolicy": {"enabled": True}, "agent": {"clients": clients}})
    policy = the(objects, "NetworkPolicy", f"nodeproxy-clients-of-{'a' * 51}--0123456789")
    assert policy["spec"]["podSelector"]["matchLabels"][contract.NODE_LABEL] == label


def test_a_setting_wins_over_what_the_chart_sets_itself() -> None:
    values = {"metrics": {"podMonitor": {"enabled": True}}, "janitor": {"settings": {"JANITOR_LINGER": "5m"}}}
    assert environment(template(render(values), "CronJob"), "janitor")["JANITOR_LINGER"] == "5m"


def test_a_changed_configuration_is_a_rollout() -> None:
    one, other = (template(render(values), "DaemonSet") for values in ({}, {"tinyproxy": {"timeout": 60}}))
    assert one != other
    socks = chart.example("pgbouncer")
    socks["proxy"]["files"]["pgbouncer.ini"] += "; more"
    assert template(render(socks), "DaemonSet") != template(render(chart.example("pgbouncer")), "DaemonSet")


def test_labels_of_the_users_are_on_everything_and_in_no_selector() -> None:
    values = {"commonLabels": {"team": "net"}, "networkPolicy": {"enabled": True}}
    objects, without = render(values), render({"networkPolicy": {"enabled": True}})
    assert {each["metadata"]["labels"]["team"] for each in objects} == {"net"}
    assert {template(objects, kind)["metadata"]["labels"]["team"] for kind in ("DaemonSet", "CronJob")} == {"net"}
    for one, other in zip(objects, without, strict=True):
        for key in ("selector", "podSelector", "ingress", "validations"):
            assert one.get("spec", {}).get(key) == other.get("spec", {}).get(key)


def test_a_node_selector_adds_to_linux() -> None:
    values = {"nodeSelector": {"team": "a", "kubernetes.io/os": "windows"}}
    objects = render({"agent": values, "janitor": values})
    for kind in ("DaemonSet", "CronJob"):
        assert template(objects, kind)["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux", "team": "a"}


def test_a_monitor_may_have_one_of_our_labels_changed() -> None:
    label = {"app.kubernetes.io/instance": "kube-prometheus-stack"}
    objects = render({"metrics": {"podMonitor": {"enabled": True, "labels": label}}})
    assert label.items() <= the(objects, "PodMonitor", "nodeproxy-janitor")["metadata"]["labels"].items()


def test_the_notes_say_how_to_verify_and_who_may_use_it(notes: Any) -> None:
    assert "rollout status daemonset/nodeproxy-agent" in notes({})
    assert "ANY pod of the cluster may use it" in notes({})
    assert "ANY pod" not in notes({"networkPolicy": {"enabled": True}})


def test_the_notes_say_which_tinyproxy_another_image_must_have(notes: Any) -> None:
    """The default image has it."""
    image = {"proxy": {"image": {"repository": "mine/tinyproxy"}}}
    assert "1.11.2" not in notes({})
    assert "mine/tinyproxy must have tinyproxy 1.11.1 or newer, and 1.11.2 or newer if the cluster" in notes(image)
    assert "1.11.2" not in notes({**image, "tinyproxy": {"enabled": False}})


def test_the_notes_list_destinations(notes: Any) -> None:
    values = {"destinations": [{"name": "db-bj", "node": "node-bj-01", "host": "192.168.1.50", "port": 5432}]}
    assert "db-bj.project-nodeproxy:5432 leads to 192.168.1.50:5432 through node-bj-01" in notes(values)


@pytest.fixture
def notes() -> Any:
    """What helm prints after an installation with these values."""

    def printed(values: dict[str, Any]) -> str:
        command = ["install", "x", str(CHART), "--dry-run=client", "--values=-", "--namespace=project-nodeproxy"]
        return chart.helm(*command, stdin=json.dumps(values)).partition("NOTES:")[2]

    return printed
