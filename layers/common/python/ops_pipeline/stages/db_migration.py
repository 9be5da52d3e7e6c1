"""Applies the bundle's migrations, or reports how the database differs from them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ops_pipeline.db import default_parameters, roles, schema
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.migrations.runner import Adoption, Applied, Runner
from ops_pipeline.db.roles import Role
from ops_pipeline.errors import MigrationRefused
from ops_pipeline.ports import Clock

FileNames = tuple[str, ...]
Verb = Literal["migrate", "status", "verify", "dry_run", "baseline"]


class Request(BaseModel):
    """`{}` migrates; status, verify and dry_run change nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verb: Verb = Field(
        default="migrate", description="What to do; migrate applies what is pending."
    )
    allow_out_of_order: FileNames = Field(
        default=(), description="Files that may run although newer ones did; recorded."
    )
    auto_no_transaction: bool = Field(
        default=False, description="Run files that need autocommit without a transaction."
    )
    through: str | None = Field(
        default=None, description="baseline without a history: the newest file that is applied."
    )
    not_applied: FileNames = Field(
        default=(), description="baseline: files that did not run, whatever was recorded."
    )
    nothing_applied: bool = Field(
        default=False, description="baseline: no file ran, although the database holds tables."
    )
    undo: bool = Field(default=False, description="baseline: take an earlier baseline back.")
    ignore: FileNames = Field(default=(), description="baseline: recorded versions without a file.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Migration versions by state.

    `applied` are those of this run; for status and verify all of them. `notes` explains
    what was unusual about one. `parameter_version` is the one in force after migrate, None
    for the other verbs.
    """

    verb: Verb
    applied: list[str]
    pending: list[str]
    half_done: list[str]
    problems: list[str]
    notes: dict[str, str]
    parameter_version: int | None


def run(
    request: Request,
    *,
    database: Database,
    folder: Path,
    clock: Clock,
    passwords: Mapping[Role, str] | None = None,
) -> dict[str, Any]:
    """Carry out the verb.

    Args:
        passwords: Passwords of the other logins, which migrate creates first; None where
            they are created elsewhere.

    Raises:
        MigrationRefused: files, history or schema do not agree; verify raises it too.
        MigrationFailed: a file failed and was rolled back.
        SchemaBehind: all files ran, but one that this code needs is not in the folder.
    """
    runner = Runner(
        database,
        folder,
        allow_out_of_order=request.allow_out_of_order,
        auto_no_transaction=request.auto_no_transaction,
    )
    match request.verb:
        case "migrate":
            if passwords:
                with database.transaction() as tx:
                    roles.prepare(tx, passwords)
            outcome = _migrate(runner, database, folder, clock)
        case "dry_run":
            pending = [plan.file.version for plan in runner.dry_run()]
            outcome = Outcome("dry_run", [], pending, [], [], {}, None)
        case "baseline":
            adoption = Adoption(
                through=request.through,
                not_applied=request.not_applied,
                ignore=request.ignore,
                nothing_applied=request.nothing_applied,
                undo=request.undo,
            )
            outcome = _outcome("baseline", runner.baseline(adoption))
        case verb:
            outcome = _report(runner, verb)
    return asdict(outcome)


def _migrate(runner: Runner, database: Database, folder: Path, clock: Clock) -> Outcome:
    applied = runner.up()
    with database.transaction() as tx:
        if (folder / f"{schema.VERSIONS[0]}.sql").exists():
            # Our own migrations: a bundle with a missing file must not count as migrated.
            schema.require_current(tx)
        version = default_parameters.ensure(tx, now=clock.now())
    return _outcome("migrate", applied, parameter_version=version)


def _report(runner: Runner, verb: Verb) -> Outcome:
    status = runner.status()
    problems = list(status.problems)
    if verb == "verify":
        problems = runner.verify()
        if problems:
            raise MigrationRefused("; ".join(problems))
    applied = _outcome(verb, status.applied)
    return Outcome(
        verb,
        applied.applied,
        list(status.pending),
        list(status.half_done),
        problems,
        applied.notes,
        None,
    )


def _outcome(
    verb: Verb, rows: "tuple[Applied, ...] | list[Applied]", *, parameter_version: int | None = None
) -> Outcome:
    notes = {row.version: row.note for row in rows if row.note}
    applied = [row.version for row in rows]
    return Outcome(verb, applied, [], [], [], notes, parameter_version)
