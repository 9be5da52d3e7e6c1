"""What running a migration file means: its statements, and whether they share one transaction.

Files written for other runners may hold an outer BEGIN ... COMMIT and their own row in
schema_migrations: both are left out. What the runner cannot guarantee is refused before
anything runs.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from ops_pipeline.db.migrations.files import MigrationFile
from ops_pipeline.db.migrations.lexer import SqlUnreadable, restricts, statements
from ops_pipeline.db.migrations.refusals import refusals_of, writes_own_row
from ops_pipeline.db.migrations.statement import Statement
from ops_pipeline.db.migrations.up_down_markers import UpSection, up_section
from ops_pipeline.errors import MigrationRefused

NO_TRANSACTION = "-- migrate: no-transaction"
HOW_TO_RUN_ALONE = (
    f"make '{NO_TRANSACTION}' the first line of the file, or run with --auto-no-transaction"
)
# Postgres's answers to a statement that must run outside a transaction: active_sql_transaction,
# a procedure that commits, and an enum label used in the transaction that added it.
NEEDS_AUTOCOMMIT_SQLSTATES = frozenset(("25001", "2D000", "55P04"))

_DIRECTIVE = re.compile(r"--\s*migrate:\s*(?P<word>.*?)\s*$")
_OPENS = {("BEGIN",), ("BEGIN", "WORK"), ("BEGIN", "TRANSACTION"), ("START", "TRANSACTION")}
_CLOSES = {
    (verb, *noise) for verb in ("COMMIT", "END") for noise in ((), ("WORK",), ("TRANSACTION",))
}
_ALONE = re.compile(
    r"""
      CREATE\ (UNIQUE\ )?INDEX\ CONCURRENTLY\b.*
    | DROP\ INDEX\ CONCURRENTLY\b.*
    | REINDEX\ (\w+\ )*?CONCURRENTLY\b.*
    | REINDEX\ (VERBOSE\ )?(SCHEMA|DATABASE|SYSTEM)\b.*
    | VACUUM\b.*
    | (CREATE|DROP)\ (DATABASE|TABLESPACE|SUBSCRIPTION)\b.*
    | ALTER\ SYSTEM\b.*
    | ALTER\ DATABASE\ (\w+\ )?SET\ TABLESPACE\b.*
    | ALTER\ TABLE\ .*\bDETACH\ PARTITION\b.*\bCONCURRENTLY
    | CLUSTER(\ VERBOSE)?
    """,
    re.VERBOSE,
)
_ONLY_IN_A_TRANSACTION = frozenset((("SET", "LOCAL"), ("SET", "CONSTRAINTS")))


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of a file that will run, in order.

    Those of a large file (`kept` is None) are read from it again each time.
    """

    file: MigrationFile
    section: UpSection
    left_out: frozenset[int]
    count: int
    kept: list[Statement] | None

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Statement]:
        return (statement for _, statement in self._numbered())

    def __getitem__(self, number: int) -> Statement:
        return tuple(self)[number]

    def without(self, unwanted: Callable[[Statement], bool]) -> "Statements":
        numbers = {number for number, statement in self._numbered() if unwanted(statement)}
        left_out = self.left_out | numbers
        return replace(self, left_out=left_out, count=self.count - len(numbers))

    def _numbered(self) -> Iterator[tuple[int, Statement]]:
        found = _read(self.file.source(), self.section) if self.kept is None else self.kept
        return (each for each in enumerate(found) if each[0] not in self.left_out)


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What will be sent for a file.

    Attributes:
        statements: Without an outer BEGIN ... COMMIT and without rows for schema_migrations.
        transactional: All in one transaction; otherwise each on its own.
        note: What is unusual about this run, for the file's row; None if nothing is.
        prepares: Whether it may leave prepared statements behind.
    """

    file: MigrationFile
    statements: Statements
    transactional: bool
    note: str | None = None
    prepares: bool = False
    only_in_a_transaction: Statement | None = None

    def in_autocommit(self) -> "MigrationPlan":
        """The same file without a transaction around it.

        Raises:
            MigrationRefused: a statement has no effect outside of one.
        """
        note = _joined(self.note, "auto-no-transaction")
        return _standing_alone(replace(self, transactional=False, note=note))

    def noted(self, note: str) -> "MigrationPlan":
        return replace(self, note=_joined(self.note, note))


@dataclass(slots=True)
class _Survey:
    """What one reading of a file finds. `kept` is None for a large file."""

    kept: list[Statement] | None
    count: int = 0
    own_rows: set[int] = field(default_factory=set)
    first: tuple[int, Statement] | None = None
    last: tuple[int, Statement] | None = None
    # Of the first few, as the first and the last may be an outer BEGIN and COMMIT.
    refusals: list[tuple[int, str]] = field(default_factory=list)
    alone: Statement | None = None
    only_in_a_transaction: Statement | None = None
    prepares: bool = False

    def see(self, file: MigrationFile, statement: Statement) -> None:
        number = self.count
        self.count += 1
        if self.kept is not None:
            self.kept.append(statement)
        if writes_own_row(file, statement):
            self.own_rows.add(number)
            return
        self.first = self.first or (number, statement)
        self.last = (number, statement)
        self._refuse(file, number, statement)
        if self.alone is None and stands_alone(statement):
            self.alone = statement
        words = statement.words
        if words[:2] in _ONLY_IN_A_TRANSACTION or words[:1] == ("LOCK",):
            self.only_in_a_transaction = self.only_in_a_transaction or statement
        self.prepares = self.prepares or words[:1] == ("PREPARE",)

    def _refuse(self, file: MigrationFile, number: int, statement: Statement) -> None:
        if len(self.refusals) <= 2:
            for line, reason in refusals_of(statement):
                self.refusals.append((number, f"{file.name} line {line}: {reason}"))

    def unreadable(self, file: MigrationFile, error: SqlUnreadable) -> MigrationRefused:
        """Data after a COPY and psql's commands contain quotes: the better reason to give."""
        for statement in error.before:
            self._refuse(file, self.count, statement)
        opening = {0} if self.first is not None and self.first[1].words in _OPENS else set()
        for number, reason in self.refusals:
            if number not in opening:
                return MigrationRefused(reason)
        return MigrationRefused(f"{file.name} {error}")

    def wrapping(self) -> set[int]:
        """The numbers of an outer BEGIN and its COMMIT; empty where there is none."""
        if self.first is None or self.last is None or self.first[0] == self.last[0]:
            return set()
        if self.first[1].words in _OPENS and self.last[1].words in _CLOSES:
            return {self.first[0], self.last[0]}
        return set()


def plan(file: MigrationFile, *, auto_no_transaction: bool = False) -> MigrationPlan:
    """Split a file into the statements to send.

    Args:
        file: As it lies in the folder.
        auto_no_transaction: Treat a file that needs autocommit as if it declared so.

    Raises:
        MigrationRefused: names file, line and the command that is not allowed.
    """
    source = file.source()
    section = up_section(file, source)
    declared = _is_declared(source, file) or section.no_transaction
    survey = _survey(file, _read(source, section))
    wrapping = set() if declared else survey.wrapping()
    for number, reason in survey.refusals:
        if number not in wrapping:
            raise MigrationRefused(reason)
    left_out = frozenset(survey.own_rows | wrapping)
    made = MigrationPlan(
        file,
        Statements(file, section, left_out, survey.count - len(left_out), survey.kept),
        transactional=not declared,
        note=_note(source, section, survey),
        prepares=survey.prepares,
        only_in_a_transaction=survey.only_in_a_transaction,
    )
    if declared or survey.alone is None:
        return made if made.transactional else _standing_alone(made)
    if not auto_no_transaction:
        what = _command_of(survey.alone)
        raise MigrationRefused(
            f"{file.name} line {survey.alone.line}: {what} cannot run inside a transaction; "
            f"{HOW_TO_RUN_ALONE}"
        )
    return made.in_autocommit()


def stands_alone(statement: Statement) -> bool:
    """Whether the statement is known to fail inside a transaction; others only fail when run."""
    return _ALONE.fullmatch(" ".join(statement.words)) is not None


def _survey(file: MigrationFile, found: Iterable[Statement]) -> _Survey:
    survey = _Survey(kept=None if file.kept is None else [])
    try:
        for statement in found:
            survey.see(file, statement)
    except SqlUnreadable as error:
        raise survey.unreadable(file, error) from error
    return survey


def _read(source: str, section: UpSection) -> Iterator[Statement]:
    return statements(source, section.begin, section.end)


def _note(source: str, section: UpSection, survey: _Survey) -> str | None:
    note = section.note
    if survey.own_rows:
        note = _joined(note, "its own row left out")
    if "restrict" in source and restricts(source):
        note = _joined(note, r"psql's \restrict left out")
    return note


def _is_declared(source: str, file: MigrationFile) -> bool:
    directive = _DIRECTIVE.match(source[: source.find("\n")] if "\n" in source else source)
    # dbmate's markers look alike; up_section reads them.
    if directive is None or directive["word"].split(" ")[0] in ("up", "down"):
        return False
    if directive["word"] != "no-transaction":
        raise MigrationRefused(
            f"{file.name} line 1: unknown directive {directive['word']!r}; "
            f"there is only '{NO_TRANSACTION}'"
        )
    return True


def _standing_alone(made: MigrationPlan) -> MigrationPlan:
    """Refuse what would silently have no effect where each statement is its own transaction."""
    statement = made.only_in_a_transaction
    if statement is not None:
        what = " ".join(statement.words[:2])
        raise MigrationRefused(
            f"{made.file.name} line {statement.line}: {what} means nothing in a file without a "
            f"transaction, where each statement is its own"
        )
    return made


def _command_of(statement: Statement) -> str:
    """Its first words, and CONCURRENTLY if that comes later."""
    late = "CONCURRENTLY" in statement.words and "CONCURRENTLY" not in statement.words[:3]
    return f"{statement.command(3)} CONCURRENTLY" if late else statement.command(3)


def _joined(first: str | None, second: str) -> str:
    return f"{first}; {second}" if first else second
