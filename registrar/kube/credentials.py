"""Connections to the API server with the credentials of a kubeconfig or a pod.

The official client makes the connection pool. It does not read the kubeconfig: where it differs from kubectl, the
programs would act as somebody else or on another cluster (docs/configuration.md).
"""

import base64
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registrar.cli.failures import Failure
from registrar.kube import proxies, source, tls
from registrar.kube.access import Access
from registrar.kube.source import Source

if TYPE_CHECKING:
    from ssl import SSLContext

    from urllib3 import PoolManager

    from registrar.kube.plugin import Credential

log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 64  # kept open at the same time; the client's default is five per processor


@dataclass(frozen=True)
class Credentials:
    """A connection pool, and the headers that tell the API server who asks."""

    access: Access
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    pool: "PoolManager" = field(repr=False)
    proxy: proxies.Proxy | None
    credential: "Credential | None"

    @property
    def server(self) -> str:
        """URL of the API server, and the proxy in front of it, if any."""
        through = f" through the proxy {self.proxy.url} ({self.proxy.origin})" if self.proxy else ""
        return self.access.server + through

    @property
    def token(self) -> str | None:
        """The bearer token, if any."""
        return self.access.token or (self.credential.token if self.credential else None)

    def expired(self) -> bool:
        """Whether a plugin has to be asked again."""
        return self.credential is not None and self.credential.expired()


def load(
    origin: Source,
    *,
    relaxed: bool,
    deadline: float,
    stopping: Callable[[], bool],
    known: Credentials | None,
    refused: bool,
) -> Credentials:
    """Read the credentials, and run the plugin if there is one; it has until the `deadline` (monotonic).

    `known` is returned if nothing has changed, unless the API server `refused` it: it has open connections, and plugins
    ask people.
    """
    access = source.read(origin)
    if known and known.access.server != access.server:
        reason = f"{origin} names the server {access.server} now, not {known.access.server}"
        raise Failure("read the credentials again", reason, "restart the program if that is right")
    if known and known.access == access and not (refused or known.expired()):
        return known
    if not known or (known.access.insecure, known.access.is_https) != (access.insecure, access.is_https):
        _warn(access)
    credential = None
    if access.plugin:
        from registrar.kube import plugin

        credential = plugin.run(access.plugin, origin.environ, deadline, stopping)
    certificate, key = access.certificate, access.key
    token = access.token
    if credential:
        certificate, key, token = credential.certificate, credential.key, credential.token
    proxy = proxies.choose(access.server, access.proxy, origin.environ, str(origin))
    context = None
    if access.is_https:
        context = tls.context(access, certificate, key, origin.environ, relaxed=relaxed, where=str(origin))
    return Credentials(access, _headers(access, token), _pool(access, proxy, context), proxy, credential)


def _warn(access: Access) -> None:
    """Say what kubectl does too, and does not say."""
    if not access.is_https:
        log.warning("requests to %s are not encrypted, and carry no credentials; use an https:// server", access.server)
    elif access.insecure:
        log.warning(
            "the certificate of %s is not verified (insecure-skip-tls-verify), so whoever is on the way can read the "
            "credentials; use certificate-authority",
            access.server,
        )


def _headers(access: Access, token: str | None) -> tuple[tuple[str, str], ...]:
    if token:
        return (("Authorization", f"Bearer {token}"), *access.impersonation)
    if access.basic:
        encoded = base64.b64encode(":".join(access.basic).encode()).decode()
        return (("Authorization", f"Basic {encoded}"), *access.impersonation)
    return access.impersonation


def _pool(access: Access, proxy: proxies.Proxy | None, context: "SSLContext | None") -> "PoolManager":
    """The official client's connection pool, with our decision about the proxy and our TLS context."""
    import urllib3
    from kubernetes.client.configuration import Configuration
    from kubernetes.client.rest import RESTClientObject

    from registrar.kube import pools

    if access.insecure:  # the kubeconfig says so: no warning for each request
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    configuration = Configuration()
    configuration.host = access.server
    configuration.connection_pool_maxsize = _MAX_CONNECTIONS
    configuration.verify_ssl = not access.insecure
    configuration.ssl_ca_cert = os.devnull  # our context has the CAs; otherwise the client looks for Mozilla's
    configuration.tls_server_name = access.server_name
    configuration.proxy = proxy.url if proxy else None
    configuration.no_proxy = ""  # the decision is made: without a value, the client reads the environment again
    if proxy and proxy.authorization:
        configuration.proxy_headers = {"Proxy-Authorization": proxy.authorization}
    manager: PoolManager = RESTClientObject(configuration).pool_manager
    pools.limit(manager, context)
    return manager
