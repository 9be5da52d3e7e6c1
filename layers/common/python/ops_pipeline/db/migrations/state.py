"""What a database has recorded of its migrations, and the plans for the files still pending."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pg8000.exceptions import DatabaseError

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.migrations import partial_runs
from ops_pipeline.db.migrations.files import MigrationFile, number_of
from ops_pipeline.db.migrations.history import (
    Applied,
    columns_of_history,
    postgres_message,
    problems_of,
    read_history,
)
from ops_pipeline.db.migrations.other_runners import what_is_there
from ops_pipeline.db.migrations.partial_runs import PartialRun
from ops_pipeline.db.migrations.plan import MigrationPlan, plan
from ops_pipeline.errors import MigrationFailed, MigrationRefused


@dataclass(frozen=True, slots=True)
class State:
    """The applied and the partly applied files, by version.

    `obstacle` is why no file may run: the database holds what others made.
    """

    history: dict[str, Applied]
    partial_runs: dict[str, PartialRun]
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class MigrationOptions:
    """What the operator allows beyond the rules.

    Attributes:
        out_of_order: Names of files that may run although newer ones did.
        auto_no_transaction: Run files that need autocommit as if they said so.
    """

    out_of_order: frozenset[str] = frozenset()
    auto_no_transaction: bool = False


def read_state(database: Database, *, create: bool = False) -> State:
    """Ask the database; with `create` the runner's tables are made where they are missing.

    Raises:
        MigrationRefused: the history is another runner's.
        MigrationFailed: Postgres refused; its words are in the message.
    """
    try:
        with database.transaction() as tx:
            history = read_history(tx, create=create)
            obstacle = what_is_there(tx) if not history and not create else None
            if obstacle is not None and columns_of_history(tx):
                obstacle = None  # Ours: the history is there, or another run has just made it.
            state = State(history, partial_runs.read_partial_runs(tx), obstacle)
            if create:
                partial_runs.ensure_table(tx)
            return state
    except DatabaseError as error:
        raise MigrationFailed(f"schema_migrations: {postgres_message(error)}") from error


def problems_in(
    files: Sequence[MigrationFile], state: State, allowed: Collection[str]
) -> Iterator[str]:
    """Why the files do not continue the database's history, one sentence each."""
    if state.obstacle is not None:
        yield state.obstacle
    yield from problems_of(files, state.history, allowed)
    versions = {file.version for file in files}
    for version in state.partial_runs:
        if version not in versions:
            yield f"{version}.sql took effect in part, but the file is missing"


def plans_for(
    files: Sequence[MigrationFile], state: State, options: MigrationOptions
) -> list[MigrationPlan]:
    """The plans of the files that are pending, in order.

    Raises:
        MigrationRefused: a file or the history is not in order.
    """
    if problems := list(problems_in(files, state, options.out_of_order)):
        raise MigrationRefused("; ".join(problems))
    return [plan_for(file, state, options) for file in files if file.version not in state.history]


def plan_for(file: MigrationFile, state: State, options: MigrationOptions) -> MigrationPlan:
    """The plan of one file; a partly applied one continues statement by statement, in any case."""
    begun = file.version in state.partial_runs
    made = plan(file, auto_no_transaction=options.auto_no_transaction or begun)
    if begun and made.transactional:
        made = made.in_autocommit()
    newest = max(state.history, key=lambda version: number_of(version) or 0, default="")
    if (number_of(newest) or 0) > file.number:
        made = made.noted(f"out of order, allowed after {newest}")
    return made
