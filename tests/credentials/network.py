"""Cases: the server's URL, trust, IPv6, proxies and NO_PROXY."""

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.credentials.world import LOGIN, Setup, World

NO_CA: dict[str, Any] = {"certificate-authority-data": None}


def to(world: World, host: str = "127.0.0.1", **fields: Any) -> Setup:
    """User one of server a, which is known as `host`."""
    return world.one(world.token(), world.cluster(host=host, **{k.replace("_", "-"): v for k, v in fields.items()}))


def ca(world: World, server: str = "a") -> bytes:
    return world.servers[server].ca_file.read_bytes()


def url(world: World, text: str) -> Setup:
    return world.one(world.token(), {**world.cluster(), "server": text.format(port=world.port())})


def trusting(world: World, content: bytes) -> Setup:
    return to(world, certificate_authority_data=base64.b64encode(content).decode())


def from_environment(world: World, **env: str) -> Setup:
    """A kubeconfig that names no CA. In `env`, {ca} is a file and {dir} a folder that has it."""
    pem = world.servers["a"].ca_file.read_bytes()
    ca, folder = world.file("elsewhere/ca.crt", pem), world.folder / "cas"
    world.file("cas/my-ca.pem", pem)
    setup = world.one(world.token(), world.cluster(**NO_CA))
    return Setup({**setup.env, **{key: text.format(ca=ca, dir=folder) for key, text in env.items()}})


def through(world: World, host: str, **env: str) -> Setup:
    """Server a as `host`, and variables, in which {proxy} is the proxy's address."""
    cluster = world.cluster(host=host, **{"tls-server-name": "localhost"})
    variables = {key: text.format(proxy=world.proxy.address) for key, text in env.items()}
    setup = world.one(world.token(), cluster, **variables)
    return replace(setup, timeout="8s") if host.endswith(".test") else setup


def bypass(rule: str, host: str = "0.0.0.0", name: str = "NO_PROXY") -> Any:
    """A proxy for everything, except what `rule` says; {port} is the server's."""
    return lambda w: through(w, host, HTTPS_PROXY="http://{proxy}", **{name: rule.format(port=w.port())})


def both_spellings(upper: str, lower: str) -> Any:
    return lambda w: through(w, "0.0.0.0", HTTPS_PROXY=upper, https_proxy=lower)


SAME: dict[str, Callable[[World], Setup]] = {
    "a URL that ends in a slash": lambda w: url(w, "https://127.0.0.1:{port}/"),
    "a scheme in capitals": lambda w: url(w, "HTTPS://127.0.0.1:{port}"),
    "localhost": lambda w: url(w, "https://localhost:{port}"),
    "IPv6": lambda w: url(w, "https://[::1]:{port}"),
    "certificate-authority": lambda w: to(w, **NO_CA, certificate_authority=str(w.servers["a"].ca_file)),
    "a CA among others, with comments": lambda w: trusting(w, "# größer\n".encode() + ca(w, "b") + b"\n#\n" + ca(w)),
    "SSL_CERT_FILE": lambda w: from_environment(w, SSL_CERT_FILE="{ca}"),
    "SSL_CERT_DIR": lambda w: from_environment(w, SSL_CERT_DIR="/nonexistent:{dir}"),
    "SSL_CERT_FILE does not count beside a CA": lambda w: w.one(w.token(), SSL_CERT_FILE="/nonexistent"),
    "insecure-skip-tls-verify": lambda w: to(w, **NO_CA, insecure_skip_tls_verify=True),
    "tls-server-name": lambda w: to(w, tls_server_name="kubernetes.default"),
    "disable-compression": lambda w: to(w, disable_compression=True),
    "proxy-url": lambda w: to(w, proxy_url=f"http://{w.proxy.address}"),
    "proxy-url with user and password": lambda w: to(w, proxy_url=f"http://{LOGIN}@{w.locked.address}"),
    "proxy-url and a name that only the proxy knows": lambda w: to(
        w, "api.example.test", proxy_url=f"http://{w.proxy.address}"
    ),
    "proxy-url, NO_PROXY does not count": lambda w: Setup(
        {**to(w, proxy_url=f"http://{w.proxy.address}").env, "NO_PROXY": "*", "no_proxy": "*"}
    ),
    "HTTPS_PROXY": lambda w: through(w, "0.0.0.0", HTTPS_PROXY="http://{proxy}"),
    "https_proxy": lambda w: through(w, "0.0.0.0", https_proxy="http://{proxy}"),
    "HTTPS_PROXY without a scheme": lambda w: through(w, "0.0.0.0", HTTPS_PROXY="{proxy}"),
    "HTTPS_PROXY and a name that only the proxy knows": lambda w: through(
        w, "api.example.test", HTTPS_PROXY="http://{proxy}"
    ),
    "HTTPS_PROXY in both spellings": both_spellings("http://{proxy}", "http://{proxy}"),
    "HTTPS_PROXY and a loopback address": lambda w: through(w, "127.0.0.1", HTTPS_PROXY="http://{proxy}"),
    "HTTPS_PROXY and localhost": lambda w: through(w, "localhost", HTTPS_PROXY="http://{proxy}"),
    "HTTPS_PROXY and an IPv6 loopback address": lambda w: through(w, "[::1]", HTTPS_PROXY="http://{proxy}"),
    "HTTP_PROXY does not count for https": lambda w: through(w, "0.0.0.0", HTTP_PROXY="http://{proxy}"),
    "ALL_PROXY does not count": lambda w: through(w, "0.0.0.0", ALL_PROXY="http://{proxy}"),
    "NO_PROXY has the address": bypass("10.0.0.1,0.0.0.0"),
    "no_proxy has the address": bypass("0.0.0.0", name="no_proxy"),
    "NO_PROXY has the address and the port": bypass("0.0.0.0:{port}"),
    "NO_PROXY has the address and another port": bypass("0.0.0.0:1"),
    "NO_PROXY has the range": bypass("10.0.0.0/8, 0.0.0.0/8"),
    "NO_PROXY has another range": bypass("10.0.0.0/8"),
    "NO_PROXY has a range with a netmask": bypass("0.0.0.0/255.0.0.0"),
    "NO_PROXY has a star": bypass("x, *"),
    "NO_PROXY has a part of the address": bypass("0.0"),
    "NO_PROXY has an address with zeros": bypass("00.0.0.0"),
    "NO_PROXY has the domain": bypass("example.test", "api.example.test"),
    "NO_PROXY has the domain in capitals": bypass("EXAMPLE.TEST", "api.example.test"),
    "NO_PROXY has the domain with a dot": bypass(".example.test", "api.example.test"),
    "NO_PROXY has the domain with a star": bypass("*.example.test", "api.example.test"),
    "NO_PROXY has the name itself": bypass("api.example.test", "api.example.test"),
    "NO_PROXY has the name itself with a dot": bypass(".api.example.test", "api.example.test"),
    "NO_PROXY has the end of the domain": bypass("ample.test", "api.example.test"),
    "NO_PROXY has the domain and another port": bypass("example.test:1", "api.example.test"),
    "NO_PROXY has a star without a dot": bypass("*example.test", "api.example.test"),
}
REFUSED: dict[str, tuple[Callable[[World], Setup], str]] = {
    "no server": (lambda w: w.one(w.token(), {"insecure-skip-tls-verify": True}), "server that is not an http"),
    "a server without a scheme": (lambda w: url(w, "127.0.0.1:{port}"), "server that is not an http"),
    "a server with user and password": (lambda w: url(w, "https://u:canary-12@127.0.0.1:{port}"), "server that is not"),
    "a server with a query": (lambda w: url(w, "https://127.0.0.1:{port}/?a=canary-12"), "server that is not"),
    "insecure, and a CA": (
        lambda w: to(w, insecure_skip_tls_verify=True),
        "insecure-skip-tls-verify is set, and a certificate-authority too",
    ),
    "insecure that is a string": (
        lambda w: to(w, **NO_CA, insecure_skip_tls_verify="true"),
        "insecure-skip-tls-verify is not true or false",
    ),
    "a CA twice": (lambda w: to(w, certificate_authority="/x"), "both certificate-authority and"),
    "a CA file that is missing": (lambda w: to(w, **NO_CA, certificate_authority="/nonexistent"), "cannot read cert"),
    "a CA that is none": (lambda w: trusting(w, b"x"), "has no valid certificate"),
    "an unknown field of the cluster": (lambda w: to(w, tls_servername="x"), "tls-servername that is not in"),
    "proxy-url socks5": (lambda w: to(w, proxy_url="socks5://127.0.0.1:1"), "proxy-url that is not an http"),
    "proxy-url https": (lambda w: to(w, proxy_url="https://u:canary-12@127.0.0.1:1"), "proxy-url that is not an http"),
    "proxy-url without a scheme": (lambda w: to(w, proxy_url="127.0.0.1:3128"), "proxy-url that is not an http"),
    "HTTPS_PROXY socks5": (
        lambda w: through(w, "0.0.0.0", HTTPS_PROXY="socks5://{proxy}"),
        "bad setting HTTPS_PROXY: a value that is not an http:// URL",
    ),
    "HTTPS_PROXY with a slash in its password": (
        lambda w: through(w, "0.0.0.0", HTTPS_PROXY="http://user:cana/ry-12#4@{proxy}"),
        "bad setting HTTPS_PROXY: a value that is not an http:// URL",
    ),
    "HTTPS_PROXY in two spellings that differ": (
        both_spellings("http://{proxy}", "http://127.0.0.1:1"),
        "differs from its lower-case spelling",
    ),
    "NO_PROXY in two spellings that differ": (
        lambda w: through(w, "0.0.0.0", HTTPS_PROXY="{proxy}", NO_PROXY="*", no_proxy="x"),
        "differs from its lower-case spelling",
    ),
}
NOBODY: dict[str, tuple[Callable[[World], Setup], str]] = {
    "a CA of another server": (lambda w: trusting(w, ca(w, "b")), "does not verify"),
    "a name that is not in the certificate": (lambda w: to(w, tls_server_name="other.test"), "does not verify"),
    "proxy-url with a wrong password": (lambda w: to(w, proxy_url=f"http://u:canary-12@{w.locked.address}"), "407"),
}
