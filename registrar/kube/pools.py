"""Makes urllib3 use sockets that end at a deadline (see `registrar.cli.deadline`)."""

import socket
from ssl import SSLContext

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from registrar.cli import deadline


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        """Like urllib3's own, which lets each address of a name have the whole timeout, even beyond the deadline."""
        try:
            return self._connected()
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError:
            raise LocationParseError(f"{self.host!r}, label empty or too long") from None
        except TimeoutError as error:
            raise ConnectTimeoutError(f"Connection to {self.host} timed out") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

    def _connected(self) -> deadline.Socket:
        """A connection, without TLS as yet, to the first address that accepts one."""
        host = self._dns_host.strip("[]")
        refused = OSError("the name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, self.port, allowed_gai_family(), socket.SOCK_STREAM
        ):
            made = deadline.Socket(family, kind, protocol)  # from which a proxy's answer to CONNECT is read, too
            try:
                for option in self.socket_options or ():
                    made.setsockopt(*option)
                made.settimeout(self.timeout)
                made.connect(address)
            except OSError as error:
                made.close()
                refused = error
            else:
                return made
        raise refused


class _TlsConnection(_Connection, HTTPSConnection):
    pass


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
