"""What reaches a terminal or a spreadsheet: nothing in it acts, whatever a stranger wrote.

Headlines, a broker's words and an operator's reason come from the database as they were
stored. `ops` writes all of its text through here.
"""

import re
from collections.abc import Iterable
from typing import Any, TextIO, cast

# Controls (C0 but for line feed and tab, DEL, C1), what turns the direction of text or has no
# width, line ends of Unicode, halves of surrogate pairs, and tags.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# Spreadsheets take a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


def visible(text: str) -> str:
    """The text with what acts on a terminal written out, as \\u001b; JSON stays the same JSON."""
    return _ACTING.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def csv_cell(text: str) -> str:
    """The text as one cell that no spreadsheet computes; a number stays a number."""
    shown = visible(text)
    is_formula = text.lstrip(" ").startswith(_FORMULA) and not _NUMBER.fullmatch(text)
    return f"'{shown}" if is_formula else shown


class VisibleStream:
    """A text stream that shows what is written to it, and acts on nothing of it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def shown(stream: TextIO) -> TextIO:
    """The stream behind the rule above; one that has it already stays as it is."""
    return stream if isinstance(stream, VisibleStream) else cast("TextIO", VisibleStream(stream))


def acting(stream: TextIO) -> TextIO:
    """The stream itself, for what is made to act: rich's colours."""
    return stream.stream if isinstance(stream, VisibleStream) else stream
