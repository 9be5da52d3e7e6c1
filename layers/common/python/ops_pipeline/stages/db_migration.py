"""Brings the database to the bundle's schema, or says how far it is from it."""

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


class Request(BaseModel):
    """`{}` migrates; status, verify and dry_run change nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verb: Literal["migrate", "status", "verify", "dry_run", "baseline"] = Field(
        default="migrate", description="What to do; migrate applies what is pending."
    )
    allow_out_of_order: FileNames = Field(
        default=(), description="Files that may run although newer ones did; recorded."
    )
    auto_no_transaction: bool = Field(
        default=False, description="Run files that need autocommit without a transaction."
    )
    through: str | None = Field(
        default=None, description="baseline without a history: the file the schema is at."
    )
    not_applied: FileNames = Field(
        default=(), description="baseline: files that did not run, whatever was recorded."
    )
    ignore: FileNames = Field(
        default=(), description="baseline: recorded versions that belong to no file."
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Versions by what happened, or would happen, to them.

    `applied` are those of this run, for status and verify all of them. `notes` says what was
    unusual about them. `parameter_version` is the one in force after migrate, None for the
    other verbs.
    """

    verb: str
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
    """Do what the verb says.

    Args:
        passwords: Those of the other logins, which migrate makes first; None where
            somebody else makes them.

    Raises:
        MigrationRefused: files, history or schema are not in order (also what verify found).
        MigrationFailed: a file failed and left nothing behind.
        SchemaBehind: all files ran, but the folder lacks one that this code needs.
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
            wanted = Adoption(request.through, request.not_applied, request.ignore)
            outcome = _told("baseline", runner.baseline(wanted))
        case verb:
            outcome = _look(runner, verb)
    return asdict(outcome)


def _migrate(runner: Runner, database: Database, folder: Path, clock: Clock) -> Outcome:
    applied = runner.up()
    with database.transaction() as tx:
        if (folder / f"{schema.VERSIONS[0]}.sql").exists():
            # Ours, and not somebody's folder: a bundle that lost a file must not look migrated.
            schema.require_current(tx)
        version = default_parameters.ensure(tx, now=clock.now())
    return _told("migrate", applied, parameter_version=version)


def _look(runner: Runner, verb: str) -> Outcome:
    status = runner.status()
    problems = list(status.problems)
    if verb == "verify":
        problems = runner.verify()
        if problems:
            raise MigrationRefused("; ".join(problems))
    told = _told(verb, status.applied)
    return Outcome(
        verb,
        told.applied,
        list(status.pending),
        list(status.half_done),
        problems,
        told.notes,
        None,
    )


def _told(
    verb: str, rows: "tuple[Applied, ...] | list[Applied]", *, parameter_version: int | None = None
) -> Outcome:
    notes = {row.version: row.note for row in rows if row.note}
    applied = [row.version for row in rows]
    return Outcome(verb, applied, [], [], [], notes, parameter_version)
