"""One statement of a script, as a place in it: a large file is never copied whole."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CHUNK = 1 << 18
# The longest UTF-8 form of a character.
_MOST_BYTES_A_CHARACTER = 4
_COMMAND_WORDS = frozenset(
    ("ALTER", "CLUSTER", "COMMENT", "CONCURRENTLY", "COPY", "CREATE", "DATABASE", "DO", "DROP",
     "GRANT", "GROUP", "INDEX", "LABEL", "ON", "OWNED", "REASSIGN", "REINDEX", "REVOKE", "ROLE",
     "SCHEMA", "SECURITY", "SUBSCRIPTION", "SYSTEM", "TABLE", "TABLESPACE", "UNIQUE", "USER",
     "VACUUM", "VERBOSE")
)  # fmt: skip
_LINE_OF_DATA = re.compile(r"^COPY .*?, line (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Statement:
    r"""One statement without its semicolon.

    Attributes:
        source: The script it stands in, one character a byte of its UTF-8.
        begin, end: From its first word to its last token, comments inside included.
        line: Line of the first word in the script, counted from 1.
        words: Its unquoted words in order, upper case; the first thousand.
        spelled: The first few of them as they are written.
        backslash: Where a backslash stands outside of quotes, which only psql understands.
        data: Begin and end of the lines behind a COPY ... FROM STDIN, without the \. line.
    """

    source: str
    begin: int
    end: int
    line: int
    words: tuple[str, ...]
    spelled: tuple[str, ...] = ()
    backslash: int | None = None
    data: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        """It, as text; a copy."""
        return self.source[self.begin : self.end].encode("latin-1").decode()

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return self.end - self.begin

    def command(self, words: int) -> str:
        """Its first words as one reads them: commands in upper case, names as they are written."""
        pairs = zip(self.words[:words], self.spelled, strict=False)
        return " ".join(word if word in _COMMAND_WORDS else spelled for word, spelled in pairs)

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, to be sent."""
        return _chunks(self.source, self.begin, self.end)

    def data_chunks(self) -> Iterator[bytes]:
        """The bytes of its data; none where it has none."""
        return _chunks(self.source, *(self.data or (0, 0)))

    def contains(self, pattern: re.Pattern[str]) -> bool:
        """Whether the pattern, of ASCII characters, is found in its text."""
        return pattern.search(self.source, self.begin, self.end) is not None

    def line_at(self, position: int) -> int:
        """The file's line of a character position as Postgres reports it, from 1."""
        last = min(self.end, self.begin + _MOST_BYTES_A_CHARACTER * max(position, 1))
        before = self.source[self.begin : last].encode("latin-1").decode(errors="ignore")
        return self.line + before.count("\n", 0, max(position - 1, 0))

    def line_of_data(self, context: str) -> int | None:
        """The file's line of the row that Postgres's context names (COPY t, line 3, column a)."""
        named = _LINE_OF_DATA.search(context)
        if named is None or self.data is None:
            return None
        first = self.line + self.source.count("\n", self.begin, self.data[0])
        return first + int(named[1]) - 1


def statement_of(text: str) -> Statement:
    """A statement of the runner's own, which stands in no file: its line is 0."""
    source = text.encode().decode("latin-1")
    return Statement(source, 0, len(source), line=0, words=())


def _chunks(source: str, begin: int, end: int) -> Iterator[bytes]:
    for place in range(begin, end, _CHUNK):
        yield source[place : min(place + _CHUNK, end)].encode("latin-1")
