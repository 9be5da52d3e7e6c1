"""The way forward of a file that also holds the way back, as other runners mark them.

dbmate, goose, sql-migrate, micrate, rambler, node-pg-migrate and MyBatis write both into
one file, parted by comments. To any other reader that is one file which makes a table and
drops it. Only the way forward runs; a heading that looks like theirs but is not known is
refused where statements follow it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ops_pipeline.db.migrations.files import MigrationFile
from ops_pipeline.db.migrations.lexer import SqlUnreadable, comments, split
from ops_pipeline.errors import MigrationRefused

LEFT_OUT = "its way back left out"

_WORTH_A_LOOK = re.compile(r"--.*?(?i:up|down|undo|rollback|revert|no transaction)\b")
_MARK = re.compile(
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
# A heading that some runner, or only a human reader, may mean as the end of the way forward.
_LOOKS_LIKE_ONE = re.compile(
    r"-+[\s=*#@+:/-]*(?:migrate\s*:?\s*)?(?:down|undo|rollback|revert)(?:\s+migration)?[\s=*#:-]*",
    re.IGNORECASE,
)
# Behind a heading: nothing, or more comment, which makes it a remark for the reader.
_REMARK = re.compile(r"\s*(?:--|\Z)")


@dataclass(frozen=True, slots=True)
class WayForward:
    """What of a file is to run.

    Attributes:
        text: The file's, line for line, with everything else blanked.
        no_transaction: A mark says so.
        note: LEFT_OUT where something was.
    """

    text: str
    no_transaction: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Marker:
    """Begins at `begin`; what it opens, at `end`. `way` is up, down or alone."""

    way: str
    without_transaction: bool
    begin: int
    end: int


def way_forward(file: MigrationFile) -> WayForward:
    """Leave out the way back.

    Raises:
        MigrationRefused: it can't be told where the way forward begins or ends.
    """
    if _WORTH_A_LOOK.search(file.text) is None:
        return WayForward(file.text)
    marks = list(_marks(file.text))
    ways = [mark for mark in marks if mark.way != "alone"]
    if not ways:
        _refuse_what_looks_like_one(file, file.text)
        return WayForward(file.text, any(mark.without_transaction for mark in marks))
    up, down = _up_and_down(file, ways)
    begin = 0 if up is None else up.end
    end = len(file.text) if down is None else down.begin
    if up is not None:
        _refuse_statements_before(file, up)
    text = _blank(file.text[:begin]) + file.text[begin:end]
    _refuse_what_looks_like_one(file, text)
    without = any(mark.without_transaction for mark in marks if mark is not down)
    return WayForward(text, without, None if down is None else LEFT_OUT)


def _marks(text: str) -> Iterator[_Marker]:
    for comment, begin in comments(text):
        found = _MARK.fullmatch(comment.rstrip())
        if found is None:
            continue
        given = found.groupdict()
        options = given.pop("dbmate_options") or given.pop("plus_options", None) or ""
        way = next(value for name, value in given.items() if value and "options" not in name)
        way = {"no transaction": "alone", "undo": "down"}.get(way.lower(), way.lower())
        without = way == "alone" or _WITHOUT_TRANSACTION.search(options) is not None
        yield _Marker(way, without, begin, begin + len(comment))


def _up_and_down(
    file: MigrationFile, marks: list[_Marker]
) -> tuple[_Marker | None, _Marker | None]:
    """The one mark of each kind; a file may lack either."""
    for number, mark in enumerate(marks, start=1):
        if [each.way for each in marks[:number]] not in (["up"], ["down"], ["up", "down"]):
            raise MigrationRefused(
                f"{file.name} line {_line(file.text, mark.begin)}: the way {mark.way} cannot begin "
                f"here: a file holds one way up and, after it, one way down"
            )
    by_way = {mark.way: mark for mark in marks}
    return by_way.get("up"), by_way.get("down")


def _refuse_statements_before(file: MigrationFile, up: _Marker) -> None:
    try:
        before = split(file.text[: up.begin])
    except SqlUnreadable as error:
        raise MigrationRefused(f"{file.name} {error}") from error
    if before:
        raise MigrationRefused(
            f"{file.name} line {before[0].line}: stands before the mark of the way forward"
        )


def _refuse_what_looks_like_one(file: MigrationFile, text: str) -> None:
    for comment, begin in comments(text):
        if _LOOKS_LIKE_ONE.fullmatch(comment) and not _REMARK.match(text, begin + len(comment)):
            raise MigrationRefused(
                f"{file.name} line {_line(text, begin)}: {comment.strip()!r} looks like the way "
                f"back, and what follows would run: take it out of the file"
            )


def _blank(text: str) -> str:
    return "\n" * text.count("\n")


def _line(text: str, position: int) -> int:
    return 1 + text.count("\n", 0, position)
