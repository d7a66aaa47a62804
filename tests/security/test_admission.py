"""The admission policies, each expression evaluated: they allow what our programs send, and refuse intruders."""

import json
import re

import pytest
import yaml

from registrar import contract
from registrar.kube import answers
from registrar.kube.answers import ApiError
from registrar.settings import Port
from tests.harness import admission, chart
from tests.harness.cluster import installed
from tests.harness.reviews import NAMESPACE_LABELS, Object, registrar_settings
from tests.security import janitor_cases, pod_cases, service_cases
from tests.security.writes import Case, labelling, registered, registration

POLICIES = admission.load(installed())
BY_NAME = {policy.name: policy for policy in POLICIES}
GROUPS = {
    "Service": service_cases.SERVICES,
    "own pod": pod_cases.PODS,
    "any pod": pod_cases.ANYBODY,
    "binding": pod_cases.BINDINGS,
    "kubelet": pod_cases.KUBELETS,
    "janitor": janitor_cases.JANITORS,
}
HASHING = [f"nodeproxy-{name}" for name in ("registrar-services", "registrar-pods", "agent-pods")]
LONGEST = ("a-0." * 64)[:252] + "z"  # 253 characters
CASES = {f"{group}: {name}": case for group, named in GROUPS.items() for name, case in named.items()}


def objections(request: Object) -> set[str]:
    return {each.partition(": ")[2] for each in admission.objections(POLICIES, request, NAMESPACE_LABELS)}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_request_breaks_exactly_these_validations(case: Case) -> None:
    request, broken = case
    assert objections(request) == set(broken)


def test_each_validation_fails_in_one_case_and_passes_in_another() -> None:
    clauses = {(policy.name, each["message"]) for policy in POLICIES for each in policy.policy["spec"]["validations"]}
    broken, kept = set(), set()
    for request, _ in CASES.values():
        for policy in POLICIES:
            if policy.concerns(request, NAMESPACE_LABELS):
                found = {(policy.name, message) for message in policy.objections(request)}
                broken |= found
                kept |= {clause for clause in clauses if clause[0] == policy.name} - found
    assert broken == kept == clauses


@pytest.mark.parametrize("policy", POLICIES, ids=BY_NAME)
def test_every_policy_fails_closed_and_denies(policy: admission.Policy) -> None:
    assert policy.policy["spec"]["failurePolicy"] == "Fail"
    assert policy.binding["spec"]["validationActions"] == ["Deny"]
    assert {each["reason"] for each in policy.policy["spec"]["validations"]} == {"Forbidden"}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_policy_applies_in_another_namespace(case: Case) -> None:
    elsewhere = {"kubernetes.io/metadata.name": "another"}
    assert not admission.objections(POLICIES, case[0], elsewhere)


@pytest.mark.parametrize("expression", ["object.metadata.nothing == ''", "1 + 1", "object.metadata.name"])
def test_an_expression_that_fails_or_is_not_boolean_counts_as_false(expression: str) -> None:
    assert not admission.evaluate(expression, {"object": {"metadata": {"name": "x"}}})


@pytest.mark.parametrize(
    "expression", ["object.?spec", "quantity('1').isGreaterThan(quantity('0'))", "cel.bind(a, 1, a)"]
)
def test_an_expression_beyond_standard_cel_does_not_compile(expression: str) -> None:
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):
        admission.evaluate(expression, {"object": {}})


def test_a_registrar_recognizes_these_policies_under_any_name_and_namespace() -> None:
    for policy in admission.load(chart.render({"name": "socks"}, namespace="project-socks")):
        binding = policy.binding["metadata"]["name"]
        message = f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding}' denied request: no"
        status = json.dumps({"kind": "Status", "reason": "Forbidden", "message": message}).encode()
        assert policy.name not in BY_NAME
        with pytest.raises(ApiError, match=r"docs/security\.md"):
            answers.read("patch", 403, {}, status)


@pytest.mark.parametrize("policy", POLICIES, ids=BY_NAME)
def test_values_in_a_list_or_map_have_one_type(policy: admission.Policy) -> None:
    """The API server does not compile `{'a': 'b', 'c': object.d}`, which CEL allows, and then denies all requests."""
    given = policy.policy["spec"]
    for each in [*given.get("variables", ()), *given["matchConditions"], *given["validations"]]:
        expression = re.sub(r"'[^']*'", "''", each["expression"])
        for literal in re.findall(r"\{([^{}]*)\}|(?<![\w)\]])\[([^\]]*)\]", expression):
            for item in filter(None, "".join(literal).split(", ")):
                assert re.fullmatch(r"(.*: )?(''|\[?\d+|string\([\w.]+\))", item), item


@pytest.mark.parametrize(("policy", "node"), [(policy, node) for policy in HASHING for node in ("a" * 70, LONGEST)])
def test_a_policy_computes_the_digits_of_the_contract(policy: str, node: str) -> None:
    for broken in (node, node[:-1] + "b"):
        expression = BY_NAME[policy].variables["digits"].replace(BY_NAME[policy].variables["node"], f"'{node}'")
        same = admission.evaluate(f"({expression}) == '{contract.digits(broken)}'", {})
        assert same is (broken == node)


def _said(policy: str, variable: str) -> object:
    """The value of a variable that is a CEL literal, which is also YAML."""
    return yaml.safe_load(BY_NAME[policy].variables[variable])


def test_the_policy_has_the_settings_of_the_registrar() -> None:
    told = registrar_settings("a")
    services = "nodeproxy-registrar-services"
    assert _said(services, "prefix") == told.service_prefix == contract.SERVICE_PREFIX
    assert _said(services, "key") == _said("nodeproxy-registrar-pods", "key") == told.node_label
    assert _said(services, "ours") == contract.SERVICE_LABELS
    assert _said(services, "ports") == [_port(port) for port in told.port]


def _port(port: Port) -> str:
    return f"{port.name}={port.port}:{port.target}/{port.protocol}"


@pytest.mark.parametrize("name", [f"n{'x' * length}" for length in (44, 45, 46, 62, 63, 64, 200)] + ["a.b", "a.b" * 20])
def test_a_registration_of_any_node_name_is_allowed(name: str) -> None:
    for request in (registration(name), registration(name, registered(name)), labelling(name)):
        assert objections(request) == set()
