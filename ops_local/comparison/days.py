"""Compares two replays of a day as a trader would: trades, profit and refusals."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ops_local.comparison.databases import RowDifference
from ops_local.figures import gain, plain
from ops_pipeline.db.driver.connection import Row, Transaction

Key = tuple[Any, ...]

_PNL = """
SELECT account_name AS account, count(*) AS trades, coalesce(sum(pnl_dollars), 0) AS pnl
FROM position_history GROUP BY account_name
"""

# A trade is identified by its decision (account, symbol, minute), whatever it filled at.
_TRADES = """
SELECT r.ts, p.account_name AS account, p.symbol, p.opened_quantity AS quantity, p.entry_price,
       h.exit_price, h.exit_time, coalesce(h.exit_reason, p.status) AS exit,
       coalesce(h.pnl_dollars, p.current_pnl_dollars) AS pnl
FROM active_positions AS p
JOIN dispatch_executions AS e ON e.execution_id = p.execution_id
JOIN dispatch_recommendations AS r ON r.id = e.recommendation_id
LEFT JOIN position_history AS h ON h.position_id = p.id
"""

_ANSWERS = """
SELECT r.ts, r.account_name AS account, r.ticker, r.action, r.instrument_type AS instrument,
       r.status,
       (SELECT string_agg(gate.key, ', ' ORDER BY gate.key COLLATE "C")
        FROM jsonb_each(r.risk_gate_json) AS gate
        WHERE gate.value ->> 'passed' = 'false') AS refused_by
FROM dispatch_recommendations AS r
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of two days, as rows to print.

    Attributes:
        pnl: Every account, including those that earned the same.
        trades, answers: Only what differs; `-` where one side has nothing.
        tables: How many rows differ, by table.
    """

    pnl: list[Row]
    trades: list[Row]
    answers: list[Row]
    tables: list[Row]


def compare_days(a: Transaction, b: Transaction, found: Iterable[RowDifference]) -> Comparison:
    """Compare trades and refusals, and count what `differences` found."""
    return Comparison(
        pnl=_pnl(a, b),
        trades=_side_by_side(_trades(a), _trades(b), ("at", "account", "symbol"), _trade),
        answers=_side_by_side(
            _answers(a), _answers(b), ("at", "account", "ticker", "action", "kind"), _answer
        ),
        tables=_tables(found),
    )


def _pnl(a: Transaction, b: Transaction) -> list[Row]:
    sides = [{row["account"]: row for row in tx.rows(_PNL)} for tx in (a, b)]
    none: Row = {"trades": 0, "pnl": Decimal(0)}
    rows = []
    for account in sorted({*sides[0], *sides[1]}):
        in_a, in_b = (side.get(account, none) for side in sides)
        rows.append(
            {
                "account": account,
                "trades A": in_a["trades"],
                "trades B": in_b["trades"],
                "P&L A": in_a["pnl"],
                "P&L B": in_b["pnl"],
                "P&L B - A": in_b["pnl"] - in_a["pnl"],
            }
        )
    return rows


def _trades(tx: Transaction) -> dict[Key, Row]:
    return {(row["ts"], row["account"], row["symbol"]): row for row in tx.rows(_TRADES)}


def _answers(tx: Transaction) -> dict[Key, Row]:
    names = ("ts", "account", "ticker", "action", "instrument")
    return {tuple(row[name] for name in names): row for row in tx.rows(_ANSWERS)}


def _trade(row: Row | None) -> str | None:
    if row is None:
        return None
    worth = "unverified" if row["pnl"] is None else gain(row["pnl"])
    return f"{plain(row['quantity'])}, {worth}, {row['exit']}"


def _answer(row: Row | None) -> str | None:
    if row is None:
        return None
    return f"{row['status']}: {row['refused_by']}" if row["refused_by"] else str(row["status"])


def _side_by_side(
    a: Mapping[Key, Row],
    b: Mapping[Key, Row],
    names: Sequence[str],
    described: Callable[[Row | None], str | None],
) -> list[Row]:
    """The keys whose rows differ, with a short description of each side."""
    return [
        {
            **dict(zip(names, key, strict=True)),
            "A": described(a.get(key)),
            "B": described(b.get(key)),
        }
        for key in sorted({*a, *b})
        if a.get(key) != b.get(key)
    ]


def _tables(found: Iterable[RowDifference]) -> list[Row]:
    by_table: dict[str, Counter[str]] = {}
    columns: dict[str, Counter[str]] = {}
    for difference in found:
        by_table.setdefault(difference.table, Counter())[difference.kind] += 1
        columns.setdefault(difference.table, Counter()).update(difference.columns)
    return [
        {
            "table": table,
            "only in A": kinds["only in A"],
            "only in B": kinds["only in B"],
            "differ": kinds["differs"],
            "mostly in": ", ".join(name for name, _ in columns[table].most_common(3)),
        }
        for table, kinds in by_table.items()
    ]
