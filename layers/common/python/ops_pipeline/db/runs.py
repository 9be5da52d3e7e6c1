"""Run rows, their leases, and the fence that lets only the lease's holder commit."""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

from ops_pipeline.db.driver.connection import Database, Transaction, log_message
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.legible import legible
from ops_pipeline.errors import ConstraintViolated, LeaseLost

EVERYTHING = "*"
Refusal = Literal["already_done", "busy"]


class UnitsOfWork(Protocol):
    """The database as a stage sees it: transactions and nothing else."""

    def transaction(self) -> AbstractContextManager[Transaction]: ...


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one stage for one scope; a newer `attempt` fences off an older owner.

    Attributes:
        expires_at: From then on another run may take it over.
    """

    run_id: UUID
    attempt: int
    expires_at: datetime


_ABANDON_EXPIRED = """
UPDATE pipeline_runs SET status = 'abandoned', finished_at = :now
WHERE stage = :stage AND scope = :scope AND status = 'running' AND lease_expires_at <= :now
"""

# A run that failed or lost its lease may be taken again, one that succeeded may not.
_TAKE = """
INSERT INTO pipeline_runs AS run
    (run_id, stage, tick, scope, attempt, status, owner, lease_expires_at, started_at)
VALUES (:run_id, :stage, :tick, :scope, 1, 'running', :owner, :expires_at, :now)
ON CONFLICT (stage, tick, scope) DO UPDATE SET
    attempt = run.attempt + 1, status = 'running', owner = :owner,
    lease_expires_at = :expires_at, started_at = :now, finished_at = NULL,
    counts = NULL, error_class = NULL, error_message = NULL
WHERE run.status IN ('failed', 'abandoned')
   OR (run.status = 'running' AND run.lease_expires_at <= :now)
RETURNING run.attempt
"""

_STATUS = "SELECT status FROM pipeline_runs WHERE run_id = :run_id"

# An error, unlike an empty result, prevents the COMMIT that is sent along with it.
_FENCE = """
SELECT 1 / count(*) AS held FROM (
    SELECT 1 FROM pipeline_runs
    WHERE run_id = :run_id AND attempt = :attempt AND status = 'running'
    FOR SHARE
) AS run
"""

# The run's end and its measured duration in one statement.
_FINISH = """
WITH ended AS (
UPDATE pipeline_runs SET status = :status, finished_at = :now, counts = CAST(:counts AS jsonb),
    error_class = CAST(:error_class AS text), error_message = CAST(:error_message AS text)
WHERE run_id = :run_id AND attempt = :attempt AND status = 'running'
RETURNING run_id, attempt
)
INSERT INTO run_timings (run_id, attempt, duration_ms)
SELECT run_id, attempt, CAST(:duration_ms AS double precision) FROM ended
ON CONFLICT (run_id, attempt) DO UPDATE SET duration_ms = excluded.duration_ms
"""

_ABANDON_OWNER = """
UPDATE pipeline_runs SET status = 'abandoned', finished_at = :now
WHERE owner = :owner AND status = 'running'
"""


def take(
    database: UnitsOfWork,
    *,
    stage: str,
    tick: datetime,
    scope: str,
    owner: str,
    now: datetime,
    lease_s: float,
) -> Lease | Refusal:
    """Take the lease of one run; refused when it is done or another run holds the lease."""
    asked = {
        "run_id": stable_uuid("run", stage, tick, scope),
        "stage": stage,
        "tick": tick,
        "scope": scope,
        "owner": owner,
        "expires_at": now + timedelta(seconds=lease_s),
        "now": now,
    }
    try:
        return _taken(database, asked)
    except ConstraintViolated as error:
        if error.constraint != "pipeline_runs_one_lease":
            raise
    with database.transaction() as tx:
        if not tx.execute(_ABANDON_EXPIRED, stage=stage, scope=scope, now=now):
            return "busy"
    try:
        return _taken(database, asked)
    except ConstraintViolated as error:
        if error.constraint == "pipeline_runs_one_lease":
            return "busy"
        raise


def _taken(database: UnitsOfWork, asked: Mapping[str, Any]) -> Lease | Refusal:
    """Take it unless it is done or running.

    Raises ConstraintViolated while the run of another tick holds the lease.
    """
    with database.transaction() as tx:
        taken = tx.one(_TAKE, **asked)
        if taken:
            return Lease(asked["run_id"], taken["attempt"], asked["expires_at"])
        row = tx.one(_STATUS, run_id=asked["run_id"])
        if row and row["status"] == "succeeded":
            return "already_done"
        return "busy"


def succeed(
    tx: Transaction,
    lease: Lease,
    *,
    counts: Mapping[str, object],
    now: datetime,
    duration_ms: float,
) -> None:
    """Mark the run as succeeded. Raises LeaseLost when it was taken over meanwhile."""
    ended = tx.execute(
        _FINISH,
        run_id=lease.run_id,
        attempt=lease.attempt,
        status="succeeded",
        now=now,
        counts=json.dumps(counts, default=str),
        error_class=None,
        error_message=None,
        duration_ms=duration_ms,
    )
    if not ended:
        raise LeaseLost("another run took this stage over before it ended")


def fail(
    tx: Transaction,
    lease: Lease,
    *,
    error: BaseException,
    now: datetime,
    duration_ms: float,
) -> None:
    """Mark the run as failed, in a transaction of its own; not if it was taken over."""
    tx.enqueue(
        _FINISH,
        run_id=lease.run_id,
        attempt=lease.attempt,
        status="failed",
        now=now,
        counts=None,
        error_class=type(error).__name__,
        error_message=legible(log_message(error)[:2000]),
        duration_ms=duration_ms,
    )


def abandon_owner(tx: Transaction, *, owner: str, now: datetime) -> int:
    """Release every lease of a runner that is known to be dead."""
    return tx.execute(_ABANDON_OWNER, owner=owner, now=now)


class FencedDatabase:
    """Transactions that commit only while the lease is held.

    The run's row stays share-locked until COMMIT, so no other run can take the
    stage over between the check and the commit.
    """

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self._lease = lease

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._database.transaction() as tx:
            yield tx
            lost = LeaseLost("another run took this stage over: nothing was saved")
            lease = self._lease
            tx.commit_unless(lost, _FENCE, run_id=lease.run_id, attempt=lease.attempt)


class _RolledBack(Exception):
    """Rolls a dry transaction back; never leaves this module."""


class DryDatabase:
    """Transactions that are always rolled back, for dry runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with suppress(_RolledBack), self._database.transaction() as tx:
            yield tx
            tx.flush()
            raise _RolledBack
