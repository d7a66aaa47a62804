"""Which requests of which client reach the proxy that its environment names? Prints the answers as JSON.

Arguments: kubectl, and the URLs. It is a program of its own because it runs in a network namespace without any route.
There, a request that is not proxied fails at once.
"""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8888
PYTHON = "import sys, {module}; {module}.{get}(sys.argv[1], timeout=5)"
SEEN: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        SEEN.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Requests are not logged."""


def commands(kubectl: str, url: str) -> dict[str, list[str]]:
    host, path = url.removesuffix("/"), "/"
    return {
        "curl": ["curl", "--silent", "--max-time", "5", url],
        "wget": ["wget", "--quiet", "--tries=1", "--timeout=5", "--output-document=-", url],
        "Python requests": [sys.executable, "-c", PYTHON.format(module="requests", get="get"), url],
        "Python urllib": [sys.executable, "-c", PYTHON.format(module="urllib.request", get="urlopen"), url],
        "Go": [kubectl, f"--server={host}", "--request-timeout=5s", "get", f"--raw={path}"],
    }


def main(kubectl: str, *urls: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with ThreadingHTTPServer(("127.0.0.1", PORT), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found: dict[str, dict[str, bool]] = {}
        for url in urls:
            for client, command in commands(kubectl, url).items():
                SEEN.clear()
                subprocess.run(command, capture_output=True, check=False)
                found.setdefault(url, {})[client] = bool(SEEN)
        print(json.dumps(found))
        server.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
