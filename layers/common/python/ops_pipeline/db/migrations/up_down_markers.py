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
from ops_pipeline.db.migrations.lexer import SqlUnreadable, comments, statements
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
        begin, end: Its place in the source.
        no_transaction: A marker asks for it.
        note: LEFT_OUT if there was a down section.
    """

    begin: int
    end: int
    no_transaction: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Marker:
    """One marker, between two offsets of the text; what it opens begins at `end`."""

    kind: MarkerKind
    without_transaction: bool
    begin: int
    end: int


def up_section(file: MigrationFile, source: str) -> UpSection:
    """The up section of a file; without markers that is all of it.

    Raises:
        MigrationRefused: where the up section begins or ends cannot be told.
    """
    whole = UpSection(0, len(source))
    if _MAY_HAVE_MARKERS.search(source) is None:
        return whole
    markers = list(_markers(source))
    sections = [marker for marker in markers if marker.kind != "no transaction"]
    up, down = _up_and_down(file, source, sections)
    if up is not None:
        _refuse_statements_before(file, source, up)
    found = UpSection(
        begin=0 if up is None else up.end,
        end=len(source) if down is None else down.begin,
        no_transaction=any(each.without_transaction for each in markers if each is not down),
        note=None if down is None else LEFT_OUT,
    )
    _refuse_what_looks_like_one(file, source, found)
    return found


def _markers(source: str) -> Iterator[_Marker]:
    for comment, begin in comments(source):
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
    file: MigrationFile, source: str, markers: list[_Marker]
) -> tuple[_Marker | None, _Marker | None]:
    """The one marker of each kind; a file may lack either."""
    for number, marker in enumerate(markers, start=1):
        if [each.kind for each in markers[:number]] not in (["up"], ["down"], ["up", "down"]):
            raise MigrationRefused(
                f"{file.name} line {_line(source, marker.begin)}: a second {marker.kind} "
                f"section, or one out of order: a file has one up section and then one down section"
            )
    by_kind = {marker.kind: marker for marker in markers}
    return by_kind.get("up"), by_kind.get("down")


def _refuse_statements_before(file: MigrationFile, source: str, up: _Marker) -> None:
    try:
        before = next(statements(source, 0, up.begin), None)
    except SqlUnreadable as error:
        raise MigrationRefused(f"{file.name} {error}") from error
    if before is not None:
        raise MigrationRefused(
            f"{file.name} line {before.line}: statements before the marker of the up section"
        )


def _refuse_what_looks_like_one(file: MigrationFile, source: str, section: UpSection) -> None:
    for comment, begin in comments(source, section.begin, section.end):
        behind = begin + len(comment)
        if _LOOKS_LIKE_ONE.fullmatch(comment) and not (
            behind == section.end or _REMARK.match(source, behind, section.end)
        ):
            raise MigrationRefused(
                f"{file.name} line {_line(source, begin)}: {comment.strip()!r} looks like the "
                f"start of a down section, and what follows would run: remove it from the file"
            )


def _line(source: str, position: int) -> int:
    return 1 + source.count("\n", 0, position)
