"""Split SQL into statements as Postgres would: quotes, dollar quotes, nested comments.

It follows PostgreSQL's own lexer (src/backend/parser/scan.l) for what may hide a
semicolon, and psql's for bodies of `BEGIN ATOMIC ... END`. It reads with
standard_conforming_strings = on: the runner sets it, and refuses a file that unsets it.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

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
_COMMENT_EDGE = re.compile(r"/\*|\*/")


class SqlUnreadable(ValueError):
    """A quote or comment that never ends.

    Attributes:
        line: Where it starts, counted from 1.
        before: The statements up to there, the last one incomplete.
    """

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"line {line}: {what} never ends")
        self.line = line
        self.before: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its semicolon.

    Attributes:
        text: From its first word on, comments inside included.
        line: Line of the first word in the file, counted from 1.
        words: Its unquoted words in order, upper case.
    """

    text: str
    line: int
    words: tuple[str, ...]

    def line_at(self, position: int) -> int:
        """The file's line of a character position as Postgres reports it, from 1."""
        return self.line + self.text.count("\n", 0, max(position - 1, 0))


@dataclass(slots=True)
class _Nesting:
    """Open parentheses and bodies, inside of which a semicolon does not end the statement."""

    parentheses: int = 0
    body: int = 0
    words: list[str] = field(default_factory=list)

    def see(self, kind: str, text: str) -> None:
        if kind == "word":
            self._see_word(text.upper())
        elif text == "(":
            self.parentheses += 1
        elif text == ")":
            self.parentheses = max(0, self.parentheses - 1)

    def _see_word(self, word: str) -> None:
        previous = self.words[-1] if self.words else ""
        self.words.append(word)
        if self.parentheses:
            return
        if word == "ATOMIC" and previous == "BEGIN" and self.words[0] == "CREATE":
            self.body = 1
        elif self.body and word == "CASE":
            self.body += 1
        elif self.body and word == "END":
            self.body -= 1

    @property
    def open(self) -> bool:
        return self.parentheses > 0 or self.body > 0


def tokens_of(sql: str) -> list[str]:
    """The tokens in order, names folded as Postgres does: `"Odd" T` gives `Odd`, `t`.

    A constant keeps its quotes, so that it is not taken for a name.

    Raises:
        SqlUnreadable: a quote or comment never ends.
    """
    return [_folded(kind, sql[begin:end]) for kind, begin, end in _tokens(sql)]


def _folded(kind: str, text: str) -> str:
    if kind == "word":
        return text.lower()
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


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


def split(sql: str) -> list[Statement]:
    """The statements of a file, without empty ones and without the comments between them.

    Raises:
        SqlUnreadable: a quote or comment never ends.
    """
    found: list[Statement] = []
    nesting = _Nesting()
    start: int | None = None
    line, counted = 1, 0
    try:
        for kind, begin, end in _tokens(sql):
            if kind == "other" and sql[begin] == ";" and not nesting.open:
                if start is not None:
                    found.append(Statement(sql[start:begin].rstrip(), line, tuple(nesting.words)))
                nesting, start = _Nesting(), None
                continue
            if start is None:
                line, counted, start = line + sql.count("\n", counted, begin), begin, begin
            nesting.see(kind, sql[begin:end])
    except SqlUnreadable as error:
        cut_off = [] if start is None else [Statement(sql[start:], line, tuple(nesting.words))]
        error.before = (*found, *cut_off)
        raise
    if start is not None:
        found.append(Statement(sql[start:].rstrip(), line, tuple(nesting.words)))
    return found


def comments(sql: str) -> Iterator[tuple[str, int]]:
    """Text and position of each `-- ...` comment, up to a quote that never ends."""
    with suppress(SqlUnreadable):
        for kind, begin, end in _pieces(sql):
            if kind == "blank" and sql.startswith("--", begin):
                yield sql[begin:end], begin


def backslash(statement: Statement) -> tuple[str, int] | None:
    """A psql command in the statement and its line; SQL has no backslash outside of quotes."""
    if "\\" not in statement.text:
        return None
    with suppress(SqlUnreadable):
        for kind, begin, _ in _tokens(statement.text):
            if kind == "other" and statement.text[begin] == "\\":
                command = statement.text[begin:].split(maxsplit=1)[0]
                return command, statement.line_at(begin + 1)
    return None


def _tokens(sql: str) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of each token that is neither blank nor comment."""
    return (piece for piece in _pieces(sql) if piece[0] not in ("blank", "comment"))


def _pieces(sql: str) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of each token, blank and comment."""
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None or match.lastgroup is None:
            raise AssertionError("the last alternative matches any character")
        kind, end = match.lastgroup, match.end()
        if kind == "comment":
            end = _comment_end(sql, position)
        elif kind == "dollar":
            end = _dollar_end(sql, match.group(), position)
        elif kind == "unended":
            raise SqlUnreadable("a quote", _line(sql, position))
        yield kind, position, end
        position = end


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
