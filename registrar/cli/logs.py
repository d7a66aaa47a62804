"""Logs of both programs, on standard error: text for people, or one JSON object per line."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from registrar.cli.failures import Failure
from registrar.cli.secrets import mask
from registrar.cli.text import cut, escape

_MAX_LINES = 100  # of a traceback

log = logging.getLogger(__name__)


def _safe(text: str) -> str:
    """`text` on one line, cut, with no control character and no secret in it."""
    return escape(mask(cut(text)))


class _Text(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = _safe(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        lines = super().formatException(ei).splitlines()
        left_out = [f"... ({len(lines) - _MAX_LINES} lines)"] if len(lines) > _MAX_LINES else []
        # Indented: a message may have lines that begin as those of the log do.
        return "\n".join(f"  {_safe(line)}" for line in [*left_out, *lines[-_MAX_LINES:]])


class _Json(_Text):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, self.datefmt),
            "level": record.levelname.lower(),
            "message": _safe(record.getMessage()),
        }
        fields: dict[str, str | None] = getattr(record, "fields", {})  # given with `extra=`
        line |= {key: _safe(value) for key, value in fields.items() if value is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(level: str = "info", style: str = "text") -> None:
    """Send the log to standard error. `level` is one of `logging`, in lower case; `style` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At debug level, urllib3 and the client log headers and bodies, with tokens in them.
    for library in ("urllib3", "kubernetes"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)  # Python would write them to standard error as they are


def run(main: Callable[[Sequence[str], Mapping[str, str]], int]) -> int:
    """Call `main` with the process's arguments and environment; every failure becomes one line and an exit code."""
    configure()
    try:
        return main(sys.argv[1:], os.environ)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - nothing else stands above this
        return end(error)


def end(error: BaseException) -> int:
    """Log what ended the program on one line, with its traceback at debug level only; the exit code."""
    log.debug("traceback of the next line", exc_info=error)
    if isinstance(error, Failure):
        log.error("%s", error)
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        log.error("cannot continue: interrupted")
        return 130  # what a shell reports for SIGINT
    if isinstance(error, ModuleNotFoundError):
        log.error("cannot continue: %s; install what nodeproxy needs, as in docs/runbook.md", error)
        return 1
    log.error(
        "cannot continue: %s: %s; this is a bug, please report it with --log-level debug", type(error).__name__, error
    )
    return 1
