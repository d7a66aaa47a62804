"""Service discovery for Prometheus, like its `kubernetes_sd_configs` with role `pod`.

Debian's Prometheus is built without it (its NEWS.Debian, 1.5.0). This replacement reads the pods from the API server
with Prometheus' own account. Prometheus itself does all that follows.
https://prometheus.io/docs/prometheus/latest/configuration/configuration/#pod
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.harness.client import ApiClient, Object

META = "__meta_kubernetes_"


@contextmanager
def discovery(client: ApiClient, namespace: str) -> Iterator[dict[str, Any]]:
    """The part of a scrape config that replaces `kubernetes_sd_configs`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pods = client.list(f"/api/v1/namespaces/{namespace}/pods")
            body = json.dumps([target for pod in pods for target in _targets(pod)]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Requests are not logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield {"http_sd_configs": [{"url": f"http://127.0.0.1:{server.server_port}", "refresh_interval": "1s"}]}
        finally:
            server.shutdown()
            thread.join()


def _targets(pod: Object) -> Iterator[dict[str, Any]]:
    """A target for each port of each container, once the pod has an address."""
    meta, address = pod["metadata"], pod["status"].get("podIP")
    for container in pod["spec"]["containers"] if address else ():
        for port in container.get("ports", ()):
            labels = {
                f"{META}namespace": meta["namespace"],
                f"{META}pod_name": meta["name"],
                f"{META}pod_container_name": container["name"],
                f"{META}pod_container_port_name": port.get("name", ""),
                **{
                    META + "pod_label_" + re.sub("[^a-zA-Z0-9_]", "_", key): value
                    for key, value in meta["labels"].items()
                },
            }
            yield {"targets": [f"{address}:{port['containerPort']}"], "labels": labels}
