"""The up section of a file that also has a down section, by the markers of other runners.

dbmate, goose, sql-migrate, micrate, rambler, node-pg-migrate and MyBatis keep both in one
file, separated by comments. A runner that ignores them would create a table and drop it
again. Only the up section runs; a heading that looks like a marker but is none of theirs is
refused if statements follow it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ops_pipeline.db.migrations.files import MigrationFile
from ops_pipeline.db.migrations.lexer import SqlUnreadable, comments, split
from ops_pipeline.errors import MigrationRefused

MarkerKind = Literal["up", "down", "no transaction"]
LEFT_OUT = "its down section left out"

_MAY_HAVE_MARKERS = re.compile(r"--.*?(?i:up|down|undo|rollback|revert|no transaction)\b")
_MARKER = re.compile(
    r"""
      --\s*migrate:(?P<dbmate>up|down)\b(?P<dbmate_options>.*)
    | --\s*\+(?:goose|migrate|micrate)\s+(?P<plus>up|down)\b(?P<plus_options>.*)
    | --\s*\+goose\s+(?P<alone>no\ transaction)\s*
    | --\s*rambler\s+(?P<rambler>up|down)\s*
    | --\s*(?P<node>up|down)\s+migration\s*
    | --\s*//\s*@(?P<mybatis>undo)\s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_WITHOUT_TRANSACTION = re.compile(r"transaction\s*:\s*false|notransaction", re.IGNORECASE)
# A heading that another runner, or only a human reader, may take for the end of the up section.
_LOOKS_LIKE_ONE = re.compile(
    r"-+[\s=*#@+:/-]*(?:migrate\s*:?\s*)?(?:down|undo|rollback|revert)(?:\s+migration)?[\s=*#:-]*",
    re.IGNORECASE,
)
# After the heading comes nothing, or another comment, which makes it an ordinary remark.
_REMARK = re.compile(r"\s*(?:--|\Z)")


_KINDS: dict[str, MarkerKind] = {
    "up": "up",
    "down": "down",
    "undo": "down",
    "no transaction": "no transaction",
}


@dataclass(frozen=True, slots=True)
class UpSection:
    """The part of a file that is to run.

    Attributes:
        text: The file's text, with all other lines blanked so that line numbers stay.
        no_transaction: A marker asks for it.
        note: LEFT_OUT if there was a down section.
    """

    text: str
    no_transaction: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Marker:
    """One marker, between two offsets of the text; what it opens begins at `end`."""

    kind: MarkerKind
    without_transaction: bool
    begin: int
    end: int


def up_section(file: MigrationFile) -> UpSection:
    """The up section of a file; without markers that is all of it.

    Raises:
        MigrationRefused: where the up section begins or ends cannot be told.
    """
    if _MAY_HAVE_MARKERS.search(file.text) is None:
        return UpSection(file.text)
    markers = list(_markers(file.text))
    sections = [marker for marker in markers if marker.kind != "no transaction"]
    if not sections:
        _refuse_what_looks_like_one(file, file.text)
        return UpSection(file.text, any(marker.without_transaction for marker in markers))
    up, down = _up_and_down(file, sections)
    begin = 0 if up is None else up.end
    end = len(file.text) if down is None else down.begin
    if up is not None:
        _refuse_statements_before(file, up)
    text = _blank(file.text[:begin]) + file.text[begin:end]
    _refuse_what_looks_like_one(file, text)
    without = any(marker.without_transaction for marker in markers if marker is not down)
    return UpSection(text, without, None if down is None else LEFT_OUT)


def _markers(text: str) -> Iterator[_Marker]:
    for comment, begin in comments(text):
        found = _MARKER.fullmatch(comment.rstrip())
        if found is None:
            continue
        given = found.groupdict()
        options = given.pop("dbmate_options") or given.pop("plus_options", None) or ""
        word = next(value for name, value in given.items() if value and "options" not in name)
        kind = _KINDS[word.lower()]
        without = kind == "no transaction" or _WITHOUT_TRANSACTION.search(options) is not None
        yield _Marker(kind, without, begin, begin + len(comment))


def _up_and_down(
    file: MigrationFile, markers: list[_Marker]
) -> tuple[_Marker | None, _Marker | None]:
    """The one marker of each kind; a file may lack either."""
    for number, marker in enumerate(markers, start=1):
        if [each.kind for each in markers[:number]] not in (["up"], ["down"], ["up", "down"]):
            raise MigrationRefused(
                f"{file.name} line {_line(file.text, marker.begin)}: a second {marker.kind} "
                f"section, or one out of order: a file has one up section and then one down section"
            )
    by_kind = {marker.kind: marker for marker in markers}
    return by_kind.get("up"), by_kind.get("down")


def _refuse_statements_before(file: MigrationFile, up: _Marker) -> None:
    try:
        before = split(file.text[: up.begin])
    except SqlUnreadable as error:
        raise MigrationRefused(f"{file.name} {error}") from error
    if before:
        raise MigrationRefused(
            f"{file.name} line {before[0].line}: statements before the marker of the up section"
        )


def _refuse_what_looks_like_one(file: MigrationFile, text: str) -> None:
    for comment, begin in comments(text):
        if _LOOKS_LIKE_ONE.fullmatch(comment) and not _REMARK.match(text, begin + len(comment)):
            raise MigrationRefused(
                f"{file.name} line {_line(text, begin)}: {comment.strip()!r} looks like the "
                f"start of a down section, and what follows would run: remove it from the file"
            )


def _blank(text: str) -> str:
    return "\n" * text.count("\n")


def _line(text: str, position: int) -> int:
    return 1 + text.count("\n", 0, position)
