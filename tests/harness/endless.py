"""HTTP answers that never end: what is sent at once, and what is then sent again and again."""

EVERY = 0.02  # seconds between two parts: far less than any timeout of a socket
_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"

ANSWERS = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "one header": (_OK + b"X: ", b"x"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers of 100 Continue": (b"HTTP/1.1 100 Continue\r\n", b"X: y\r\n"),
    "body": (_OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "body of a closing server": (_OK + b"Connection: close\r\n\r\n", b"x"),
    "chunks": (_CHUNKED, b"1\r\nx\r\n"),
    "size of a chunk": (_CHUNKED, b"0"),
    "trailers": (_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
}
