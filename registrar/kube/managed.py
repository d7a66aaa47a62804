"""Removes managedFields from JSON while it is read, without recursion and without holding them in memory. Pure.

The API server stores up to 1.5 MB of managedFields for each object, nested up to 10,000 levels deep, and anybody who
may write the object may choose them. Python's JSON parser recurses, and needs 30 times the memory of what it parses.
"""

import re
from itertools import accumulate

# The check for an escaped quote comes last: a search for a pattern that begins with literal text is much faster.
_KEY = re.compile(rb'"managedFields"(?<!\\"managedFields")\s{0,9}:\s{0,9}\[')
_REMOVED = b"[{}]"  # in a patch, this makes the API server forget all field managers
_LONGEST_KEY = 40  # bytes, more than `_KEY` matches
_WINDOW, _MAX_WINDOW = 1 << 10, 1 << 16  # bytes
_MAX_DEPTH = 50  # a Pod's managedFields have about 15 levels
_USUAL_DEPTH = 12  # levels, in most objects


def _array(levels: int) -> bytes:
    """A pattern for an array or object of at most so many levels. It is possessive, so it takes linear time."""
    items = [rb'[^"{}\[\]]++', rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', *([_array(levels - 1)] if levels > 1 else [])]
    return rb"[{\[](?:" + b"|".join(items) + rb")*+[}\]]"


_USUAL = re.compile(_array(_USUAL_DEPTH), re.DOTALL)
_MARK = re.compile(rb'\\.?|["{}\[\]]', re.DOTALL)  # an escape, the start or end of a string, or a bracket
_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")  # as signed bytes: 1, 1, -1, -1
_NO_BRACKET = bytes(set(range(256)) - {*b"{[}]"})


class Remover:
    """Replaces each managedFields of over `most` bytes or 50 levels by one that names no field manager.

    Feed it the pieces of one JSON document in order, and call `end` after the last one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = b""  # the end of the last piece, which may be the beginning of a key
        self._array: bytearray | None = None  # its first bytes, if the last piece ended inside such an array
        self._depth = self._deepest = 0
        self._in_string = self._escaped = False

    def feed(self, piece: bytes) -> bytes:
        """What remains of the document so far and was not returned yet."""
        data, self._rest = self._rest + piece, b""
        found: list[bytes] = []
        start = 0
        while True:
            if self._array is not None:
                start = self._skip(data, start)
                if self._depth:
                    break
                found.append(self._kept(self._array))
                self._array = None
            key = _KEY.search(data, start)
            if not key:
                end = max(start, len(data) - _LONGEST_KEY)
                found.append(data[start:end])
                self._rest = data[end:]
                break
            found.append(data[start : key.end() - 1])
            start = key.end()
            if usual := _USUAL.match(data, start - 1):  # ten times as fast as `_skip`
                found.append(usual[0] if len(usual[0]) <= self._most else _REMOVED)
                start = usual.end()
                continue
            self._array, self._depth, self._deepest = bytearray(b"["), 1, 1
        return b"".join(found)

    def end(self) -> bytes:
        """The rest of the document. If the document ends inside such an array, what was returned is no JSON."""
        return self._rest

    def _kept(self, array: bytearray) -> bytes:
        return bytes(array) if len(array) <= self._most and self._deepest <= _MAX_DEPTH else _REMOVED

    def _skip(self, data: bytes, start: int) -> int:
        """The end of the array that `start` is inside of, or of `data`."""
        size = _WINDOW
        while self._depth and start < len(data):
            window = data[start : start + size]
            if size == _WINDOW:
                window = window[: self._skip_exactly(window)]
            elif not self._skip_whole(window):
                size = _WINDOW
                continue
            if self._array is not None and len(self._array) <= self._most:
                self._array += window
            start += len(window)
            size = min(2 * size, _MAX_WINDOW)
        return start

    def _skip_exactly(self, window: bytes) -> int:
        """Move past `window` or to the end of the array; the number of bytes."""
        start, self._escaped = int(self._escaped), False
        for mark in _MARK.finditer(window, start):
            character = mark[0]
            self._escaped = character == b"\\"  # at the end of `window`
            if character == b'"':
                self._in_string = not self._in_string
            elif not self._in_string and len(character) == 1:
                self._depth += 1 if character in b"{[" else -1
                self._deepest = max(self._deepest, self._depth)
                if not self._depth:
                    return mark.end()
        return len(window)

    def _skip_whole(self, window: bytes) -> bool:
        """Move past `window`, unless the array ends in it. Only built-in functions look at its bytes."""
        text = window[self._escaped :].replace(rb"\\", b"").replace(rb"\"", b"")
        parts = text.split(b'"')
        outside = b"".join(parts[self._in_string :: 2])
        steps = memoryview(outside.translate(_STEPS, _NO_BRACKET)).cast("b")
        depths = list(accumulate(steps, initial=self._depth))
        if min(depths) <= 0:
            return False
        self._depth, self._deepest = depths[-1], max(self._deepest, *depths)
        self._in_string ^= len(parts) % 2 == 0
        self._escaped = text.endswith(b"\\")
        return True
