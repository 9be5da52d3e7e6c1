"""`ops doctor`: whether the database is whole. Exit code 0 when it is, 1 when something is not."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from ops_local.commandline.command import Call, Command
from ops_local.summary import Part
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import schema
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.operations.invariants import MEANINGS

# A replay's rows are older than any clock on the wall: its own last run is its present.
_PRESENT = "SELECT coalesce(max(finished_at), CAST(:now AS timestamptz)) AS at FROM pipeline_runs"
_FAILED_RUNS = """
SELECT stage, scope, tick, status, error_class, error_message FROM (
    SELECT DISTINCT ON (stage COLLATE "C", scope COLLATE "C") * FROM pipeline_runs
    ORDER BY stage COLLATE "C", scope COLLATE "C", tick DESC) AS last
WHERE status IN ('failed', 'abandoned')
"""
_UNKNOWN_ORDERS = """
SELECT account_name, client_order_id, status, purpose, symbol, decided_at FROM orders
WHERE status IN ('intended', 'unknown') ORDER BY decided_at, client_order_id COLLATE "C"
"""
_ALERTS = """
SELECT severity, kind, scope, subject, message, opened_at FROM alerts
WHERE resolved_at IS NULL ORDER BY opened_at, kind COLLATE "C", subject COLLATE "C"
"""


def run(call: Call) -> int:
    """Return 0 when nothing is wrong, 1 when anything is; each part lists only what is wrong."""
    target = call.target
    with target.reading("ops-doctor") as tx:
        parts = examine(tx, WallClock().now if target.stack else lambda: _present(tx))
    call.print_parts(parts)
    return 1 if any(part.rows for part in parts) else 0


def _present(tx: Transaction) -> datetime:
    now = WallClock().now()
    row = tx.one(_PRESENT, now=now)
    return row["at"] if row else now


def examine(tx: Transaction, present: Callable[[], datetime]) -> list[Part]:
    """What is wrong, by part; a database without our schema is asked nothing else."""
    missing = [{"version": version} for version in schema.missing_versions(tx)]
    if missing:
        return [Part("Missing migrations", missing)]
    breaches = invariants.check(tx, now=present())
    return [
        Part("Missing migrations", []),
        Part(
            "Broken invariants",
            [{**asdict(breach), "meaning": MEANINGS[breach.invariant]} for breach in breaches],
        ),
        Part("Last runs that failed", tx.rows(_FAILED_RUNS)),
        Part("Orders of unknown outcome", tx.rows(_UNKNOWN_ORDERS)),
        Part("Open alerts", tx.rows(_ALERTS)),
    ]


COMMAND = Command(run)
