"""Makes text that comes from a cluster safe to print. Pure."""

_MAX_LINE = 2000  # characters; a cluster's answer may hold a megabyte


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
