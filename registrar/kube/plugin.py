"""Gets a credential from a credentials plugin (`exec` of a kubeconfig), within the timeout.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from registrar.cli import secrets
from registrar.cli.failures import Failure
from registrar.kube import child, tls
from registrar.kube.access import Plugin, fits_header

_CONFIDENTIAL = re.compile("secret|passw|token|key|credential", re.IGNORECASE)
_NEVER = float("inf")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credential:
    """What a plugin returned. `expires` is in seconds since the epoch."""

    token: str | None = field(repr=False)
    certificate: bytes | None
    key: bytes | None = field(repr=False)
    expires: float = _NEVER

    def expired(self) -> bool:
        """Whether the plugin has to be asked again."""
        return time.time() > self.expires


def run(plugin: Plugin, environ: Mapping[str, str], deadline: float, stopping: Callable[[], bool]) -> Credential:
    """Run `plugin` until the `deadline` (monotonic). Raises Failure with the plugin's reason, but with no secret."""
    action = f"get credentials from the plugin {plugin.command}"
    command = shutil.which(plugin.command, path=environ.get("PATH", os.defpath))
    if not command:
        hint = " ".join(plugin.install_hint.split())
        raise Failure(action, "there is no such program", hint or "install it, or correct exec.command")
    interactive = plugin.interactive != "Never" and bool(sys.stdin and sys.stdin.isatty())
    if plugin.interactive == "Always" and not interactive:
        raise Failure(action, "it asks for input, and standard input is not a terminal", "run this in a terminal")
    confidential = secrets.Secrets()
    confidential.add(*_confidential(plugin))
    try:
        ended = child.run(
            [command, *plugin.args],
            {**environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": _info(plugin, interactive=interactive)},
            interactive=interactive,
            deadline=deadline,
            stopping=stopping,
            say=lambda line: log.warning("credentials plugin %s: %s", plugin.command, confidential.mask(line)),
        )
    except (OSError, ValueError) as error:
        raise Failure(action, f"it cannot be run: {getattr(error, 'strerror', None) or 'bad text'}") from None
    if not ended:
        reason = "the program was asked to stop" if stopping() else "it did not end within the timeout"
        raise Failure(action, reason, "run it by hand, or raise --timeout")
    if ended.exit_code:
        words = f": {confidential.mask(ended.last_words)}" if ended.last_words else ""
        raise Failure(action, f"it failed with exit code {ended.exit_code}{words}", "log in again, or run it by hand")
    return _credential(action, plugin.api_version, ended.output)


def _confidential(plugin: Plugin) -> Iterator[str]:
    """Values that a plugin may quote in an error: of its environment, and of arguments with a telling name."""
    yield from (value for _, value in plugin.env)
    for before, arg in zip(("", *plugin.args), plugin.args, strict=False):
        name, equals, value = arg.partition("=")
        if equals and _CONFIDENTIAL.search(name):
            yield value
        elif _CONFIDENTIAL.search(before) and before.startswith("-"):
            yield arg


def _info(plugin: Plugin, *, interactive: bool) -> str:
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.cluster:
        spec["cluster"] = json.loads(plugin.cluster)
    return json.dumps({"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec})


def _credential(action: str, version: str, output: bytes) -> Credential:
    """The credential in a plugin's output, of which no error quotes anything."""

    def wrong(reason: str) -> Failure:
        return Failure(action, f"its output {reason}", "update the plugin, or run it by hand")

    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        raise wrong("is not JSON") from None
    if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
        raise wrong("is not an ExecCredential")
    if answer.get("apiVersion") != version:
        raise wrong(f"is not of the kubeconfig's exec.apiVersion {version}")
    status = answer.get("status")
    return _of_status(status if isinstance(status, dict) else {}, wrong)


def _of_status(status: Mapping[str, Any], wrong: Callable[[str], Failure]) -> Credential:
    """The credential in an ExecCredential's status. Raises what `wrong` makes of the reason."""
    texts = {key: value or "" for key, value in status.items()}
    token, certificate, key = (texts.get(each, "") for each in ("token", "clientCertificateData", "clientKeyData"))
    expiry = texts.get("expirationTimestamp", "")
    if not all(isinstance(each, str) for each in (token, certificate, key, expiry)):
        raise wrong("has a field that is not a string")
    secrets.add(token, key)
    token, chain, private = token.strip(), certificate.encode(errors="replace"), key.encode(errors="replace")
    if not token and not chain:
        raise wrong("has neither a token nor a certificate")
    if not fits_header(token):
        raise wrong("has a token with characters that no HTTP header can carry")
    if bool(chain) != bool(private):
        raise wrong("has only one of certificate and key")
    if chain and not tls.is_pair(chain, private):
        raise wrong("has a certificate and a key that do not belong together, are encrypted, or are not in PEM format")
    try:
        expires = datetime.fromisoformat(expiry).timestamp() if expiry else _NEVER
    except ValueError:
        raise wrong("has an expirationTimestamp that is not a time") from None
    return Credential(token or None, chain or None, private or None, expires)
