"""Who the registrar is: its pod and its node, from the settings and the pod's own bound token. Pure.

The token is not verified: the API server does that. Comparing it with the settings catches a pod that is given another
pod's name.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#schema-for-service-account-private-claims
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registrar.cli.failures import SettingsError
from registrar.kube import jwt
from registrar.settings import Settings


@dataclass(frozen=True)
class Identity:
    """The own pod, and the node that it runs on."""

    node: str
    pod: str
    uid: str
    namespace: str


def identity(settings: Settings, token: str | None, namespace: str | None) -> Identity:
    """What the settings say, or else `token`. `namespace` is that of the credentials: it counts if neither names one.

    Raises SettingsError if the settings and the token contradict each other, or if neither knows.
    """
    bound = jwt.payload(token or "").get("kubernetes.io")
    bound = bound if isinstance(bound, dict) else {}
    pod, node = _map(bound, "pod"), _map(bound, "node")
    return Identity(
        node=_agreed("NODE_NAME", "node name", settings.node_name, node.get("name"), "spec.nodeName"),
        pod=_agreed("POD_NAME", "pod name", settings.pod_name, pod.get("name"), "metadata.name"),
        uid=_agreed("POD_UID", "pod uid", settings.pod_uid, pod.get("uid"), "metadata.uid"),
        namespace=_agreed(
            "POD_NAMESPACE",
            "a pod of namespace",
            settings.namespace,
            bound.get("namespace") if pod else None,
            "metadata.namespace",
            otherwise=namespace,
        ),
    )


def _map(claims: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = claims.get(key)
    return value if isinstance(value, dict) else {}


def _agreed(variable: str, what: str, given: str | None, claim: object, ref: str, otherwise: str | None = None) -> str:
    """The value that the setting and the claim agree on, or the one that there is."""
    name = f"{variable} (--{'namespace' if variable == 'POD_NAMESPACE' else variable.lower().replace('_', '-')})"
    bound = claim if isinstance(claim, str) else None
    if given and bound and given != bound:
        raise SettingsError(name, f"{given!r}, but the token is bound to {what} {bound!r}")
    if not (found := given or bound or otherwise):
        raise SettingsError(name, f"it is not set; downward API: fieldRef {ref}")
    return found
