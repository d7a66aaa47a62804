"""Finds what configures access to the API server, where kubectl would, and reads it."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from registrar.cli import secrets
from registrar.cli.failures import Failure, SettingsError
from registrar.kube.access import Access, fits_header

_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_ORDER = "set --kubeconfig or KUBECONFIG, or run in a pod with a mounted ServiceAccount token"


@dataclass(frozen=True)
class Source:
    """Where the credentials come from. `kubeconfig` has one path, or several separated by colons; None is in-cluster.

    `environ` is the process's environment. `explicit`: the file was named by a flag, so it has to exist.
    """

    kubeconfig: str | None
    context: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    explicit: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        if self.kubeconfig is None:
            return "in-cluster"
        return f"kubeconfig {self.kubeconfig}" + (f", context {self.context}" if self.context else "")


def find(flag: str | None, context: str | None, environ: Mapping[str, str]) -> Source:
    """The first that exists of: the flag, `KUBECONFIG`, `~/.kube/config`, in-cluster. Raises SettingsError if none."""
    if flag or environ.get("KUBECONFIG"):
        return Source(flag or environ["KUBECONFIG"], context, environ, explicit=bool(flag))
    home = os.path.join(environ.get("HOME", ""), ".kube", "config")
    if _is_there(home):
        return Source(home, context, environ)
    if not environ.get("KUBERNETES_SERVICE_HOST"):
        raise SettingsError("--kubeconfig", f"no API server is configured; {_ORDER}")
    if context:
        raise SettingsError("--context", "no kubeconfig is in use: access is in-cluster")
    return Source(None, None, environ)


def _is_there(path: str) -> bool:
    """Whether `path` exists. If that cannot be told, `read` fails as kubectl does, and nobody acts as somebody else."""
    try:
        os.stat(path)
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
    return True


def read(source: Source) -> Access:
    """What the kubeconfig or the pod says now.

    Raises SettingsError for a kubeconfig that is missing, wrong or not supported, Failure for a pod without its token
    or CA.
    """
    if source.kubeconfig is None:
        return _in_cluster(source.environ)
    from registrar.kube import fields, kubeconfig

    paths = [source.kubeconfig] if source.explicit else source.kubeconfig.split(os.pathsep)
    paths = [*dict.fromkeys(filter(None, paths))]
    return fields.access(kubeconfig.choose(paths, source.context, required=source.explicit))


def _in_cluster(environ: Mapping[str, str]) -> Access:
    """PyYAML, which only a kubeconfig needs, is not imported."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT") or "443"
    if not re.fullmatch(r"[-.:\w]+", host, re.ASCII) or not port.isdecimal():
        raise SettingsError("KUBERNETES_SERVICE_HOST", "it and KUBERNETES_SERVICE_PORT are not a host and a port")
    token, ca = _mounted("token").decode(errors="replace").strip(), _mounted("ca.crt")
    secrets.add(token)
    if not token or not fits_header(token):
        raise _unmounted("token", "it is empty, or has characters that no HTTP header can carry")
    namespace = environ.get("POD_NAMESPACE")
    if not namespace:
        with suppress(Failure):
            namespace = _mounted("namespace").decode(errors="replace").strip()
    return Access(f"https://{f'[{host}]' if ':' in host else host}:{port}", namespace or None, ca, token=token)


def _mounted(name: str) -> bytes:
    try:
        with open(f"{_SERVICE_ACCOUNT}/{name}", "rb") as file:
            return file.read()
    except OSError as error:
        raise _unmounted(name, error.strerror or "it cannot be read") from error


def _unmounted(name: str, reason: str) -> Failure:
    next_step = "mount a projected token, the cluster's ca.crt and the namespace there"
    return Failure("use the pod's ServiceAccount", f"{_SERVICE_ACCOUNT}/{name}: {reason}", next_step)
