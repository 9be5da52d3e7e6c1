"""The migration runner: applies the pending files of a folder, each whole or not at all.

Lambda and the command line use this same code. One run at a time works on a database.
"""

import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pg8000.exceptions import DatabaseError

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.driver.failures import LOST, sqlstate_of
from ops_pipeline.db.migrations import adoption, drift, partial_runs
from ops_pipeline.db.migrations.adoption import Adoption
from ops_pipeline.db.migrations.autocommit import AutocommitRun
from ops_pipeline.db.migrations.cluster_wide import is_cluster_wide
from ops_pipeline.db.migrations.files import MigrationFile, read_folder
from ops_pipeline.db.migrations.history import Applied, postgres_message, record_sql
from ops_pipeline.db.migrations.plan import (
    HOW_TO_RUN_ALONE,
    NEEDS_AUTOCOMMIT_SQLSTATES,
    MigrationPlan,
)
from ops_pipeline.db.migrations.session import (
    LIMITS,
    LOCK_WAIT_S,
    NOTHING_CHANGED,
    MigrationSession,
    alone,
    inside,
    send,
)
from ops_pipeline.db.migrations.state import (
    MigrationOptions,
    State,
    plan_for,
    plans_for,
    problems_in,
    read_state,
)
from ops_pipeline.errors import DatabaseUnavailable, MigrationFailed, MigrationRefused

__all__ = ["LIMITS", "Adoption", "Applied", "Runner", "Status"]


@dataclass(frozen=True, slots=True)
class Status:
    """Folder and database compared; if there are problems, `up` refuses.

    `half_done` are interrupted files without a transaction; `up` continues them.
    """

    applied: tuple[Applied, ...]
    pending: tuple[str, ...]
    half_done: tuple[str, ...]
    problems: tuple[str, ...]


class Runner:
    """Migrates one database from one folder.

    Args:
        database: Logs in as the owner of the schema, best with LIMITS.
        folder: Of files named NNNN_name.sql.
        lock_wait_s: How long to wait for another run to end.
        allow_out_of_order: Names of files that may run although newer ones did; recorded.
        auto_no_transaction: Run files that need autocommit as if they said so; recorded.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        lock_wait_s: float = LOCK_WAIT_S,
        allow_out_of_order: Collection[str] = (),
        auto_no_transaction: bool = False,
    ) -> None:
        self._database = database
        self._folder = folder
        self._lock_wait_s = lock_wait_s
        self._options = MigrationOptions(frozenset(allow_out_of_order), auto_no_transaction)

    def status(self) -> Status:
        """Compare folder and database; changes nothing."""
        files = read_folder(self._folder)
        state = read_state(self._database)
        return Status(
            applied=tuple(sorted(state.history.values(), key=lambda row: row.version)),
            pending=tuple(file.version for file in files if file.version not in state.history),
            half_done=tuple(
                f"{half.version}: {half.statements_done} statements took effect"
                for half in state.partial_runs.values()
            ),
            problems=tuple(problems_in(files, state, self._options.out_of_order)),
        )

    def verify(self) -> list[str]:
        """How the database differs from what its migrations make, one sentence a difference.

        Checks files, history, and every object of the schema: the applied files are run
        on a scratch database, which is compared and dropped.

        Raises:
            MigrationRefused: the login may not make a scratch database.
        """
        status = self.status()
        found = [*status.problems, *(f"{half}, the rest did not" for half in status.half_done)]
        begun = {half.partition(":")[0] for half in status.half_done}
        found += [f"{each} is not applied" for each in status.pending if each not in begun]
        if found:
            return found
        applied = {row.version for row in status.applied}
        files = [file for file in read_folder(self._folder) if file.version in applied]
        not_run: list[str] = []
        with self._alone():
            found = list(
                drift.differences(self._database, lambda db: self._build(db, files, not_run))
            )
        if found and not_run:
            found.append(
                f"not run for this comparison, because they act beyond this database: "
                f"{', '.join(not_run)}"
            )
        return found

    def dry_run(self) -> list[MigrationPlan]:
        """What `up` would run, refused as it would be.

        Raises:
            MigrationRefused: see `up`.
        """
        return plans_for(read_folder(self._folder), read_state(self._database), self._options)

    def up(self) -> list[Applied]:
        """Apply what is pending, each file in one transaction with its row.

        Raises:
            MigrationRefused: a file or the history is not in order; nothing was run.
            MigrationFailed: a file failed; those before it stay applied, it left nothing.
            DatabaseUnavailable: no connection, or another run did not end in time.
            CommitUnknown: the connection broke at a COMMIT; the next run finds out.
        """
        files, state = self._read_both()
        if self._is_up_to_date(files, state):
            return []
        with self._alone() as session:
            plans = plans_for(files, read_state(self._database), self._options)
            if plans:
                # Only once all of them are found to be in order: a refusal leaves no table behind.
                read_state(self._database, create=True)
            return [self._apply(each, session) for each in plans]

    def baseline(self, wanted: Adoption) -> list[Applied]:
        """Adopt a database with another runner's history, or with none.

        Returns:
            The migrations that count as applied from now on; none of them was run.

        Raises:
            MigrationRefused: the history is ours already, or a recorded version matches no file.
        """
        files = read_folder(self._folder)
        with self._alone():
            try:
                with self._database.transaction() as tx:
                    rows = adoption.adopt(tx, files, wanted)
                    partial_runs.ensure_table(tx)
                    return rows
            except DatabaseError as error:
                raise MigrationFailed(
                    f"baseline: {postgres_message(error)}; nothing changed"
                ) from error

    def _read_both(self) -> tuple[list[MigrationFile], State]:
        """Folder and history, read side by side: most runs have nothing else to do.

        What is wrong with the folder is told first, even when the database does not answer.
        """
        with ThreadPoolExecutor(max_workers=1) as beside:
            reading = beside.submit(read_folder, self._folder)
            try:
                with _own_failures():
                    state = read_state(self._database)
            finally:
                files = reading.result()
        return files, state

    def _is_up_to_date(self, files: list[MigrationFile], state: State) -> bool:
        """Whether there is nothing to do, which takes no lock to see.

        Raises:
            MigrationRefused: nothing is pending, but files or history are not in order.
        """
        if self._database.pooled or any(file.version not in state.history for file in files):
            return False
        return not plans_for(files, state, self._options)

    @contextmanager
    def _alone(self) -> Iterator[MigrationSession]:
        with _own_failures(), alone(self._database, self._lock_wait_s) as session:
            yield session

    def _apply(self, made: MigrationPlan, session: MigrationSession) -> Applied:
        started = time.perf_counter()
        if made.transactional:
            try:
                return self._finish(made, session, started)
            except MigrationFailed as error:
                if sqlstate_of(error.__cause__) not in NEEDS_AUTOCOMMIT_SQLSTATES:
                    raise
                if not self._options.auto_no_transaction:
                    raise MigrationRefused(f"{error}; {HOW_TO_RUN_ALONE}") from error
                made = made.in_autocommit()
        AutocommitRun(made, self._database, session).run()
        return self._finish(made, session, started)

    def _finish(self, made: MigrationPlan, session: MigrationSession, started: float) -> Applied:
        """Send a transaction's statements, if the file has one, and its row; commit both."""
        with self._database.transaction() as tx:
            session.enter(tx, made)
            for statement in made.statements if made.transactional else ():
                send(inside(tx), made, statement, NOTHING_CHANGED)
            applied = Applied(
                version=made.file.version,
                checksum=made.file.checksum,
                execution_ms=round((time.perf_counter() - started) * 1000, 3),
                note=made.note,
            )
            last = [record_sql(applied)]
            if not made.transactional:
                last.append(partial_runs.forget_sql(made.file.version))
            ending = session.end_of_file(made, *last)
            send(lambda end: tx.commit_with(end.text), made, ending, NOTHING_CHANGED)
        return applied

    def _build(self, scratch: Database, files: Iterable[MigrationFile], not_run: list[str]) -> None:
        """Run files on an empty database; statements that act beyond it are only listed."""
        with alone(scratch, self._lock_wait_s) as session:
            runner = Runner(scratch, self._folder, auto_no_transaction=True)
            state = read_state(scratch, create=True)
            for file in files:
                made = plan_for(file, state, runner._options)
                not_run += [
                    f"{file.name} line {each.line} ({each.command(2)})"
                    for each in made.statements
                    if is_cluster_wide(each)
                ]
                kept = made.statements.without(is_cluster_wide)
                runner._apply(replace(made, statements=kept), session)


@contextmanager
def _own_failures() -> Iterator[None]:
    """Name what fails of the runner's own statements."""
    try:
        yield
    except DatabaseError as error:
        raise MigrationFailed(
            f"one of the runner's own statements failed: {postgres_message(error)}"
        ) from error
    except LOST as error:
        raise DatabaseUnavailable(f"the connection broke ({error}); run again") from error
