"""Runs a file that no transaction holds, and takes one up again that was cut off."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from pg8000.exceptions import DatabaseError, InterfaceError

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.migrations import indexes
from ops_pipeline.db.migrations import partial_runs as halves
from ops_pipeline.db.migrations.history import sqlstate_of
from ops_pipeline.db.migrations.lexer import Statement
from ops_pipeline.db.migrations.partial_runs import Half
from ops_pipeline.db.migrations.plan import NEEDS_AUTOCOMMIT, MigrationPlan, stands_alone
from ops_pipeline.db.migrations.session import AS_BEFORE, MigrationSession, send
from ops_pipeline.errors import MigrationFailed, MigrationRefused, OpsError

_LOST = (InterfaceError, OSError, EOFError)
# A second run of what took effect already answers so: the beginning of a statement, and
# the sqlstates "there is one of that name" or "there is none".
_TOOK_EFFECT = (
    (("CREATE", "DATABASE"), "42P04"),
    (("CREATE", "TABLESPACE"), "42710"),
    (("CREATE", "SUBSCRIPTION"), "42710"),
    (("ALTER", "TYPE"), "42710"),
    (("DROP", "INDEX"), "42704"),
    (("DROP", "DATABASE"), "3D000"),
    (("DROP", "TABLESPACE"), "42704"),
    (("DROP", "SUBSCRIPTION"), "42704"),
    (("ALTER", "TABLE"), "42P01"),
)
# A procedure or a block of code; these stand alone because they commit.
_MAY_COMMIT = (("CALL",), ("DO",))
_NOT_IN_STATE = "55000"
_SETTINGS = (("SET",), ("RESET",), ("SELECT", "SET_CONFIG"), ("SELECT", "PG_CATALOG", "SET_CONFIG"))


@dataclass(frozen=True, slots=True)
class Steps:
    """One file, over one session that holds the lock."""

    plan: MigrationPlan
    database: Database
    session: MigrationSession

    def run(self) -> None:
        """Run what has not taken effect yet; each statement leaves its count.

        Raises:
            MigrationFailed: a statement failed; says how many took effect. None did: the
                database is as before.
            MigrationRefused: the file changed where it took effect already.
        """
        with self.database.transaction() as tx:
            self.session.enter(tx, self.plan)
            half = halves.begin(tx, self.plan)
        done = half.statements_done
        for statement in self.plan.statements[:done]:
            if any(statement.words[: len(begins)] == begins for begins in _SETTINGS):
                send(self.session.raw.execute_simple, self.plan, statement, self._left(done))
        if half.attempted is not None:
            done += self._settle(half, half.attempted)
        for number in range(done, len(self.plan.statements)):
            self._step(number)

    def _settle(self, half: Half, attempted: str) -> int:
        """Find out whether the statement that was cut off took effect: 1 if it did, else 0.

        What no catalog tells is sent again, and counts as done if Postgres says it was.
        """
        number = half.statements_done
        statement = self.plan.statements[number] if number < len(self.plan.statements) else None
        if statement is None or statement.text != attempted:
            raise MigrationRefused(
                f"{self.plan.file.name}: a run was cut off at its statement {number + 1}, which "
                f"was changed since; restore it and run again"
            )
        target = indexes.target_of(statement)
        if not indexes.settle(self.session.raw, target, half.indexes_before):
            self._alone(number, again=True)
        self._advance(number + 1)
        return 1

    def _step(self, number: int) -> None:
        statement = self.plan.statements[number]
        if not stands_alone(statement):
            try:
                with self.database.transaction() as tx:
                    self.session.enter(tx, self.plan)
                    send(tx.script, self.plan, statement, self._left(number))
                    halves.advance(tx, self.plan, number + 1)
            except MigrationFailed as error:
                if sqlstate_of(error.__cause__) not in NEEDS_AUTOCOMMIT:
                    self._clean_up(number)
                    raise
            else:
                return
        self._alone(number)
        self._advance(number + 1)

    def _alone(self, number: int, *, again: bool = False) -> None:
        """Run a statement outside any transaction, marked as under way.

        `again`: it was cut off, and Postgres's "there is one already" means that it took effect.
        """
        statement = self.plan.statements[number]
        target = indexes.target_of(statement)
        indexes.drop_leftover(self.session.raw, target)
        before = [index.oid for index in indexes.existing(self.session.raw, target)]
        with self.database.transaction() as tx:
            self.session.enter(tx, self.plan)
            halves.mark(tx, self.plan, number, before)
        try:
            send(
                self.session.raw.execute_simple, self.plan, statement, self._left(number, statement)
            )
        except MigrationFailed as error:
            if again and _says_it_took_effect(statement, error):
                return
            if again and _is_detached_by_half(statement, error):
                self._finish_detaching(statement, number)
                return
            self._clean_up(number, before)
            raise

    def _finish_detaching(self, statement: Statement, number: int) -> None:
        """Postgres remembers a DETACH that was cut off, and takes only its end."""
        text = re.sub(r"(?i)\bconcurrently\s*$", "FINALIZE", statement.text)
        final = replace(statement, text=text)
        send(self.session.raw.execute_simple, self.plan, final, self._left(number))

    def _clean_up(self, number: int, before: Iterable[int] = ()) -> None:
        """After a refusal: no half-made index, no mark, no row where nothing took effect.

        Over a lost connection nothing is done, and what fails here the next run does: the
        mark is still there, and the first error is the one to tell.
        """
        with suppress(DatabaseError, OpsError, *_LOST):
            self.session.require_alive(self.plan)
            target = indexes.target_of(self.plan.statements[number])
            indexes.settle(self.session.raw, target, before)
            self._advance(number)
            if number == 0:
                with self.database.transaction() as tx:
                    self.session.enter(tx, self.plan)
                    tx.script(halves.forget_sql(self.plan.file.version))

    def _advance(self, done: int) -> None:
        with self.database.transaction() as tx:
            self.session.enter(tx, self.plan)
            halves.advance(tx, self.plan, done)

    def _left(self, done: int, alone: Statement | None = None) -> str:
        if alone is not None and alone.words[:1] in _MAY_COMMIT:
            return "what it had committed itself stays; the next run calls it again"
        if done == 0:
            return AS_BEFORE
        return (
            f"{done} of its {len(self.plan.statements)} statements took effect and stay; "
            f"correct the rest of the file and run again"
        )


def _says_it_took_effect(statement: Statement, error: MigrationFailed) -> bool:
    sqlstate = sqlstate_of(error.__cause__)
    return any(
        statement.words[: len(begins)] == begins and sqlstate == says
        for begins, says in _TOOK_EFFECT
    )


def _is_detached_by_half(statement: Statement, error: MigrationFailed) -> bool:
    return sqlstate_of(error.__cause__) == _NOT_IN_STATE and "DETACH" in statement.words
