"""What the stages did, as tables from the database: nothing is shown that is not stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from ops_pipeline.db.connection import Row, Transaction

# Which counts of a stage's result are what came in and what went out.
_FLOW = {
    "rss_ingest": ("seen", "stored"),
    "classifier": ("classified", "classified"),
    "market_clock": (None, None),
    "market_regime": ("readings", "readings"),
    "telemetry": ("fetched", "stored"),
    "features": ("tickers", "rows"),
    "watchlist": ("scored", "listed"),
    "signals": ("evaluated", "recommendations"),
    "dispatcher": ("pulled", "processed"),
    "position_manager": ("positions", "exits_sent"),
    "reconciler": ("positions_compared", "differences"),
    "report": (None, None),
    "healthcheck": ("checked", "alerts_opened"),
    "run_failure": (None, None),
}

_STAGES = """
SELECT stage, count(*) AS runs, count(*) FILTER (WHERE status = 'failed') AS failed,
       sum((counts ->> CAST(:came_in AS text))::bigint) AS came_in,
       sum((counts ->> CAST(:went_out AS text))::bigint) AS went_out
FROM pipeline_runs WHERE stage = :stage GROUP BY stage
"""

_RECOMMENDATIONS = """
SELECT account_name, action, status, count(*) AS count FROM dispatch_recommendations
GROUP BY account_name, action, status
ORDER BY account_name COLLATE "C", action COLLATE "C", status COLLATE "C"
"""

_REFUSALS = """
SELECT gate.key AS gate, count(*) AS refused
FROM dispatch_recommendations AS r, jsonb_each(r.risk_gate_json) AS gate
WHERE r.status = 'SKIPPED' AND gate.value ->> 'passed' = 'false'
GROUP BY gate.key ORDER BY count(*) DESC, gate.key COLLATE "C"
"""

_EXECUTIONS = """
SELECT account_name, execution_mode, count(*) AS executions, sum(notional) AS notional
FROM dispatch_executions GROUP BY account_name, execution_mode
ORDER BY account_name COLLATE "C", execution_mode COLLATE "C"
"""

_POSITIONS = """
SELECT p.account_name, p.ticker, p.opened_quantity, p.entry_price, p.entry_time, p.status,
       h.exit_price, h.exit_time, coalesce(h.exit_reason, p.close_reason) AS exit_reason,
       coalesce(h.pnl_dollars, p.current_pnl_dollars) AS pnl_dollars, h.r_multiple
FROM active_positions AS p LEFT JOIN position_history AS h ON h.position_id = p.id
ORDER BY p.entry_time, p.account_name COLLATE "C", p.ticker COLLATE "C"
"""

_PNL = """
SELECT account_name, count(*) AS closed, count(*) FILTER (WHERE win_loss_label = 'win') AS won,
       sum(pnl_dollars) AS pnl_dollars
FROM position_history GROUP BY account_name ORDER BY account_name COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One table of the summary: a title and rows that share their columns."""

    title: str
    rows: list[Row]


def read(tx: Transaction) -> list[Part]:
    """Everything the pipeline did in this database, in the order of the pipeline."""
    return [
        Part("Stages", _stages(tx)),
        Part("Recommendations", tx.rows(_RECOMMENDATIONS)),
        Part("Refused by gate", tx.rows(_REFUSALS)),
        Part("Executions", tx.rows(_EXECUTIONS)),
        Part("Positions", tx.rows(_POSITIONS)),
        Part("Closed trades", tx.rows(_PNL)),
    ]


def show(console: Console, parts: Sequence[Part]) -> None:
    """Print each table; an empty one says so."""
    for part in parts:
        console.print()
        if not part.rows:
            console.print(f"{part.title}: none")
            continue
        table = Table(title=part.title, title_justify="left", header_style="bold")
        for name in part.rows[0]:
            number = any(isinstance(row[name], int | float | Decimal) for row in part.rows)
            table.add_column(name.replace("_", " "), justify="right" if number else "left")
        for row in part.rows:
            table.add_row(*(_cell(name, value) for name, value in row.items()))
        console.print(table)


def _stages(tx: Transaction) -> list[Row]:
    rows: list[Row] = []
    for stage, (came_in, went_out) in _FLOW.items():
        found = tx.one(_STAGES, stage=stage, came_in=came_in, went_out=went_out)
        if found:
            rows.append(
                {
                    "stage": stage,
                    "runs": found["runs"],
                    "rows in": found["came_in"],
                    "rows out": found["went_out"],
                    "failed": found["failed"],
                }
            )
    return rows


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if hasattr(value, "strftime"):
        return str(value.strftime("%H:%M"))
    if isinstance(value, Decimal) and (
        "pnl" in name or name in ("notional", "entry_price", "exit_price")
    ):
        return f"{value:,.2f}"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)
