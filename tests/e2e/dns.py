"""A stand-in for the cluster's DNS, which Debian has no package of: A records of Services, behind the usual Service.

Each question is one request to the API server, so that a name is there as soon as its Service is.
"""

import socket
import struct
import threading
from socketserver import BaseRequestHandler, ThreadingUDPServer
from typing import Self

from tests.e2e.layout import DNS_SERVICE, SERVER
from tests.harness.client import ApiClient, ApiError

DOMAIN = ["svc", "cluster", "local"]
NXDOMAIN, NOERROR = 3, 0
TYPE_A = 1
ANSWER = b"\xc0\x0c" + struct.pack(">HHIH", TYPE_A, 1, 1, 4)  # the question's name, A, IN, one second, four bytes


class Dns(ThreadingUDPServer):
    """`with Dns(api):`, inside the sandbox."""

    daemon_threads = True

    def __init__(self, api: ApiClient) -> None:
        super().__init__((SERVER, 53), _Handler)
        self._api = api

    def __enter__(self) -> Self:
        ports = [{"name": "dns", "port": 53, "protocol": "UDP"}]
        where = "/api/v1/namespaces/kube-system"
        meta = {"name": "kube-dns"}
        self._api.create(f"{where}/services", {"metadata": meta, "spec": {"clusterIP": DNS_SERVICE, "ports": ports}})
        subset = {"addresses": [{"ip": SERVER}], "ports": ports}
        self._api.create(f"{where}/endpoints", {"metadata": meta, "subsets": [subset]})
        threading.Thread(target=self.serve_forever, args=[0.1], name="dns").start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.shutdown()
        self.server_close()

    def answer(self, query: bytes) -> bytes:
        labels, end = _labels(query)
        address = self._address(labels)
        found = b""
        if address and struct.unpack_from(">H", query, end)[0] == TYPE_A:
            found = ANSWER + socket.inet_aton(address)
        # authoritative, recursion available; an address that is not asked for (AAAA) is no error
        flags = 0x8580 | (NOERROR if address else NXDOMAIN)
        return query[:2] + struct.pack(">5H", flags, 1, bool(found), 0, 0) + query[12 : end + 4] + found

    def _address(self, labels: list[str]) -> str:
        if labels[2:] != DOMAIN:
            return ""
        try:
            service = self._api.get(f"/api/v1/namespaces/{labels[1]}/services/{labels[0]}")
        except ApiError:
            return ""
        return str(service["spec"]["clusterIP"])


class _Handler(BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Dns)
        query, answers = self.request
        answers.sendto(self.server.answer(query), self.client_address)


def _labels(query: bytes) -> tuple[list[str], int]:
    """The name that is asked for, and where it ends."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return labels, at + 1
