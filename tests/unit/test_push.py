"""What a push to a Pushgateway with a certificate of an unknown CA advises."""

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
def gateway(tmp_path: Path) -> Iterator[str]:
    """URL of an HTTPS server whose CA nobody knows."""
    pair = CertificateAuthority(tmp_path).server("gateway", ["127.0.0.1"])
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


def test_a_bad_certificate_is_one_warning_with_advice_that_a_push_obeys(
    gateway: str, caplog: pytest.LogCaptureFixture
) -> None:
    push(gateway, CollectorRegistry(), "n", lambda _seconds: None)

    [line] = caplog.messages
    assert line.startswith(f"cannot push metrics to {gateway}/metrics/job/nodeproxy-janitor/namespace/n: ")
    assert "--tls-relaxed" not in line
    assert "SSL_CERT_FILE" in line


def test_the_advice_works(
    gateway: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    push(gateway, CollectorRegistry(), "n", lambda _seconds: None)

    assert "certificate" not in caplog.text
    assert "HTTP 501" in caplog.text  # the server takes no POST
