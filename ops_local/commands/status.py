"""`ops status`: accounts, the last run of each stage, open positions and alerts."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from ops_local import deployed, summary
from ops_local.database import opened
from ops_local.home import DEFAULT, Home
from ops_local.summary import Part
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.errors import OpsError
from ops_pipeline.runtime.settings import read_settings

_ACCOUNTS = """
SELECT account_name, execution_mode, active, max_positions, max_exposure,
       coalesce(operator_halt, books_halt, kill_switch) AS halted
FROM accounts ORDER BY account_name COLLATE "C"
"""
_LAST_RUNS = """
SELECT DISTINCT ON (stage COLLATE "C") stage, tick, status, error_class
FROM pipeline_runs ORDER BY stage COLLATE "C", tick DESC
"""
_POSITIONS = """
SELECT account_name, symbol, quantity, entry_price, current_price, current_pnl_dollars, status
FROM active_positions WHERE status <> 'closed'
ORDER BY account_name COLLATE "C", symbol COLLATE "C"
"""
_ALERTS = """
SELECT severity, kind, scope, subject, message, opened_at FROM alerts
WHERE resolved_at IS NULL ORDER BY opened_at, kind COLLATE "C", subject COLLATE "C"
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("status", help="what runs, what is held, what is wrong")
    parser.add_argument("--stack", metavar="NAME", help="a deployed stack")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Return 0 when nothing is wrong, 1 when an alert is open or a last run failed."""
    try:
        parts = _read(deployed.StackReader(args.stack)) if args.stack else _here(args)
    except OpsError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    if args.json:
        sys.stdout.write(json.dumps({part.title: part.rows for part in parts}, default=str) + "\n")
    else:
        summary.show(Console(highlight=False), parts)
    failed = any(row.get("status") == "failed" for part in parts for row in part.rows)
    return 1 if failed or parts[-1].rows else 0


def _here(args: argparse.Namespace) -> list[Part]:
    settings = read_settings(args.variables)
    home = Home(Path(args.variables.get("OPS_HOME", DEFAULT)))
    database = None if settings.database_url else home.current_database
    with opened(home.folder, settings.database_url, None, database) as urls:
        return _ask(urls.reader)


def _ask(reader_url: str) -> list[Part]:
    source = Database(target_from_url(reader_url), application_name="ops-status")
    with source.transaction() as tx:
        parts = _read(tx)
    source.close()
    return parts


def _read(tx: Transaction) -> list[Part]:
    return [
        Part("Accounts", tx.rows(_ACCOUNTS)),
        Part("Last runs", tx.rows(_LAST_RUNS)),
        Part("Open positions", tx.rows(_POSITIONS)),
        Part("Open alerts", tx.rows(_ALERTS)),
    ]
