"""Makes urllib3 use sockets that end at a deadline (see `registrar.cli.deadline`)."""

import socket
from ssl import SSLContext

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from registrar.cli import deadline


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return deadline.limited(super()._new_conn())


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return deadline.limited(super()._new_conn())  # a proxy's answer to CONNECT is read from it without TLS


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def limit(manager: PoolManager, context: SSLContext | None) -> None:
    """Make all connections of `manager`, which has opened none yet, obey `deadline.until`."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    if context:
        context.sslsocket_class = deadline.TlsSocket
    # The context has the CA: without one the client would trust Mozilla's, in addition to those of the context too.
    manager.connection_pool_kw |= {"ssl_context": context, "ca_certs": None}
