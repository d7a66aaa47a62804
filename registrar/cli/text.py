"""Makes text that comes from a cluster safe to print. Pure."""

import re

_MAX_LINE = 2000  # characters; a cluster's answer may hold a megabyte
# Characters that `isprintable` takes for visible and that have no ink: those that Unicode lets a font leave out
# (Default_Ignorable_Code_Point: joiners, fillers, variation selectors), and blanks that are letters, marks or symbols.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
    "\u2800\u2d7f\ufffc\U0001107f\U00013441\U00013442\U00016fe4\U0001d159]"
)


def cut(text: str, longest: int = _MAX_LINE) -> str:
    """`text`, or its first `longest` characters and its length."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def plain(text: str, longest: int = _MAX_LINE) -> str:
    """`text` on one line that no terminal obeys.

    It is cut, and characters that cannot be seen are escaped: control, direction, surrogate, unassigned, blank (the
    classes of Unicode, UAX #44).
    """
    return escape(cut(text, longest))


def escape(text: str) -> str:
    """`text` with characters that cannot be seen escaped."""
    if _is_visible(text):
        return text
    return "".join(each if _is_visible(each) else each.encode("unicode_escape").decode() for each in text)


def _is_visible(text: str) -> bool:
    return text.isprintable() and not _BLANK.search(text)
