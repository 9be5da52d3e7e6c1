"""`ops doctor`: whether the database is whole. Exit code 0 when it is, 1 when something is not."""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from rich.console import Console

from ops_local import deployed, summary
from ops_local.database import opened
from ops_local.home import DEFAULT, Home
from ops_local.summary import Part
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import schema
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.operations.invariants import MEANINGS
from ops_pipeline.errors import OpsError
from ops_pipeline.runtime.settings import read_settings

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


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("doctor", help="whether every invariant holds, row by row")
    parser.add_argument("--stack", metavar="NAME", help="a deployed stack's database")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Return 0 when nothing is wrong, 1 when anything is; each part lists only what is wrong."""
    try:
        parts = _at_stack(args.stack) if args.stack else _here(args)
    except OpsError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    if args.json:
        sys.stdout.write(json.dumps({part.title: part.rows for part in parts}, default=str) + "\n")
    else:
        summary.show(Console(highlight=False), parts)
    return 1 if any(part.rows for part in parts) else 0


def _here(args: argparse.Namespace) -> list[Part]:
    settings = read_settings(args.variables)
    home = Home(Path(args.variables.get("OPS_HOME", DEFAULT)))
    name = None if settings.database_url else home.current_database
    with opened(home.folder, settings.database_url, None, name) as urls:
        database = Database(target_from_url(urls.reader), application_name="ops-doctor")
        with closing(database), database.transaction() as tx:
            return examine(tx, lambda: _present(tx))


def _at_stack(stack: str) -> list[Part]:
    return examine(deployed.StackReader(stack), WallClock().now)


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
