"""Decides whether a proxy stands between here and the API server, as Go's HTTP client does for kubectl. Pure.

https://pkg.go.dev/golang.org/x/net/http/httpproxy has the rules of HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
"""

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from registrar.cli import secrets
from registrar.kube import unsupported

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; `url` has no password in it. `origin` names what it was taken from."""

    url: str
    authorization: str | None = field(repr=False)
    origin: str


def choose(server: str, proxy_url: str | None, environ: Mapping[str, str], where: str) -> Proxy | None:
    """The proxy for requests to `server`: `proxy_url` of the kubeconfig, or else the environment's.

    `where` names the kubeconfig in errors. Raises SettingsError for a proxy of a kind that is not supported.
    """
    if proxy_url:
        if not (proxy := _parsed(proxy_url, "proxy-url")):
            raise unsupported.PROXY.error(where)
        return proxy
    url = urlsplit(server)
    variable = f"{url.scheme.upper()}_PROXY"
    value = _variable(variable, environ)
    if not value or not _is_proxied(url.hostname or "", url.port or _PORTS[url.scheme], environ):
        return None
    if not (proxy := _parsed(value if "://" in value else f"http://{value}", variable)):
        raise unsupported.PROXY_VARIABLE.error_of(variable)
    return proxy


def hide_password(url: str) -> None:
    """Register user and password of a proxy's URL to be masked. It may be malformed."""
    userinfo, at, _ = url.partition("://")[2].rpartition("@")
    if at:
        secrets.add(userinfo, *userinfo.split(":", 1), base64.b64encode(unquote(userinfo).encode(errors="replace")))


def _variable(name: str, environ: Mapping[str, str]) -> str:
    upper, lower = environ.get(name, ""), environ.get(name.lower(), "")
    for value in (upper, lower):
        hide_password(value if "://" in value else f"http://{value}")
    if upper and lower and upper != lower:
        raise unsupported.TWO_SPELLINGS.error_of(name)
    return upper or lower


def _parsed(text: str, origin: str) -> Proxy | None:
    """The proxy in a URL; None if it is no http:// URL."""
    try:
        url = urlsplit(text)
        port = url.port or _PORTS["http"]
        valid = url.scheme == "http" and url.hostname and url.path in ("", "/") and not (url.query or url.fragment)
    except ValueError:  # its message may quote a password
        valid = False
    if not valid or not re.fullmatch(r"[!-~]+", text):
        return None
    authorization = None
    if "@" in url.netloc:
        userinfo = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
        authorization = f"Basic {base64.b64encode(userinfo.encode()).decode()}"
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return Proxy(f"http://{host}:{port}", authorization, origin)


def _is_proxied(host: str, port: int, environ: Mapping[str, str]) -> bool:
    address = _address(host)
    if host == "localhost" or (address and address.is_loopback):
        return False
    rules = [rule.strip().lower() for rule in _variable("NO_PROXY", environ).split(",")]
    return "*" not in rules and not any(_matches(rule, host, address, port) for rule in rules if rule)


def _matches(rule: str, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, port: int) -> bool:
    """Whether `rule` is a range or address that has `address`, or a domain that has `host`; perhaps with a port."""
    if re.search(r"/\d+$", rule):
        try:
            network = ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
        return address is not None and address.version == network.version and address in network
    split = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):([^:\[\]]*)", rule)
    name, only = (split[1].strip("[]"), split[2]) if split else (rule, "")
    if not name or (split and only and only != str(port)):
        return False
    named = _address(name)
    if named or address:
        return named == address
    suffix = name.removeprefix("*") if name.startswith("*.") else name
    if suffix.startswith("."):
        return host.endswith(suffix)
    return host == suffix or host.endswith(f".{suffix}")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address; an IPv4 address in IPv6 notation is the IPv4 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
