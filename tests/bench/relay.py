"""A TCP relay that makes the path to a server longer, because not every kernel has netem.

`python -m tests.bench.relay PORT TARGET DELAY`, both ports of loopback: what comes is delivered DELAY seconds later, in
either direction. The first bytes of a connection wait for one round trip more, that of TCP's own handshake.
"""

import asyncio
import contextlib
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from pathlib import Path

from tests.harness.cluster import ROOT
from tests.harness.processes import Child, free_ports, wait_until
from tests.harness.tinyproxy import listens


@contextlib.contextmanager
def longer_path(target: int, delay: float, folder: Path) -> Iterator[int]:
    """A port that leads to port `target` over a path of `delay` seconds; the relay is a process of its own."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "tests.bench.relay", str(port), str(target), str(delay)]
    child = Child(command, folder / f"relay-{port}.log", ROOT)
    try:
        wait_until(lambda: child.ended() or listens(port), 10, "a relay that listens")
        assert not child.ended(), child.log_tail()
        yield port
    finally:
        child.stop()


async def serve(port: int, target: int, delay: float) -> None:
    async def connect(reader: StreamReader, writer: StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(_carry(reader, far_writer, delay, 2 * delay), _carry(far_reader, writer, delay))
        far_writer.close()
        writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


async def _carry(reader: StreamReader, writer: StreamWriter, delay: float, handshake: float = 0.0) -> None:
    """Write what comes, and the end of the stream too, each `delay` seconds later."""
    clock = asyncio.get_running_loop().time
    connected = clock() + handshake
    parts: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def receive() -> None:
        part = b"begun"
        while part:
            try:
                part = await reader.read(1 << 16)
            except OSError:  # the connection was reset: it is over too
                part = b""
            parts.put_nowait((max(clock(), connected) + delay, part))

    async def deliver() -> None:
        while True:
            due, part = await parts.get()
            await asyncio.sleep(due - clock())
            if not part:
                break
            writer.write(part)
        writer.write_eof()

    await asyncio.gather(receive(), deliver())


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
