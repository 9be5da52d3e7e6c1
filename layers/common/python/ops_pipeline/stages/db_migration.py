"""Brings the database to the bundle's schema, or says how far it is from it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ops_pipeline.db import default_parameters
from ops_pipeline.db.connection import Database
from ops_pipeline.db.migrations import Runner
from ops_pipeline.errors import MigrationRefused
from ops_pipeline.ports import Clock


class Request(BaseModel):
    """`{}` migrates; the other verbs change nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verb: Literal["migrate", "status", "verify", "dry_run"] = Field(
        default="migrate", description="What to do; migrate applies what is pending."
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Versions by what happened, or would happen, to them.

    `applied` are those of this run, for status and verify all of them.
    `parameter_version` is the one in force after migrate, None for the other verbs.
    """

    verb: str
    applied: list[str]
    pending: list[str]
    problems: list[str]
    parameter_version: int | None


def run(request: Request, *, database: Database, folder: Path, clock: Clock) -> dict[str, Any]:
    """Do what the verb says.

    Raises:
        MigrationRefused: files or history are not in order (also what verify found).
        MigrationFailed: a file failed and left nothing behind.
    """
    runner = Runner(database, folder)
    match request.verb:
        case "migrate":
            outcome = _migrate(runner, database, clock)
        case "dry_run":
            pending = [plan.file.version for plan in runner.dry_run()]
            outcome = Outcome("dry_run", [], pending, [], None)
        case verb:
            outcome = _look(runner, verb)
    return asdict(outcome)


def _migrate(runner: Runner, database: Database, clock: Clock) -> Outcome:
    applied = runner.up()
    with database.transaction() as tx:
        version = default_parameters.ensure(tx, now=clock.now())
    return Outcome("migrate", [done.version for done in applied], [], [], version)


def _look(runner: Runner, verb: str) -> Outcome:
    status = runner.status()
    problems = list(status.problems)
    if verb == "verify" and (problems or status.pending):
        missing = [f"{version} is not applied" for version in status.pending]
        raise MigrationRefused("; ".join(problems + missing))
    applied = [done.version for done in status.applied]
    return Outcome(verb, applied, list(status.pending), problems, None)
