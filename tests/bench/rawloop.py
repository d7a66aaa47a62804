"""The least that the janitor's work can cost: its requests, with as many connections as the janitor has.

`python -m tests.bench.rawloop SERVER CA TOKEN NAMESPACE`. It only compares names and checks nothing.
"""

import http.client
import json
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urlsplit

from janitor.inventory import METADATA_ONLY, PAGE
from janitor.settings import parse
from registrar import contract


def main(server: str, ca_file: str, token: str, namespace: str) -> None:
    url = urlsplit(server)
    context = ssl.create_default_context(cafile=ca_file)
    local = threading.local()  # a connection for each thread

    def ask(method: str, path: str, accept: str = "application/json", body: Any = None) -> Any:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPSConnection(str(url.hostname), url.port, context=context)
        connection: http.client.HTTPSConnection = local.connection
        headers = {"Authorization": f"Bearer {token}", "Accept": accept, "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        return json.loads(connection.getresponse().read())

    def items(path: str, accept: str = "application/json", **query: str) -> list[Any]:
        found: list[Any] = []
        token = ""
        while True:
            page = ask("GET", f"{path}?{urlencode({**query, 'limit': PAGE, 'continue': token})}", accept)
            found += page["items"] or []
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    where = f"/api/v1/namespaces/{namespace}"
    services = items(f"{where}/services", labelSelector="=".join(contract.MANAGED_BY))
    nodes = {each["metadata"]["name"] for each in items("/api/v1/nodes", METADATA_ONLY)}
    items(f"{where}/pods", METADATA_ONLY, labelSelector=contract.NODE_LABEL)

    def clean(service: Any) -> None:
        meta = service["metadata"]
        node = meta["annotations"][contract.NODE_NAME_ANNOTATION]
        if node not in nodes and ask("GET", f"/api/v1/nodes/{node}")["code"] == 404:
            pinned = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
            body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": pinned}
            ask("DELETE", f"{where}/services/{meta['name']}", body=body)

    with ThreadPoolExecutor(parse((), {}).delete_parallel) as pool:
        list(pool.map(clean, services))


if __name__ == "__main__":
    main(*sys.argv[1:])
