"""Log lines of both programs, to standard error: text for people, or one JSON object a line."""

import json
import logging
import re
import sys
import time

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MAX_LINE = 2000  # characters; a cluster's answer may hold a megabyte


def plain(text: str) -> str:
    """`text` fit for a terminal and for one line: control and direction characters escaped, cut at 2,000."""
    cut = text if len(text) <= _MAX_LINE else f"{text[:_MAX_LINE]}... ({len(text)} characters)"
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), cut)


class _Text(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = plain(record.message)
        return super().formatMessage(record)


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
