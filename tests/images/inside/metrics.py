"""Runs inside the image: serves metrics, reads them, and pushes them to a stand-in for a push gateway."""

import http.server
import threading
import urllib.request

from prometheus_client import CollectorRegistry, Counter, push_to_gateway, start_http_server

registry = CollectorRegistry()
Counter("janitor_test", "A counter", registry=registry).inc()

server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
    print(answer.read().decode())
server.shutdown()
thread.join()


class Gateway(http.server.BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.end_headers()


with http.server.HTTPServer(("127.0.0.1", 0), Gateway) as gateway:
    serving = threading.Thread(target=gateway.handle_request)
    serving.start()
    push_to_gateway(f"127.0.0.1:{gateway.server_port}", job="test", registry=registry)
    serving.join()
