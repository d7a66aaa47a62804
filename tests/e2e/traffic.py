"""Traffic of a client that goes on while a test changes something: a loop of requests, and an open tunnel."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from registrar import contract
from tests.e2e.client import URL, Client, host
from tests.e2e.layout import PRINTER
from tests.harness.cluster import NAMESPACE

# Each curl sends twenty requests and ends, so that the next looks up the proxy's name again: curl keeps addresses.
# It writes an answer's body, then a line that begins with "|".
_LOOP = """
shopt -s lastpipe  # the loop over curl's lines runs in this shell, which waits for curl
until [ "$end" ] && [ "$answer" ] || [ $SECONDS -gt {limit} ]; do
  stdbuf -oL curl -s --fail --max-time {patience} --rate {rate}/s --proxy {proxy} '{url}?[1-20]' \
    -w '|%{{http_code}} %{{errormsg}}\\n' </dev/null |
  while read -r line; do
    case $line in
      "|"*) echo "$EPOCHREALTIME|$text$line"; answer=$text; text= ;;
      *) text=$line ;;
    esac
  done
  [ "$end" ] || read -t 0.01 -r end || [ $? -gt 128 ] || exit 1  # the other end of standard input is closed
done
"""
_LIMIT = 300  # seconds after which a loop ends by itself, even if the test is gone
_TUNNEL = """
trap '' PIPE
ask() {{
  printf 'GET / HTTP/1.1\\r\\nHost: {printer}\\r\\n\\r\\n' >&3 2>/dev/null && skip_headers && read -t 5 -r -u 3 city
}}
skip_headers() {{
  while read -t 5 -r -u 3 line; do [ "${{line%$'\\r'}}" ] || return 0; done
  return 1
}}
exec 3<>/dev/tcp/{host}/8888
printf 'CONNECT {printer}:80 HTTP/1.1\\r\\nHost: {printer}:80\\r\\n\\r\\n' >&3
skip_headers || exit 1
while ask; do
  echo "$EPOCHREALTIME|$city"
  read -t 0.2 -r end
  [ $? -gt 128 ] || break  # a timeout: go on
done
"""
_ENDING = 60.0  # seconds in which the traffic ends


@dataclass(frozen=True)
class Answer:
    """One request: when it ended (seconds since the epoch), the answer ("" for a failure) and curl's reason."""

    time: float
    text: str
    reason: str = ""


@contextmanager
def loop(client: Client, node: str, rate: int = 20, patience: int = 2) -> Iterator[list[Answer]]:
    """Send `rate` requests a second through `node`, from before the block begins until one succeeds after it ends.

    A request without an answer after `patience` seconds has failed.

    The list is filled when the block ends. A proxy that does not come back raises subprocess.TimeoutExpired.
    """
    with loop_of(client, contract.service_name(node), rate, patience) as answers:
        yield answers


@contextmanager
def loop_of(client: Client, service: str, rate: int = 20, patience: int = 2) -> Iterator[list[Answer]]:
    """As `loop`, through any Service of our namespace that leads to proxies."""
    answers: list[Answer] = []
    there = f"http://{service}.{NAMESPACE}:8888"
    script = _LOOP.format(rate=rate, patience=patience, limit=_LIMIT, proxy=there, url=URL)
    with _running(client, script) as (process, first):
        yield answers
        lines = [first, *process.communicate(b"end\n", timeout=_ENDING)[0].splitlines()]
    for line in lines:
        moment, text, reason = line.decode().strip().split("|", 2)
        answers.append(Answer(float(moment), text, "" if text else reason))


class Tunnel:
    """A connection to the printer that a client opened by CONNECT and uses five times a second."""

    def __init__(self, process: "subprocess.Popen[bytes]", first: bytes) -> None:
        self._process = process
        self._first = first

    def is_open(self) -> bool:
        return self._process.poll() is None

    def answers(self) -> list[Answer]:
        """All answers that came, after the proxy has closed the tunnel."""
        assert self._process.stdout
        self._process.wait(_ENDING)
        lines = [self._first, *self._process.stdout.read().splitlines()]
        pairs = (line.decode().strip().split("|") for line in lines)
        return [Answer(float(moment), text) for moment, text in pairs]


@contextmanager
def tunnel(client: Client, node: str) -> Iterator[Tunnel]:
    """A tunnel through `node` through which an answer has come."""
    with _running(client, _TUNNEL.format(printer=PRINTER, host=host(node))) as (process, first):
        yield Tunnel(process, first)


def failures(answers: Sequence[Answer]) -> list[Answer]:
    """The requests without an answer."""
    return [each for each in answers if not each.text]


@contextmanager
def _running(client: Client, script: str) -> Iterator[tuple["subprocess.Popen[bytes]", bytes]]:
    """A script in the client's pod, and its first line of output."""
    with client.start(script) as process:
        try:
            assert process.stdout
            first = process.stdout.readline()
            assert first, f"no answer, exit code {process.wait()}"
            yield process, first
        finally:
            process.kill()
