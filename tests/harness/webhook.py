"""Admission policies for a server without them: a webhook of the real API server evaluates them.

Old releases leave out what the policies need; the webhook reads it. Before Kubernetes 1.30 a token names no node; it
is in the pod, where newer servers read it to sign a token. Kubernetes 1.20 sends the old object without managedFields.
"""

import base64
import json
import ssl
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.harness.admission import Policy, objections
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiError

Object = dict[str, Any]
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_CLAIM = "authentication.kubernetes.io/"


class Webhook:
    """`with Webhook(api, policies, labels):` enforces `policies` in the namespaces with `labels`."""

    def __init__(self, api: ApiServer, policies: Sequence[Policy], labels: Mapping[str, str]) -> None:
        self._api, self._policies, self._labels = api, policies, labels
        self.reviewed: list[Object] = []

    def __enter__(self) -> Self:
        self._server = _Server(self)
        pair = self._api.ca.server("webhook", ["127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], name="webhook")
        self._thread.start()
        self._api.admin.create(CONFIGURATIONS, self._configuration())
        return self

    def __exit__(self, *_exception: object) -> None:
        self._api.admin.delete(f"{CONFIGURATIONS}/nodeproxy")
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def judge(self, request: Object) -> Object:
        """The response to an AdmissionReview's request."""
        self._name_node(request)
        self._complete(request)
        self.reviewed.append(request)
        found = objections(self._policies, request, self._labels)
        denied = {"status": {"code": 403, "reason": "Forbidden", "message": "; ".join(found)}} if found else {}
        return {"uid": request["uid"], "allowed": not found, **denied}

    def _name_node(self, request: Object) -> None:
        extra = request["userInfo"].get("extra") or {}
        [name] = extra.get(f"{_CLAIM}pod-name", [""])
        if not name or f"{_CLAIM}node-name" in extra:
            return
        try:
            pod = self._api.admin.get(f"/api/v1/namespaces/{request['namespace']}/pods/{name}")
        except ApiError:
            return
        extra[f"{_CLAIM}node-name"] = [pod["spec"]["nodeName"]]

    def _complete(self, request: Object) -> None:
        old = request.get("oldObject")
        if not old or request["operation"] != "UPDATE" or "managedFields" in old["metadata"]:
            return
        path = f"/api/v1/namespaces/{request['namespace']}/{request['resource']['resource']}/{request['name']}"
        old["metadata"]["managedFields"] = self._api.admin.get(path)["metadata"].get("managedFields", [])

    def _configuration(self) -> Object:
        rules = [
            rule for policy in self._policies for rule in policy.policy["spec"]["matchConstraints"]["resourceRules"]
        ]
        bundle = self._api.ca_file.read_bytes()
        return {
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "nodeproxy"},
            "webhooks": [
                {
                    "name": "policies.nodeproxy.example",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Fail",
                    "rules": rules,
                    "namespaceSelector": {"matchLabels": dict(self._labels)},
                    "clientConfig": {
                        "url": f"https://127.0.0.1:{self._server.server_port}/",
                        "caBundle": base64.b64encode(bundle).decode(),
                    },
                }
            ],
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # the API server keeps its connections open

    def __init__(self, webhook: Webhook) -> None:
        self.webhook = webhook
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_args: object) -> None:
        """Requests are not logged: Webhook.reviewed has them."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {**review, "response": self.server.webhook.judge(review.pop("request"))}
        body = json.dumps(answer).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
