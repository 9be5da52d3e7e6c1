"""What a migration file may not hold, because the runner could not stand by its promises."""

import re
from collections.abc import Iterator

from ops_pipeline.db.migrations.files import MigrationFile, number_of
from ops_pipeline.db.migrations.lexer import as_text, tokens_of
from ops_pipeline.db.migrations.statement import Statement

_TRANSACTION_VERBS = {
    "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE",
}  # fmt: skip
_HISTORY = r"(public \. )?schema_migrations\b"
_OWN_ROW = re.compile(rf"insert into {_HISTORY}|create table if not exists {_HISTORY}")
_TOUCHES_HISTORY = re.compile(
    rf"(insert into|update( only)?|delete from( only)?|truncate( table)?( only)?|copy"
    rf"|(create|alter|drop) table( if( not)? exists)?( only)?) {_HISTORY}"
)
_MENTIONS_HISTORY = re.compile("schema_migrations", re.IGNORECASE)
_GIVES_UP_LOCKS = re.compile("pg_advisory_unlock_all", re.IGNORECASE)
# Enough of a command of psql to name it.
_LONGEST_COMMAND = 40
_SETTING = "standard_conforming_strings"


def refusals_of(statement: Statement) -> Iterator[tuple[int, str]]:
    """Line and reason of each thing in the statement that a file may not hold."""
    if statement.backslash is not None:
        end = statement.backslash + _LONGEST_COMMAND
        command = as_text(statement.source[statement.backslash : end].split(maxsplit=1)[0])
        lines = statement.source.count("\n", statement.begin, statement.backslash)
        yield statement.line + lines, f"{command} is a command of psql, not SQL"
    for reason in _reasons(statement):
        yield statement.line, reason


def writes_own_row(file: MigrationFile, statement: Statement) -> bool:
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


def _reasons(statement: Statement) -> Iterator[str]:
    words = statement.words
    verb = words[0] if words else ""
    if verb in _TRANSACTION_VERBS or words[:2] == ("PREPARE", "TRANSACTION"):
        yield f"{verb} is not allowed; a file may have no more than an outer BEGIN ... COMMIT"
    if words[:2] == ("DISCARD", "ALL") or (verb != "CREATE" and _gives_up_locks(statement)):
        yield "it would give up the runner's lock"
    if verb == "DEALLOCATE" and words[-1] == "ALL":
        yield "it would deallocate the runner's own prepared statements"
    if verb == "COPY" and "STDOUT" in words:
        yield "COPY to the client cannot run in a migration"
    if verb == "COPY" and "STDIN" in words and statement.data is None:
        yield r"COPY from the client needs its data on the next lines, and \. behind them"
    if verb == "SET" and _SETTING.upper() in words and not _sets_on(statement):
        yield f"{_SETTING} stays on: the file is split into statements that way"
    if _TOUCHES_HISTORY.match(_beginning(statement)):
        yield "schema_migrations is the runner's: a file may hold no more than its own row"


def _beginning(statement: Statement) -> str:
    """Its first tokens as one line, if it mentions the history there."""
    if not statement.contains(_MENTIONS_HISTORY):
        return ""
    return " ".join(tokens_of(statement.text))


def _gives_up_locks(statement: Statement) -> bool:
    """Blocks of code included; creating a function that does so releases nothing."""
    return statement.contains(_GIVES_UP_LOCKS)


def _sets_on(statement: Statement) -> bool:
    return tokens_of(statement.text)[-1].strip("'").lower() in ("on", "true", "yes", "1", "default")
