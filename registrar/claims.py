"""Compares the settings with the claims of the pod's own token, which is bound to the pod and its node. Pure.

The token is not verified: the API server does that. The comparison catches a pod that is given another pod's name.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#schema-for-service-account-private-claims
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from registrar.cli.failures import SettingsError
from registrar.settings import Settings

_MAX_TOKEN = 64 * 1024  # characters; a longer one does not fit an HTTP header


def check(settings: Settings, token: str | None) -> None:
    """Raise SettingsError if `token` is bound to another node or pod than the settings name.

    A token without these claims is accepted: before Kubernetes 1.29 it names no node, and other credentials no pod.
    """
    claims = _bound_to(token or "")
    for setting, given, kind, field in (
        ("NODE_NAME (--node-name)", settings.node_name, "node", "name"),
        ("POD_NAME (--pod-name)", settings.pod_name, "pod", "name"),
        ("POD_UID (--pod-uid)", settings.pod_uid, "pod", "uid"),
    ):
        claim = claims.get(kind)
        bound = claim.get(field) if isinstance(claim, dict) else None
        if isinstance(bound, str) and bound != given:
            raise SettingsError(setting, f"{given!r}, but the token is bound to {kind} {field} {bound!r}")


def _bound_to(token: str) -> Mapping[str, Any]:
    """The claim `kubernetes.io` of a JWT; empty if there is none."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _MAX_TOKEN:
        return {}
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    claims = payload.get("kubernetes.io") if isinstance(payload, dict) else None
    return claims if isinstance(claims, dict) else {}
