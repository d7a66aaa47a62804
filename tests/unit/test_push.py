"""The advice after a push to a Pushgateway whose certificate is signed by an unknown CA."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from janitor.push import push
from tests.harness.pki import CertificateAuthority


@pytest.fixture
def legacy() -> bool:
    """Whether the CA lacks what strict verification requires."""
    return False


@pytest.fixture
def gateway(tmp_path: Path, legacy: bool) -> Iterator[str]:
    """URL of an HTTPS server with an unknown CA."""
    pair = CertificateAuthority(tmp_path, legacy=legacy).server("gateway", ["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_an_unknown_ca_is_one_warning_with_advice(gateway: str, caplog: pytest.LogCaptureFixture) -> None:
    push(gateway, CollectorRegistry(), "n", lambda _seconds: None)

    [line] = caplog.messages
    assert line.startswith(f"cannot push metrics to {gateway}/metrics/job/nodeproxy-janitor/namespace/n: ")
    assert "--tls-relaxed" not in line
    assert "SSL_CERT_FILE" in line


@pytest.mark.parametrize("legacy", [True])
def test_no_advice_that_a_push_ignores_is_given_for_a_ca_that_is_not_strictly_x509(
    gateway: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    monkeypatch.setattr(ssl, "create_default_context", lambda: context)
    push(gateway, CollectorRegistry(), "n", lambda _seconds: None)

    [line] = caplog.messages
    assert "the CA of the Pushgateway is not strictly X.509" in line
    assert "; renew its CA (" in line
    assert "--tls-relaxed" not in line


def test_following_the_advice_lets_a_push_reach_the_server(
    gateway: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    push(gateway, CollectorRegistry(), "n", lambda _seconds: None)

    assert "certificate" not in caplog.text
    assert "HTTP 501" in caplog.text  # the server takes no POST
