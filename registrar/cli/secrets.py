"""Masks known secrets in text, so that no error of a library and no line of a plugin can print one. Pure.

The programs print no secret by design. This is the second line of defence: what reads a secret registers it here, and
each line of the log and each failure goes through `mask`.
"""

from collections import deque
from urllib.parse import quote, unquote

_SHORTEST = 8  # characters: a shorter part of a secret is not masked
_MOST = 64  # secrets: a program that runs for months reads a new token each hour
_MASK = "(secret)"


class Secrets:
    """Texts that must not be printed, nor eight characters of them in a row."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque(maxlen=_MOST)
        self._joined = ""

    def add(self, *secrets: str | bytes | None) -> None:
        """Mask these from now on, as they are and as a URL spells them."""
        for secret in secrets:
            text = secret.decode(errors="replace") if isinstance(secret, bytes) else secret or ""
            for form in (text, quote(text, safe="", errors="replace"), unquote(text)):
                if len(form) >= _SHORTEST and form not in self._texts:
                    self._texts.append(form)
                    self._joined = "\0".join(self._texts)

    def mask(self, text: str) -> str:
        """`text` without any part of a secret."""
        joined = self._joined
        if not joined:
            return text
        kept, start, covered = [], 0, 0  # `covered` is the end of the last secret, `start` that of what is kept
        for at in range(len(text) - _SHORTEST + 1):
            if text[at : at + _SHORTEST] not in joined:
                continue
            if at > covered or not covered:
                kept += [text[start:at], _MASK]
            start = covered = at + _SHORTEST
        return "".join([*kept, text[start:]])


_KNOWN = Secrets()
add, mask = _KNOWN.add, _KNOWN.mask
