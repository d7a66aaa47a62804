"""Which proxy stands before the API server, in cases that need no proxy; tests/credentials has the others."""

import pytest

from registrar.cli.failures import SettingsError
from registrar.kube import proxies
from registrar.kube.proxies import Proxy


@pytest.mark.parametrize(
    ("rule", "server", "proxied"),
    [
        ("10.0.0.0/8", "https://10.1.2.3:6443", False),
        ("10.0.0.0/8", "https://11.1.2.3:6443", True),
        ("fd00::/8", "https://[fd00::1]:6443", False),
        ("[fd00::1]:6443", "https://[fd00::1]:6443", False),
        ("[fd00::1]:443", "https://[fd00::1]:6443", True),
        ("fd00::1", "https://[fd00::1]", False),
        ("10.0.0.1:443", "https://10.0.0.1", False),
        ("::ffff:10.0.0.1", "https://10.0.0.1", False),
        (" , ,*", "https://10.0.0.1", False),
        (":443", "https://api", True),
        ("", "https://api", True),
        ("api", "https://api", False),
        ("api:443", "https://api", False),
        ("API", "https://API", False),
        (".api", "https://api", True),
        ("svc", "https://kubernetes.default.svc", False),
        ("vc", "https://kubernetes.default.svc", True),
        ("10.0.0.1/x", "https://10.0.0.1", True),
        ("300.0.0.0/8", "https://10.0.0.1", True),
        ("0.0.0.0/0", "https://[fd00::1]", True),
    ],
)
def test_no_proxy(rule: str, server: str, proxied: bool) -> None:
    chosen = proxies.choose(server, None, {"HTTPS_PROXY": "proxy:3128", "NO_PROXY": rule}, "x")
    assert chosen == (Proxy("http://proxy:3128", None, "HTTPS_PROXY") if proxied else None)


@pytest.mark.parametrize("server", ["https://127.0.0.1", "https://127.9.9.9:1", "https://[::1]", "https://localhost"])
def test_nothing_stands_before_this_machine(server: str) -> None:
    assert proxies.choose(server, None, {"HTTPS_PROXY": "http://proxy"}, "x") is None


def test_each_scheme_has_its_variable() -> None:
    environ = {"HTTP_PROXY": "http://plain", "https_proxy": "http://secure:80"}
    assert str(proxies.choose("http://api", None, environ, "x")).startswith("Proxy(url='http://plain:80'")
    assert str(proxies.choose("https://api", None, environ, "x")).startswith("Proxy(url='http://secure:80'")


def test_user_and_password_move_from_the_url_to_a_header() -> None:
    chosen = proxies.choose("https://api", "http://user:p%40ss%3A@[fd00::2]:3128/", {}, "x")
    assert chosen
    assert (chosen.url, chosen.authorization) == ("http://[fd00::2]:3128", "Basic dXNlcjpwQHNzOg==")
    assert "Basic" not in repr(chosen)


@pytest.mark.parametrize(
    "url",
    [
        "socks5://p",
        "https://p",
        "p:3128",
        "http://",
        "http://p:x",
        "http://p:99999",
        "http://p/x",
        "http://p?x",
        "http://u:a b@p",
    ],
)
def test_other_proxies_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="proxy-url that is not an http:// URL"):
        proxies.choose("https://api", url, {}, "kubeconfig /x")


def test_a_byte_that_is_not_utf8_is_refused() -> None:
    environ = {"HTTPS_PROXY": "http://u:secret\udcff@p"}  # as Python reads the environment
    with pytest.raises(SettingsError, match="HTTPS_PROXY: a value that is not an http:// URL"):
        proxies.choose("https://api", None, environ, "x")
