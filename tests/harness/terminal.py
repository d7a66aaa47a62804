"""A terminal of a given width, for output that programs write only to a terminal."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Sequence
from typing import Any


def run(
    command: Sequence[str], stream: str, *, columns: int = 80, **kwargs: Any
) -> tuple[subprocess.CompletedProcess[str], str]:
    """As `subprocess.run` with a terminal as `stream` ("stdout" or "stderr"); also what it shows, up to about 4 KB."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        kwargs[stream] = theirs
        done = subprocess.run(command, text=True, check=False, timeout=60, **kwargs)
        os.write(theirs, b".")  # so that reading never blocks
        shown = os.read(ours, 65536).decode().removesuffix(".")
    finally:
        os.close(ours)
        os.close(theirs)
    return done, shown.replace("\r\n", "\n")
