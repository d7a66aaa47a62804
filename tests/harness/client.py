"""A small raw client for a Kubernetes API server: dicts in, dicts out, ApiError for any failure."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter

from tests.harness.pki import KeyPair

Object = dict[str, Any]
Objects = list[Object]  # inside ApiClient, `list` is a method
T = TypeVar("T")
PARALLEL = 8
PAGE = 500
TIMEOUT = 60.0


def parallel(action: Callable[[Any], T], items: Iterable[Any]) -> list[T]:
    """The results, in order; the first exception is raised."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        return [*pool.map(action, items)]


class ApiError(Exception):
    """An answer other than success: its HTTP status and its body, usually a Kubernetes Status."""

    def __init__(self, status: int, body: Any) -> None:
        message = body.get("message", body) if isinstance(body, dict) else body
        super().__init__(f"HTTP {status}: {message}")
        self.status = status
        self.body = body


class ApiClient:
    """Sends requests to `url` with a client certificate or a token, and uses nothing from the environment.

    May be used by several threads at once.
    """

    def __init__(self, url: str, ca_file: Path, cert: KeyPair | None = None, token: str | None = None) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc
        self._session.verify = str(ca_file)
        self._session.mount("https://", HTTPAdapter(pool_maxsize=PARALLEL))
        self._session.headers["User-Agent"] = "nodeproxy-harness"
        if cert:
            self._session.cert = (str(cert.cert), str(cert.key))
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **params: Any) -> Object:
        return self._call("GET", path, params)

    def create(self, path: str, body: Mapping[str, Any]) -> Object:
        return self._call("POST", path, body=body)

    def put(self, path: str, body: Mapping[str, Any]) -> Object:
        return self._call("PUT", path, body=body)

    def patch(self, path: str, body: Any, content_type: str = "application/merge-patch+json", **params: Any) -> Object:
        """`application/apply-patch+yaml` with `fieldManager=...` is a server-side apply: JSON is YAML."""
        return self._call("PATCH", path, params, body, content_type)

    def call(self, method: str, path: str, body: Any = None, content_type: str = "", **params: Any) -> Object:
        """Any other request whose answer is JSON."""
        return self._call(method, path, params, body, content_type)

    def send_bytes(self, method: str, path: str, body: bytes, content_type: str = "application/json") -> None:
        """Send JSON that is nested too deeply for Python. The answer is not parsed."""
        headers = {"Content-Type": content_type}
        answer = self._session.request(method, self._url + path, data=body, headers=headers, timeout=TIMEOUT)
        if not answer.ok:
            raise ApiError(answer.status_code, answer.text)

    def delete(self, path: str, body: Mapping[str, Any] | None = None, **params: Any) -> Object:
        return self._call("DELETE", path, params, body)

    def list(self, path: str, **params: Any) -> Objects:
        """All items, read page by page."""
        items: Objects = []
        token = ""
        while True:
            page = self.get(path, **{"limit": PAGE, "continue": token, **params})
            items += page["items"] or []  # some servers answer null for an empty list
            token = page["metadata"].get("continue", "")
            if not token:
                return items

    def watch(self, path: str, seconds: int, **params: Any) -> Iterator[Object]:
        """The events of a list as they come, existing objects first (ADDED); ends after `seconds`."""
        query = {"watch": "true", "timeoutSeconds": seconds, **params}
        with self._session.get(self._url + path, params=query, stream=True, timeout=seconds + TIMEOUT) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines(chunk_size=None):
                yield json.loads(line)

    def text(self, path: str, timeout: float = TIMEOUT) -> str:
        """An answer that is no JSON, such as /readyz."""
        return self._send("GET", path, timeout=timeout).text

    def create_many(self, path: str, bodies: Iterable[Mapping[str, Any]]) -> Objects:
        """Create all, several at a time."""
        return parallel(lambda body: self.create(path, body), bodies)

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, path: str, params: Object | None = None, body: Any = None, kind: str = "") -> Object:
        answer: Object = self._send(method, path, params, body, kind).json()
        return answer

    def _send(
        self,
        method: str,
        path: str,
        params: Object | None = None,
        body: Any = None,
        content_type: str = "",
        timeout: float = TIMEOUT,
    ) -> requests.Response:
        headers = {"Content-Type": content_type} if content_type else {}
        answer = self._session.request(
            method, self._url + path, params=params, json=body, headers=headers, timeout=timeout, allow_redirects=False
        )
        if not answer.ok:
            is_json = "json" in answer.headers.get("Content-Type", "")
            raise ApiError(answer.status_code, answer.json() if is_json else answer.text)
        return answer
