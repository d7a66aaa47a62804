"""Log lines of both programs, to standard error: text for people, or one JSON object a line."""

import json
import logging
import sys
import time
from typing import Any

_MAX_LINE = 2000  # characters; a cluster's answer may hold a megabyte
_MAX_LINES = 100  # of a traceback


def cut(text: str, longest: int = _MAX_LINE) -> str:
    """`text`, or its first `longest` characters and how many it has."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def plain(text: str, longest: int = _MAX_LINE) -> str:
    """`text` fit for a terminal and for one line: cut, and what is no visible character (control, direction, surrogate,
    unassigned; Unicode's own classes, UAX #44) escaped."""
    short = cut(text, longest)
    if short.isprintable():
        return short
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in short)


class _Text(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = plain(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        lines = super().formatException(ei).splitlines()
        left_out = [f"... ({len(lines) - _MAX_LINES} lines)"] if len(lines) > _MAX_LINES else []
        return "\n".join(map(plain, [*left_out, *lines[-_MAX_LINES:]]))


class _Json(_Text):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, self.datefmt),
            "level": record.levelname.lower(),
            "message": plain(record.getMessage()),
        }
        fields: dict[str, str | None] = getattr(record, "fields", {})  # given with `extra=`
        line |= {key: plain(value) for key, value in fields.items() if value is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(level: str = "info", style: str = "text") -> None:
    """Send this process's log to standard error. `level` as in `logging`, in lower case; `style` text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # urllib3 and the client log headers and bodies at debug level: tokens do not belong in a log
    for library in ("urllib3", "kubernetes"):
        logging.getLogger(library).setLevel(logging.WARNING)
