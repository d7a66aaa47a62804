"""What a kubeconfig or a pod says about the API server and the user, before anything is sent or run. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plugin:
    """A credentials plugin: the field `exec` of a user. `env` and `args` may hold secrets."""

    command: str
    args: tuple[str, ...] = field(repr=False)
    env: tuple[tuple[str, str], ...] = field(repr=False)
    api_version: str
    interactive: str  # Never, IfAvailable or Always
    install_hint: str
    cluster: str | None  # JSON for the plugin, if it asks for it


@dataclass(frozen=True)
class Access:
    """Server, trust, user and namespace. Two that are equal lead to the same server as the same user.

    Certificates and keys are PEM, read already: files may be gone when they are needed.
    """

    server: str
    namespace: str | None = None
    ca: bytes | None = None  # None: the system's
    insecure: bool = False
    server_name: str | None = None  # of the certificate, if it is not the URL's host
    proxy: str | None = field(default=None, repr=False)  # proxy-url
    token: str | None = field(default=None, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    impersonation: tuple[tuple[str, str], ...] = ()  # headers
    plugin: Plugin | None = None

    @property
    def is_https(self) -> bool:
        """Whether credentials are sent: kubectl sends none to an http:// server."""
        return self.server.startswith("https:")


def fits_header(token: str) -> bool:
    """Whether an HTTP header can carry `token`."""
    return token.isascii() and token.isprintable()
