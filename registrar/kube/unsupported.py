"""What kubectl accepts in a kubeconfig or the environment and these programs refuse, and what to use instead. Pure.

docs/configuration.md lists this table, and the error line of each refusal is made from it.
"""

from typing import NamedTuple

from registrar.cli.failures import SettingsError


class Unsupported(NamedTuple):
    """A field of a kubeconfig or a variable, which values of it are refused, and what to use instead."""

    field: str
    refused: str
    instead: str

    def error(self, where: str) -> SettingsError:
        """The refusal of a field. `where` names the file and the entry. The value may be a secret and is not shown."""
        reason = f"cannot use {where}: {self.field} {self.refused} is not supported; {self.instead}"
        return SettingsError("--kubeconfig", reason)

    def error_of(self, variable: str) -> SettingsError:
        """The refusal of an environment variable."""
        return SettingsError(variable, f"a value {self.refused} is not supported; {self.instead}")


SERVER = Unsupported(
    "server",
    "that is not an http or https URL, or has a user, query or fragment in it",
    "use a URL such as https://host:6443",
)
PROXY = Unsupported(
    "proxy-url", "that is not an http:// URL (https and SOCKS proxies)", "use http://[user:password@]host:port"
)
PROXY_VARIABLE = Unsupported(
    "HTTPS_PROXY or HTTP_PROXY",
    "that is not an http:// URL or host:port (https and SOCKS proxies, a password with / or # in it)",
    "use http://[user:password@]host:port, percent-encoded, or name the API server in NO_PROXY",
)
TWO_SPELLINGS = Unsupported(
    "HTTPS_PROXY, HTTP_PROXY or NO_PROXY",
    "that differs from its lower-case spelling (releases of kubectl read one or the other)",
    "set both alike, or one of them",
)
AUTH_PROVIDER = Unsupported(
    "auth-provider",
    "other than oidc with an id-token that has not expired",
    "use an exec plugin such as `kubectl oidc-login`, or run any kubectl command, which renews an oidc id-token",
)
NO_USER = Unsupported(
    "user",
    "without credentials (kubectl asks for a user name and a password)",
    "name a user with credentials in the context",
)
IMPERSONATION = Unsupported("as", "with an http:// server", "use an https:// server")
EXEC_VERSION = Unsupported(
    "exec.apiVersion",
    "other than client.authentication.k8s.io/v1 and v1beta1",
    "update the plugin, and its apiVersion",
)
CURRENT_CONTEXT = Unsupported(
    "current-context",
    "that is not set (kubectl takes localhost:8080 or the cluster of its own pod)",
    "name a context with --context, or run `kubectl config use-context NAME`",
)
FILES = Unsupported(
    "KUBECONFIG",
    "of which no file exists (kubectl takes localhost:8080 or the cluster of its own pod)",
    "correct KUBECONFIG or unset it",
)
UNKNOWN = Unsupported("a field", "that is not in Kubernetes 1.37", "remove it if it is misspelled")

ALL = (
    SERVER,
    PROXY,
    PROXY_VARIABLE,
    TWO_SPELLINGS,
    AUTH_PROVIDER,
    NO_USER,
    IMPERSONATION,
    EXEC_VERSION,
    CURRENT_CONTEXT,
    FILES,
    UNKNOWN,
)
