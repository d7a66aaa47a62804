"""Evaluate ValidatingAdmissionPolicies as the API server does, with CEL's C++ implementation (cel-expr-python).

Only the standard language, the strings extension and Kubernetes' `sum` are available: an expression that needs more
does not compile. The objects are untyped, as in the API server. https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

Object = dict[str, Any]
_INPUTS = ("object", "oldObject", "request")
# Of https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-list-library
_SUM = cel.FunctionDecl(
    "sum",
    [cel.Overload("sum", return_type=cel.Type.INT, parameters=[cel.Type.List(cel.Type.INT)], is_member=True, impl=sum)],
)
_VARIABLE = re.compile(r"\bvariables\.(\w+)")


@cache
def _compiled(expression: str) -> Any:
    inputs = dict.fromkeys(_INPUTS, cel.Type.DYN)
    environment = cel.NewEnv(variables=inputs, extensions=[ext_strings.ExtStrings()], functions=[_SUM])
    return environment.compile(expression)


def evaluate(expression: str, request: Object) -> bool:
    """Whether the expression is true. An error counts as false, as with failurePolicy Fail."""
    inputs = {"object": request.get("object"), "oldObject": request.get("oldObject"), "request": request}
    answer = _compiled(expression).eval(data=inputs)
    return answer.type() == cel.Type.BOOL and answer.value() is True


@dataclass(frozen=True)
class Policy:
    """One policy with its binding."""

    policy: Object
    binding: Object

    @property
    def name(self) -> str:
        return str(self.policy["metadata"]["name"])

    @cached_property
    def variables(self) -> dict[str, str]:
        """Each variable with earlier ones inlined: the API server, too, evaluates a variable only where it is used."""
        known: dict[str, str] = {}
        for variable in self.policy["spec"].get("variables", ()):
            known[variable["name"]] = _put_in(variable["expression"], known)
        return known

    def expressions(self) -> dict[str, str]:
        """All expressions: conditions by name, validations by message."""
        spec = self.policy["spec"]
        conditions = {each["name"]: each["expression"] for each in spec.get("matchConditions", ())}
        return conditions | {
            each["message"]: _put_in(each["expression"], self.variables) for each in spec["validations"]
        }

    def concerns(self, request: Object, namespace_labels: Mapping[str, str]) -> bool:
        """Do the policy's constraints, its binding and its conditions match?"""
        spec = self.policy["spec"]
        selected = self.binding["spec"]["matchResources"]["namespaceSelector"]["matchLabels"]
        conditions = (each["expression"] for each in spec.get("matchConditions", ()))
        return (
            any(_matches(rule, request) for rule in spec["matchConstraints"]["resourceRules"])
            and selected.items() <= namespace_labels.items()
            and all(evaluate(condition, request) for condition in conditions)
        )

    def objections(self, request: Object) -> list[str]:
        """The message of each validation that fails."""
        messages = [each["message"] for each in self.policy["spec"]["validations"]]
        return [message for message in messages if not evaluate(self.expressions()[message], request)]


def load(objects: Iterable[Object]) -> list[Policy]:
    """The policies among `objects`, each with its binding (exactly one)."""
    objects = [*objects]
    bindings: dict[str, list[Object]] = {}
    for each in objects:
        if each["kind"] == "ValidatingAdmissionPolicyBinding":
            bindings.setdefault(each["spec"]["policyName"], []).append(each)
    found = [each for each in objects if each["kind"] == "ValidatingAdmissionPolicy"]
    return [Policy(each, *bindings[each["metadata"]["name"]]) for each in found]


def objections(policies: Iterable[Policy], request: Object, namespace_labels: Mapping[str, str]) -> list[str]:
    """Why the request is denied, as `policy: message`; [] if it is allowed."""
    return [
        f"{policy.name}: {message}"
        for policy in policies
        if policy.concerns(request, namespace_labels)
        for message in policy.objections(request)
    ]


def _put_in(expression: str, known: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: f"({known[match[1]]})", expression)


def _matches(rule: Object, request: Object) -> bool:
    kind = request["resource"]
    asked = "/".join(filter(None, (kind["resource"], request.get("subResource"))))
    return (
        kind["group"] in rule["apiGroups"]
        and kind["version"] in rule["apiVersions"]
        and request["operation"] in rule["operations"]
        and (asked in rule["resources"] or (f"{kind['resource']}/*" in rule["resources"] and "/" in asked))
    )
