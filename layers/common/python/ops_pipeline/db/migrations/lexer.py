"""Split SQL into statements as Postgres would: quotes, dollar quotes, nested comments.

It follows PostgreSQL's own lexer (src/backend/parser/scan.l) for what may hide a
semicolon, and psql's for the data behind COPY ... FROM STDIN. It reads with
standard_conforming_strings = on: the runner sets it, and refuses a file that unsets it.

A script is handed over with one character a byte (`as_bytes`): so a large file takes as much
memory as it has bytes, and every place is one that the server can be sent from. Like the
server's lexer, this one takes any byte beyond ASCII as part of a name.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from ops_pipeline.db.migrations.statement import Statement

Kind = Literal["blank", "comment", "text", "dollar", "word", "number", "other"]
# What a script has beside them: the semicolon that ends a statement, and psql's \restrict.
ScriptKind = Kind | Literal["end", "restrict"]

_PLAIN = r"'[^']*+(?:''[^']*+)*+'"
_QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'
_ESCAPED = r"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'"
# A constant continues after white space that contains a line break.
_GAP = r"(?:[ \t\f\v]|--[^\r\n]*)*[\r\n](?:\s|--[^\r\n]*[\r\n])*"
# Any character beyond ASCII may be part of a name, and none of them is white space.
_NOT_ASCII = "\u0080-\U0010ffff"
_TOKEN = re.compile(
    rf"""
      (?P<blank>\s+|--[^\r\n]*)
    | (?P<comment>/\*)
    | (?P<text>[eE]{_ESCAPED}(?:{_GAP}{_ESCAPED})*+ | {_PLAIN} | {_QUOTED})
    | (?P<unended>[eE]?'|")
    | (?P<dollar>\$(?:[A-Za-z_{_NOT_ASCII}][\w{_NOT_ASCII}]*)?\$)
    | (?P<word>[A-Za-z_{_NOT_ASCII}][\w${_NOT_ASCII}]*)
    | (?P<number>\d[\w.{_NOT_ASCII}]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
# Where no statement begins.
_NO_PART = frozenset(("blank", "comment", "restrict", "end"))
_NOT_BLANK = re.compile(r"\S", re.ASCII)
_BLANK = " \t\r\n\f\v"
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# pg_dump begins and ends its output with them; psql then takes no other command of its own.
_RESTRICT = re.compile(r"\\(?:un)?restrict[ \t]+\w+[ \t]*(?=\n|\Z)")
_END_OF_DATA = re.compile(r"^\\\.(?:\n|\Z)", re.MULTILINE)
# Enough for every statement whose words matter; of a long list of values they do not.
_MOST_WORDS = 1_000
_MAKES_A_ROUTINE = re.compile(r"CREATE (OR REPLACE )?(FUNCTION|PROCEDURE) ")
# Postgres folds no letter beyond ASCII.
_LOWER = {ord(letter): ord(letter) + 32 for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


class SqlUnreadable(ValueError):
    """A quote, a comment or the data of a COPY that never ends.

    Attributes:
        line: Where it starts, counted from 1.
        before: The statements up to there, the last one incomplete.
    """

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"line {line}: {what} never ends")
        self.line = line
        self.before: tuple[Statement, ...] = ()


@dataclass(slots=True)
class _Nesting:
    """Where in a statement we are: inside open parentheses and bodies no semicolon ends it."""

    parentheses: int = 0
    in_body: bool = False
    previous: str = ""
    words: list[str] = field(default_factory=list)
    spelled: list[str] = field(default_factory=list)
    backslash: int | None = None

    def see(self, kind: str, text: str) -> None:
        previous, self.previous = self.previous, text
        if kind == "word":
            self._see_word(text, previous)
        elif text == "(":
            self.parentheses += 1
        elif text == ")":
            self.parentheses = max(0, self.parentheses - 1)

    def _see_word(self, text: str, previous: str) -> None:
        self.previous = word = text.upper()
        if len(self.words) < _MOST_WORDS:
            self.words.append(word)
            self.spelled.append(text)
        if self.parentheses:
            return
        if word == "ATOMIC" and previous == "BEGIN":
            self.in_body = _MAKES_A_ROUTINE.match(" ".join(self.words)) is not None
        elif word == "END" and previous in (";", "ATOMIC"):
            # Anywhere else END closes a CASE, or is the name of a column.
            self.in_body = False

    @property
    def open(self) -> bool:
        return self.parentheses > 0 or self.in_body

    @property
    def reads_data(self) -> bool:
        """Whether it is a COPY ... FROM STDIN, whose data follow its semicolon."""
        if self.words[:1] != ["COPY"]:
            return False
        return ("FROM", "STDIN") in zip(self.words, self.words[1:], strict=False)


@dataclass(slots=True)
class _Script:
    """Reads pieces of a script; after an `end`, `nesting` and `data` are those of the statement."""

    sql: str
    nesting: _Nesting = field(default_factory=_Nesting)
    data: tuple[int, int] | None = None

    def pieces(self, position: int, stop: int) -> Iterator[tuple[ScriptKind, int, int]]:
        sql = self.sql
        while position < stop:
            kind, end = _piece(sql, position)
            first = sql[position]
            if kind == "other" and first == ";" and not self.nesting.open:
                end = self._end_of_statement(end, stop)
                yield "end", position, end
                self.nesting, self.data = _Nesting(), None
            elif kind == "other" and first == "\\" and (end_of := self._restrict(position)):
                end = end_of
                yield "restrict", position, end
            else:
                if kind not in ("blank", "comment"):
                    self.nesting.see(kind, sql[position:end])
                    if first == "\\" and self.nesting.backslash is None:
                        self.nesting.backslash = position
                yield kind, position, end
            position = end

    def _end_of_statement(self, end: int, stop: int) -> int:
        """The end of the statement, behind the data of a COPY."""
        if not self.nesting.reads_data:
            return end
        begin = self.sql.find("\n", end, stop) + 1 or stop
        same_line = _NOT_BLANK.search(self.sql, end, begin)
        if same_line or not _NOT_BLANK.search(self.sql, begin, stop):
            return end
        found = _END_OF_DATA.search(self.sql, begin, stop)
        if found is None:
            raise SqlUnreadable(r"the data of a COPY (a line with \.)", _line(self.sql, begin))
        self.data = begin, found.start()
        return found.end()

    def _restrict(self, position: int) -> int | None:
        found = None if self.nesting.previous else _RESTRICT.match(self.sql, position)
        return None if found is None else found.end()


def as_bytes(text: str) -> str:
    """The text with one character a byte of its UTF-8, which is how scripts are read."""
    return text.encode().decode("latin-1")


def as_text(piece: str) -> str:
    """What a piece of a script says; the opposite of `as_bytes`."""
    return piece.encode("latin-1").decode(errors="replace")


def statements(sql: str, begin: int = 0, stop: int | None = None) -> Iterator[Statement]:
    """The statements of a script, one after the other, without the comments between them.

    Args:
        sql: One character a byte, see `as_bytes`.
        begin, stop: The part of it to read; lines are counted from the beginning of all.

    Raises:
        SqlUnreadable: a quote, a comment or the data of a COPY never ends.
    """
    script = _Script(sql)
    stop = len(sql) if stop is None else stop
    line, counted = 1, 0
    start: int | None = None
    try:
        for kind, place, _ in script.pieces(begin, stop):
            if kind == "end" and start is not None:
                yield _statement(script, start, place, line)
                start = None
            elif start is None and kind not in _NO_PART:
                line, counted, start = line + sql.count("\n", counted, place), place, place
    except SqlUnreadable as error:
        if start is not None:
            error.before = (_statement(script, start, stop, line),)
        raise
    if start is not None:
        yield _statement(script, start, stop, line)


def _statement(script: _Script, begin: int, end: int, line: int) -> Statement:
    nesting = script.nesting
    while script.sql[end - 1] in _BLANK:
        end -= 1
    return Statement(
        source=script.sql,
        begin=begin,
        end=end,
        line=line,
        words=tuple(nesting.words),
        spelled=tuple(map(as_text, nesting.spelled[:4])),
        backslash=nesting.backslash,
        data=script.data,
    )


def split(sql: str) -> list[Statement]:
    """The statements of a short text, see `statements`.

    Raises:
        SqlUnreadable: a quote or comment never ends.
    """
    found: list[Statement] = []
    try:
        found.extend(statements(as_bytes(sql)))
    except SqlUnreadable as error:
        error.before = (*found, *error.before)
        raise
    return found


def tokens_of(sql: str) -> list[str]:
    """The tokens in order, names folded as Postgres does: `"Odd" T` gives `Odd`, `t`.

    A constant keeps its quotes, so that it is not taken for a name.

    Raises:
        SqlUnreadable: a quote or comment never ends.
    """
    return [_folded(kind, sql[begin:end]) for kind, begin, end in _tokens(sql)]


def _folded(kind: str, text: str) -> str:
    if kind == "word":
        return text.translate(_LOWER)
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def has_unicode_name(sql: str) -> bool:
    r"""Whether a name is written with escapes (U&"d\0061t"), which `tokens_of` does not resolve.

    Raises:
        SqlUnreadable: a quote or comment never ends.
    """
    touching = ""
    behind = 0
    for _, begin, end in _tokens(sql):
        touching = (touching if begin == behind else "") + sql[begin:end]
        if touching[:3].upper() == 'U&"':
            return True
        if touching.upper() not in ("U", "U&"):
            touching = ""
        behind = end
    return False


def placeholders(sql: str) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of each `:name` outside of quotes and comments; `::` is a cast.

    Raises:
        SqlUnreadable: a quote or comment never ends.
    """
    colons = 0
    colon_end = -1
    for kind, begin, end in _tokens(sql):
        if kind == "word" and colons == 1 and begin == colon_end:
            yield sql[begin:end], colon_end - 1, end
        is_colon = kind == "other" and sql[begin] == ":"
        colons = (colons + 1 if begin == colon_end else 1) if is_colon else 0
        colon_end = end if is_colon else -1


def comments(sql: str, begin: int = 0, stop: int | None = None) -> Iterator[tuple[str, int]]:
    """Text and position of each `-- ...` comment of a script, up to a quote that never ends."""
    stop = len(sql) if stop is None else stop
    with suppress(SqlUnreadable):
        for kind, place, end in _Script(sql).pieces(begin, stop):
            if kind == "blank" and sql.startswith("--", place):
                yield sql[place:end], place


def restricts(sql: str) -> bool:
    r"""Whether a script holds psql's \restrict."""
    return any(kind == "restrict" for kind, _, _ in _Script(sql).pieces(0, len(sql)))


def _tokens(sql: str) -> Iterator[tuple[Kind, int, int]]:
    """Kind, start and end of each token that is neither blank nor comment."""
    position = 0
    while position < len(sql):
        kind, end = _piece(sql, position)
        if kind not in ("blank", "comment"):
            yield kind, position, end
        position = end


def _piece(sql: str, position: int) -> tuple[Kind, int]:
    """Kind and end of the token, blank or comment that begins there."""
    match = _TOKEN.match(sql, position)
    if match is None:
        raise AssertionError("the last alternative matches any character")
    end = match.end()
    match match.lastgroup:
        case "blank" | "text" | "word" | "number" | "other" as kind:
            return kind, end
        case "comment":
            return "comment", _comment_end(sql, position)
        case "dollar":
            return "dollar", _dollar_end(sql, match.group(), position)
    raise SqlUnreadable("a quote", _line(sql, position))


def _comment_end(sql: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise SqlUnreadable("a comment", _line(sql, start))


def _dollar_end(sql: str, tag: str, start: int) -> int:
    closing = sql.find(tag, start + len(tag))
    if closing < 0:
        raise SqlUnreadable(f"the quote {tag}", _line(sql, start))
    return closing + len(tag)


def _line(sql: str, position: int) -> int:
    return 1 + sql.count("\n", 0, position)
