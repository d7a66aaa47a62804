"""What the fields of a kubeconfig's cluster and user mean, by kubectl's rules. Secrets are registered to be masked."""

import base64
import time
from typing import Any
from urllib.parse import quote

from registrar.cli import parsing, secrets
from registrar.cli.failures import SettingsError
from registrar.kube import exec_field, jwt, proxies, unsupported
from registrar.kube.access import Access, fits_header
from registrar.kube.entry import Entry
from registrar.kube.kubeconfig import Chosen

_HEADER_KEY = "*+-.^_`|~$&!#'"  # legal in the name of a header, like letters and digits (RFC 9110)
_LEEWAY = 10  # seconds before an id-token's end that kubectl takes it for expired


def access(chosen: Chosen) -> Access:
    """Server and user of the chosen context. Raises SettingsError for what kubectl or this program refuses."""
    context, cluster, user = chosen.context, chosen.cluster, chosen.user
    context.only("cluster", "user", "namespace")
    namespace = context.text("namespace")
    try:
        namespace = namespace and parsing.namespace(namespace)
    except ValueError as error:
        raise context.error(f"namespace is {error}") from error
    reached = _cluster(cluster)
    impersonation = _impersonation(user)
    if reached["server"].startswith("http:"):  # kubectl sends no credentials there
        if impersonation:
            raise unsupported.IMPERSONATION.error(user.where)
        return Access(namespace=namespace or None, **reached)
    return Access(namespace=namespace or None, impersonation=impersonation, **reached, **_user(user, cluster))


def _cluster(cluster: Entry) -> dict[str, Any]:
    cluster.only(
        "server",
        "tls-server-name",
        "insecure-skip-tls-verify",
        "certificate-authority",
        "certificate-authority-data",
        "proxy-url",
        "disable-compression",  # of answers, which are never asked for compressed
    )
    server, proxy = cluster.text("server"), cluster.text("proxy-url")
    proxies.hide_password(proxy)
    if not parsing.is_base_url(server) or "@" in server or not server.isprintable() or " " in server:
        raise unsupported.SERVER.error(cluster.where)
    ca, insecure = cluster.pem("certificate-authority"), cluster.flag("insecure-skip-tls-verify")
    if ca is not None and insecure:
        raise cluster.error("insecure-skip-tls-verify is set, and a certificate-authority too")
    scheme, _, rest = server.partition(":")
    return {
        "server": f"{scheme.lower()}:{rest}".rstrip("/"),
        "ca": ca,
        "insecure": insecure,
        "server_name": cluster.text("tls-server-name") or None,
        "proxy": proxy or None,
    }


def _user(user: Entry, cluster: Entry) -> dict[str, Any]:
    user.only(
        *("client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile"),
        *("as", "as-uid", "as-groups", "as-user-extra", "username", "password", "auth-provider", "exec"),
    )
    name, password = user.text("username"), user.text("password")
    secrets.add(user.text("token"), password, base64.b64encode(f"{name}:{password}".encode()))
    if user.text("token") and (name or password):
        raise user.error("both token and username or password are set")
    if user.text("tokenFile") and name:  # kubectl ignores a password alone
        raise user.error("both tokenFile and username are set")
    certificate, key = user.pem("client-certificate"), user.pem("client-key")
    secrets.add(key, user.text("client-key-data"))
    if certificate and not key:
        raise user.error("client-certificate is set without client-key")
    if user.inner("auth-provider") and user.inner("exec"):
        raise user.error("both auth-provider and exec are set")
    plugin = exec_field.plugin(user, cluster)
    found: dict[str, Any] = {
        "token": _token(user) or _id_token(user),
        "basic": (name, password) if name else None,
        "certificate": certificate or None,
        "key": key if certificate else None,
    }
    if not any(found.values()):  # kubectl asks no plugin either if the user has other credentials
        found["plugin"] = plugin
    if not any(found.values()):
        raise unsupported.NO_USER.error(user.where)
    return found


def _token(user: Entry) -> str | None:
    """The file's content wins as long as it can be read. Editors end it with a newline."""
    token = user.text("token")
    if user.text("tokenFile"):
        try:
            token = user.read("tokenFile").decode(errors="replace").strip() or token
        except SettingsError:
            if not token:
                raise
    return _checked(token, user) if token else None


def _checked(token: str, user: Entry) -> str:
    """`token` without blanks around it. Raises SettingsError if no header can carry it."""
    secrets.add(token)
    token = token.strip()
    if not token or not fits_header(token):
        raise user.error("its token is empty, or has characters that no HTTP header can carry")
    return token


def _id_token(user: Entry) -> str | None:
    """The id-token of an oidc provider. It is never renewed: that would log kubectl out."""
    provider = user.inner("auth-provider")
    if not provider:
        return None
    config = provider.inner("config")
    texts = {str(key): value for key, value in (config.value if config else {}).items() if isinstance(value, str)}
    secrets.add(*(value for key, value in texts.items() if key.endswith(("secret", "token"))))
    expiry = jwt.payload(texts.get("id-token", "")).get("exp")
    fresh = isinstance(expiry, int | float) and expiry > time.time() + _LEEWAY
    known = texts.get("idp-issuer-url") and texts.get("client-id")
    if provider.text("name") != "oidc" or not fresh or not known:
        raise unsupported.AUTH_PROVIDER.error(user.where)
    return _checked(texts["id-token"], user)


def _impersonation(user: Entry) -> tuple[tuple[str, str], ...]:
    """The headers that make the API server act as somebody else."""
    name, uid, groups = user.text("as"), user.text("as-uid"), user.texts("as-groups")
    extra = user.inner("as-user-extra")
    headers = [("Impersonate-User", name), *([("Impersonate-Uid", uid)] if uid else [])]
    headers += [("Impersonate-Group", group) for group in groups]
    if extra:
        for key in extra.value:
            headers += [(f"Impersonate-Extra-{quote(str(key), safe=_HEADER_KEY)}", value) for value in extra.texts(key)]
    if not name:
        if len(headers) > 1:
            raise user.error("as-uid, as-groups or as-user-extra is set without as")
        return ()
    if not all(value.isprintable() for _, value in headers):
        raise user.error("as, as-uid, as-groups or as-user-extra has characters that no HTTP header can carry")
    return tuple((header, value.encode().decode("latin-1")) for header, value in headers)
