"""Runs a file without a transaction around it, and continues one that was interrupted."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from pg8000.exceptions import DatabaseError

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.driver.failures import LOST, sqlstate_of
from ops_pipeline.db.migrations import indexes, partial_runs
from ops_pipeline.db.migrations.partial_runs import PartialRun
from ops_pipeline.db.migrations.plan import NEEDS_AUTOCOMMIT_SQLSTATES, MigrationPlan, stands_alone
from ops_pipeline.db.migrations.session import (
    NOTHING_CHANGED,
    MigrationSession,
    inside,
    outside,
    send,
)
from ops_pipeline.db.migrations.statement import Statement, statement_of
from ops_pipeline.errors import MigrationFailed, MigrationRefused, OpsError

# How Postgres answers a statement that took effect already: the start of the statement, and
# the sqlstate for "already exists" or "does not exist".
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
# Procedures and blocks of code: they run outside a transaction because they may commit.
_MAY_COMMIT = (("CALL",), ("DO",))
_NOT_IN_STATE = "55000"
_SETTINGS = (("SET",), ("RESET",), ("SELECT", "SET_CONFIG"), ("SELECT", "PG_CATALOG", "SET_CONFIG"))


class AutocommitRun:
    """Runs one file over the one session that holds the lock."""

    def __init__(self, plan: MigrationPlan, database: Database, session: MigrationSession) -> None:
        self.plan = plan
        self.database = database
        self.session = session
        self.statements = tuple(plan.statements)

    def run(self) -> None:
        """Run the statements that have not taken effect yet, and record after each how many have.

        Raises:
            MigrationFailed: a statement failed; says how many took effect. If none did, the
                database is as before.
            MigrationRefused: a part of the file that took effect already was changed.
        """
        with self.database.transaction() as tx:
            self.session.enter(tx, self.plan)
            partial = partial_runs.begin(tx, self.plan)
        done = partial.statements_done
        for statement in self.statements[:done]:
            if any(statement.words[: len(begins)] == begins for begins in _SETTINGS):
                send(outside(self.session.raw), self.plan, statement, self._state_left(done))
        if partial.attempted is not None:
            done += self._settle(partial, partial.attempted)
        for number in range(done, len(self.statements)):
            self._step(number)

    def _settle(self, partial: PartialRun, attempted: str) -> int:
        """Bring the interrupted statement to its end; returns 1, for one more statement done.

        Where the catalog does not tell, it is sent again, and counts as done if Postgres
        answers that it was.
        """
        number = partial.statements_done
        statement = self.statements[number] if number < len(self.statements) else None
        if statement is None or statement.text != attempted:
            raise MigrationRefused(
                f"{self.plan.file.name}: a run was interrupted at its statement {number + 1}, "
                f"which was changed since; restore it and run again"
            )
        target = indexes.target_of(statement)
        if not indexes.settle(self.session.raw, target, partial.indexes_before):
            self._alone(number, again=True)
        self._advance(number + 1)
        return 1

    def _step(self, number: int) -> None:
        statement = self.statements[number]
        if not stands_alone(statement):
            try:
                with self.database.transaction() as tx:
                    self.session.enter(tx, self.plan)
                    send(inside(tx), self.plan, statement, self._state_left(number))
                    partial_runs.advance(tx, self.plan, number + 1)
            except MigrationFailed as error:
                if sqlstate_of(error.__cause__) not in NEEDS_AUTOCOMMIT_SQLSTATES:
                    self._clean_up(number)
                    raise
            else:
                return
        self._alone(number)
        self._advance(number + 1)

    def _alone(self, number: int, *, again: bool = False) -> None:
        """Run a statement outside any transaction, recorded as under way.

        `again`: it was interrupted, and "already exists" from Postgres means it took effect.
        """
        statement = self.statements[number]
        target = indexes.target_of(statement)
        indexes.drop_leftover(self.session.raw, target)
        before = [index.oid for index in indexes.existing(self.session.raw, target)]
        with self.database.transaction() as tx:
            self.session.enter(tx, self.plan)
            partial_runs.mark(tx, self.plan, number, before)
        try:
            send(
                outside(self.session.raw),
                self.plan,
                statement,
                self._state_left(number, statement),
            )
        except MigrationFailed as error:
            if again and _says_it_took_effect(statement, error):
                return
            if again and _is_half_detached(statement, error):
                self._finish_detaching(statement, number)
                return
            self._clean_up(number, before)
            raise

    def _finish_detaching(self, statement: Statement, number: int) -> None:
        """After an interrupted DETACH Postgres accepts only its FINALIZE."""
        text = re.sub(r"(?i)\bconcurrently\s*$", "FINALIZE", statement.text)
        final = replace(statement_of(text), line=statement.line)
        send(outside(self.session.raw), self.plan, final, self._state_left(number))

    def _clean_up(self, number: int, before: Iterable[int] = ()) -> None:
        """After a refusal: no invalid index, no mark, no row where nothing took effect.

        Over a lost connection nothing is done. What fails here is left to the next run, which
        finds the mark; the first error is the one to report.
        """
        with suppress(DatabaseError, OpsError, *LOST):
            self.session.require_alive(self.plan)
            target = indexes.target_of(self.statements[number])
            indexes.settle(self.session.raw, target, before)
            self._advance(number)
            if number == 0:
                with self.database.transaction() as tx:
                    self.session.enter(tx, self.plan)
                    tx.script(partial_runs.forget_sql(self.plan.file.version))

    def _advance(self, done: int) -> None:
        with self.database.transaction() as tx:
            self.session.enter(tx, self.plan)
            partial_runs.advance(tx, self.plan, done)

    def _state_left(self, done: int, alone: Statement | None = None) -> str:
        if alone is not None and alone.words[:1] in _MAY_COMMIT:
            return "what it had committed itself stays; the next run calls it again"
        if done == 0:
            return NOTHING_CHANGED
        return (
            f"{done} of its {len(self.statements)} statements took effect and stay; "
            f"correct the rest of the file and run again"
        )


def _says_it_took_effect(statement: Statement, error: MigrationFailed) -> bool:
    sqlstate = sqlstate_of(error.__cause__)
    return any(
        statement.words[: len(begins)] == begins and sqlstate == says
        for begins, says in _TOOK_EFFECT
    )


def _is_half_detached(statement: Statement, error: MigrationFailed) -> bool:
    return sqlstate_of(error.__cause__) == _NOT_IN_STATE and "DETACH" in statement.words
