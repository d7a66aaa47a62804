"""Base class for servers that a test starts, with a folder and an HTTP session that end with the server."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import requests


class Daemon:
    """A context manager: a process that serves HTTP on a loopback port. Subclasses start and kill it."""

    ready = "/-/ready"  # the page that answers as soon as it serves
    port: int

    def start(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._temporary = TemporaryDirectory(prefix="nodeproxy-daemon-")
        self.folder = Path(self._temporary.name)
        self.http = requests.Session()
        self.http.trust_env = False  # no proxy
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()
        self.http.close()
        self._temporary.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            return self.http.get(self.url + self.ready, timeout=5).ok
        except requests.RequestException:
            return False
