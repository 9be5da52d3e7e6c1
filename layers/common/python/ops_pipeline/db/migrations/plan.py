"""What running a migration file means: its statements, and whether they share one transaction.

Files written for other runners may hold an outer BEGIN ... COMMIT and their own row in
schema_migrations: both are left out. What the runner cannot guarantee is refused before
anything runs.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops_pipeline.db.migrations.files import MigrationFile, number_of
from ops_pipeline.db.migrations.lexer import SqlUnreadable, Statement, backslash, split, tokens_of
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
_TRANSACTION_VERBS = {
    "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE",
}  # fmt: skip
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
_HISTORY = r"(public \. )?schema_migrations\b"
_OWN_ROW = re.compile(rf"insert into {_HISTORY}|create table if not exists {_HISTORY}")
_TOUCHES_HISTORY = re.compile(
    rf"(insert into|update( only)?|delete from( only)?|truncate( table)?( only)?"
    rf"|(create|alter|drop) table( if( not)? exists)?( only)?) {_HISTORY}"
)
_SETTING = "standard_conforming_strings"
_ONLY_IN_A_TRANSACTION = frozenset((("SET", "LOCAL"), ("SET", "CONSTRAINTS")))


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What will be sent for a file.

    Attributes:
        statements: Without an outer BEGIN ... COMMIT and without rows for schema_migrations.
        transactional: All in one transaction; otherwise each on its own.
        note: What is unusual about this run, for the file's row; None if nothing is.
    """

    file: MigrationFile
    statements: tuple[Statement, ...]
    transactional: bool
    note: str | None = None

    def in_autocommit(self) -> "MigrationPlan":
        """The same file without a transaction around it.

        Raises:
            MigrationRefused: a statement has no effect outside of one.
        """
        note = _joined(self.note, "auto-no-transaction")
        return _standing_alone(MigrationPlan(self.file, self.statements, False, note))

    def noted(self, note: str) -> "MigrationPlan":
        return MigrationPlan(
            self.file, self.statements, self.transactional, _joined(self.note, note)
        )


def plan(file: MigrationFile, *, auto_no_transaction: bool = False) -> MigrationPlan:
    """Split a file into the statements to send.

    Args:
        file: As it lies in the folder.
        auto_no_transaction: Treat a file that needs autocommit as if it declared so.

    Raises:
        MigrationRefused: names file, line and the command that is not allowed.
    """
    section = up_section(file)
    declared = _is_declared(file) or section.no_transaction
    found = _statements_of(file, section)
    statements = [statement for statement in found if not _writes_own_row(file, statement)]
    note = section.note
    if len(statements) < len(found):
        note = _joined(note, "its own row left out")
    if not declared and _is_wrapped(statements):
        statements = statements[1:-1]
    _refuse_what_may_not_run(file, statements)
    made = MigrationPlan(file, tuple(statements), not declared, note)
    alone = next((each for each in statements if stands_alone(each)), None)
    if declared or alone is None:
        return made if made.transactional else _standing_alone(made)
    if not auto_no_transaction:
        what = " ".join(_verb_of(alone))
        raise MigrationRefused(
            f"{file.name} line {alone.line}: {what} cannot run inside a transaction; "
            f"{HOW_TO_RUN_ALONE}"
        )
    return made.in_autocommit()


def stands_alone(statement: Statement) -> bool:
    """Whether the statement is known to fail inside a transaction; others only fail when run."""
    return _ALONE.fullmatch(" ".join(statement.words)) is not None


def _is_declared(file: MigrationFile) -> bool:
    directive = _DIRECTIVE.match(file.text.split("\n", 1)[0])
    # dbmate's markers look alike; up_section reads them.
    if directive is None or directive["word"].split(" ")[0] in ("up", "down"):
        return False
    if directive["word"] != "no-transaction":
        raise MigrationRefused(
            f"{file.name} line 1: unknown directive {directive['word']!r}; "
            f"there is only '{NO_TRANSACTION}'"
        )
    return True


def _statements_of(file: MigrationFile, section: UpSection) -> list[Statement]:
    try:
        return split(section.text)
    except SqlUnreadable as error:
        # Data after a COPY and psql's commands contain quotes: that is the better reason to give.
        _refuse_what_may_not_run(file, error.before)
        raise MigrationRefused(f"{file.name} {error}") from error


def _refuse_what_may_not_run(file: MigrationFile, statements: Sequence[Statement]) -> None:
    for statement in statements:
        if command := backslash(statement):
            raise MigrationRefused(
                f"{file.name} line {command[1]}: {command[0]} is a command of psql, not SQL"
            )
        for reason in _reasons_to_refuse(statement):
            raise MigrationRefused(f"{file.name} line {statement.line}: {reason}")


def _standing_alone(made: MigrationPlan) -> MigrationPlan:
    """Refuse what would silently have no effect where each statement is its own transaction."""
    for statement in made.statements:
        if statement.words[:2] in _ONLY_IN_A_TRANSACTION or statement.words[:1] == ("LOCK",):
            what = " ".join(statement.words[:2])
            raise MigrationRefused(
                f"{made.file.name} line {statement.line}: {what} means nothing in a file without a "
                f"transaction, where each statement is its own"
            )
    return made


def _verb_of(statement: Statement) -> tuple[str, ...]:
    """Its first words, and CONCURRENTLY if that comes later."""
    words = statement.words[:3]
    late = "CONCURRENTLY" in statement.words and "CONCURRENTLY" not in words
    return (*words, "CONCURRENTLY") if late else words


def _is_wrapped(statements: Sequence[Statement]) -> bool:
    return len(statements) > 1 and statements[0].words in _OPENS and statements[-1].words in _CLOSES


def _writes_own_row(file: MigrationFile, statement: Statement) -> bool:
    """Whether it only does what the runner does itself: the history's table, or this file's row."""
    tokens = _beginning(statement)
    if not _OWN_ROW.match(tokens):
        return False
    if tokens.startswith("create"):
        return True
    given = [token.strip("'") for token in tokens_of(statement.text)]
    return any(
        text in (file.version, file.name) or (text.isdigit() and number_of(text) == file.number)
        for text in given
    )


def _beginning(statement: Statement) -> str:
    """Its tokens as one line, if it mentions the history at all."""
    if "schema_migrations" not in statement.text.lower():
        return ""
    return " ".join(tokens_of(statement.text))


def _reasons_to_refuse(statement: Statement) -> Iterator[str]:
    words = statement.words
    verb = words[0] if words else ""
    if verb in _TRANSACTION_VERBS or words[:2] == ("PREPARE", "TRANSACTION"):
        yield f"{verb} is not allowed; a file may have no more than an outer BEGIN ... COMMIT"
    if words[:2] == ("DISCARD", "ALL") or (verb != "CREATE" and _gives_up_locks(statement)):
        yield "it would give up the runner's lock"
    if verb == "DEALLOCATE" and words[-1] == "ALL":
        yield "it would deallocate the runner's own prepared statements"
    if verb == "COPY" and ("STDIN" in words or "STDOUT" in words):
        yield "COPY from or to the client cannot run in a migration; use INSERT"
    if verb == "SET" and _SETTING.upper() in words and not _sets_on(statement):
        yield f"{_SETTING} stays on: the file is split into statements that way"
    if _TOUCHES_HISTORY.match(_beginning(statement)):
        yield "schema_migrations is the runner's: a file may insert only its own row"


def _gives_up_locks(statement: Statement) -> bool:
    """Blocks of code included; creating a function that does so releases nothing."""
    return "pg_advisory_unlock_all" in statement.text.lower()


def _sets_on(statement: Statement) -> bool:
    return tokens_of(statement.text)[-1].strip("'").lower() in ("on", "true", "yes", "1", "default")


def _joined(first: str | None, second: str) -> str:
    return f"{first}; {second}" if first else second
