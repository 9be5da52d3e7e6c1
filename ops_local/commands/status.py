"""`ops status`: accounts, the last run of each stage, open positions and alerts."""

from ops_local.commandline.command import Call, Command
from ops_local.summary import Part
from ops_pipeline.db.driver.connection import Transaction

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


def run(call: Call) -> int:
    """Return 0 when nothing is wrong, 1 when an alert is open or a last run failed."""
    with call.target.reading("ops-status") as tx:
        parts = _read(tx)
    call.print_parts(parts)
    failed = any(row.get("status") == "failed" for part in parts for row in part.rows)
    return 1 if failed or parts[-1].rows else 0


def _read(tx: Transaction) -> list[Part]:
    return [
        Part("Accounts", tx.rows(_ACCOUNTS)),
        Part("Last runs", tx.rows(_LAST_RUNS)),
        Part("Open positions", tx.rows(_POSITIONS)),
        Part("Open alerts", tx.rows(_ALERTS)),
    ]


COMMAND = Command(run)
