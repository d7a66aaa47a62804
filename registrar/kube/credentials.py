"""Finds the API server and the credentials for it, and loads them with the official client."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registrar.cli.failures import Failure, SettingsError
from registrar.cli.parsing import is_base_url

if TYPE_CHECKING:
    from urllib3 import PoolManager

_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
MAX_CONNECTIONS = 64  # kept open at the same time; the client's default is five per processor
_ORDER = "set --kubeconfig or KUBECONFIG, or run in a pod with a mounted ServiceAccount token"


@dataclass(frozen=True)
class Source:
    """Where the credentials come from. `kubeconfig` None means in-cluster."""

    kubeconfig: str | None
    context: str | None = None

    def __str__(self) -> str:
        if self.kubeconfig is None:
            return "in-cluster"
        return f"kubeconfig {self.kubeconfig}" + (f", context {self.context}" if self.context else "")


def find(flag: str | None, context: str | None, environ: Mapping[str, str]) -> Source:
    """The first that exists of: the flag, `KUBECONFIG`, in-cluster, `~/.kube/config`. Raises SettingsError if none."""
    if flag or environ.get("KUBECONFIG"):
        return Source(flag or environ["KUBECONFIG"], context)
    if environ.get("KUBERNETES_SERVICE_HOST"):
        if context:
            raise SettingsError("--context", "no kubeconfig is in use: access is in-cluster")
        return Source(None)
    home = os.path.join(environ.get("HOME", "/"), ".kube", "config")
    if os.path.isfile(home):
        return Source(home, context)
    raise SettingsError("--kubeconfig", f"no API server is configured; {_ORDER}")


def load(source: Source) -> tuple[Any, str | None]:
    """The client's `Configuration`, and the namespace that the credentials name, if any.

    Raises SettingsError for a kubeconfig that is missing or wrong, Failure for a pod without its token or CA.
    """
    from kubernetes.client.configuration import Configuration

    configuration = Configuration()
    configuration.connection_pool_maxsize = MAX_CONNECTIONS
    if source.kubeconfig is None:
        return configuration, _in_cluster(configuration)
    return configuration, _from_kubeconfig(source, configuration)


def _in_cluster(configuration: Any) -> str | None:
    """Fill `configuration`; the ServiceAccount's namespace. PyYAML, which only a kubeconfig needs, is not imported."""
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.incluster_config import load_incluster_config

    try:
        load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise Failure(
            "use the pod's ServiceAccount",
            f"{error} ({_SERVICE_ACCOUNT})",
            "mount a projected token, the cluster's ca.crt and the namespace there",
        ) from error
    try:
        with open(f"{_SERVICE_ACCOUNT}/namespace", encoding="utf-8") as file:
            return file.read().strip() or None
    except OSError:
        return None


def _from_kubeconfig(source: Source, configuration: Any) -> str | None:
    """Fill `configuration`; the context's namespace."""
    from kubernetes.config import ConfigException, list_kube_config_contexts, load_kube_config
    from yaml import YAMLError

    try:
        load_kube_config(source.kubeconfig, source.context, configuration, persist_config=False)
        contexts, active = list_kube_config_contexts(source.kubeconfig)
        named = [context for context in contexts if context["name"] == source.context]
        namespace = (named[0] if named else active)["context"].get("namespace")
    except (ConfigException, OSError, YAMLError, ValueError, TypeError, AttributeError) as error:
        # For a malformed file, the client raises whatever Python raises first.
        text = " ".join(str(error).split())
        raise SettingsError("--kubeconfig", f"cannot use {source}: {text}; try `kubectl config view`") from error
    if not is_base_url(configuration.host):
        reason = f"cannot use {source}: its server {configuration.host!r} is not a URL; try `kubectl config view`"
        raise SettingsError("--kubeconfig", reason)
    return str(namespace) if namespace else None


def bearer_token(configuration: Any) -> str | None:
    """The token that each request carries, if any."""
    header = (configuration.auth_settings().get("BearerToken") or {}).get("value") or ""
    scheme, _, token = header.partition(" ")
    return token if scheme.lower() == "bearer" else None


def pool(configuration: Any, *, relaxed: bool) -> "PoolManager":
    """The client's connection pool. `relaxed` verifies certificates without Python 3.13's strict X.509 rules.

    https://github.com/kubernetes-client/python/issues/2394
    """
    from kubernetes.client.rest import RESTClientObject

    manager: PoolManager = RESTClientObject(configuration).pool_manager
    if relaxed:
        from urllib3.util.ssl_ import create_urllib3_context

        context = create_urllib3_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        manager.connection_pool_kw["ssl_context"] = context
    return manager
