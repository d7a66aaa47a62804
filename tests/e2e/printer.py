"""A printer in an office: answers any GET with its city, on port 80 and with TLS on 443. Arguments: city, cert, key.

It is a program of its own because it runs in the LAN's network namespace. The sandbox ends it.
"""

import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # a connection stays open for further requests

    def do_GET(self) -> None:
        body = f"{sys.argv[1]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    plain, secure = (ThreadingHTTPServer(("", port), _Handler) for port in (80, 443))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=secure.serve_forever).start()
    plain.serve_forever()


if __name__ == "__main__":
    main()
