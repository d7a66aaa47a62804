"""Makes text that comes from a cluster safe to print. Pure."""

_MAX_LINE = 2000  # characters; a cluster's answer may hold a megabyte


def cut(text: str, longest: int = _MAX_LINE) -> str:
    """`text`, or its first `longest` characters and its length."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def plain(text: str, longest: int = _MAX_LINE) -> str:
    """`text` on one line that no terminal obeys.

    It is cut, and characters that cannot be seen are escaped: control, direction, surrogate, unassigned (the classes of
    Unicode, UAX #44).
    """
    return escape(cut(text, longest))


def escape(text: str) -> str:
    """`text` with characters that cannot be seen escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
