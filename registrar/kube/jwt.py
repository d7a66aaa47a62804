"""Reads the claims of a JSON Web Token. It is not verified: the API server does that. Pure."""

import base64
import json
from collections.abc import Mapping
from typing import Any

_MAX_TOKEN = 64 * 1024  # characters; a longer one does not fit an HTTP header


def payload(token: str) -> Mapping[str, Any]:
    """The claims of `token`; empty if it is not a JWT."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _MAX_TOKEN:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
