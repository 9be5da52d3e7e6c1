"""What the gates look at, read in one unit of work under the account's row lock."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from ops_pipeline.db.connection import Transaction

_LOCK_ACCOUNT = "SELECT 1 AS held FROM accounts WHERE account_name = :account FOR NO KEY UPDATE"

_HELD = """
SELECT symbol, ticker, instrument_type, quantity * entry_price * multiplier AS cost,
       0 AS unacknowledged
FROM active_positions WHERE account_name = :account AND status <> 'closed'
UNION ALL
SELECT symbol, ticker, instrument_type, reserved_notional,
       CASE WHEN status IN ('intended', 'unknown') THEN reserved_notional ELSE 0 END
FROM orders
WHERE account_name = :account AND purpose = 'entry'
  AND status IN ('intended', 'unknown', 'accepted', 'partially_filled')
"""

# Real and simulated results stay apart: the account's own mode decides.
_PNL = """
SELECT
    (SELECT coalesce(sum(pnl_dollars), 0) FROM position_history
     WHERE account_name = :account AND execution_mode = :mode AND exit_time >= :day_start)
    + (SELECT coalesce(sum(current_pnl_dollars), 0) FROM active_positions
       WHERE account_name = :account AND status <> 'closed')
    + (SELECT coalesce(sum(o.filled_qty * (o.filled_avg_price - p.entry_price) * p.multiplier), 0)
       FROM active_positions AS p JOIN orders AS o ON o.position_id = p.id
       WHERE p.account_name = :account AND p.status <> 'closed'
         AND o.filled_qty > 0 AND o.decided_at >= :day_start) AS pnl
"""

_ENTRIES = """
SELECT count(*) FILTER (WHERE ticker = :ticker) AS of_ticker, count(*) AS of_account
FROM orders
WHERE account_name = :account AND purpose = 'entry' AND decided_at >= :day_start
  AND (filled_qty > 0 OR status IN ('intended', 'unknown', 'accepted', 'partially_filled'))
"""

# Fills may be listed a tick or two after what they did.
_LAST_TRADE = """
SELECT greatest(
    (SELECT max(f.executed_at) FROM fills AS f JOIN orders AS o USING (client_order_id)
     WHERE o.account_name = :account AND o.ticker = :ticker),
    (SELECT max(greatest(entry_time, closed_at)) FROM active_positions
     WHERE account_name = :account AND ticker = :ticker)) AS at
"""

_RESULTS = """
SELECT ticker, pnl_pct, exit_time FROM position_history
WHERE account_name = :account AND execution_mode = :mode AND verified
  AND (CAST(:since AS timestamptz) IS NULL OR exit_time > CAST(:since AS timestamptz))
ORDER BY exit_time DESC, ticker COLLATE "C" LIMIT :limit
"""

_TICKER_RESULTS = """
SELECT pnl_pct, exit_time FROM position_history
WHERE account_name = :account AND execution_mode = :mode AND verified AND ticker = :ticker
ORDER BY exit_time DESC LIMIT :limit
"""

_VIX = """
SELECT day, close, source FROM vix_history WHERE day < :today ORDER BY day DESC LIMIT 1
"""

_BAR = "SELECT max(ts) AS ts FROM lane_telemetry WHERE ticker = :ticker AND ts >= :day_start"
_FEATURES = """
SELECT computed_at FROM lane_features WHERE ticker = :ticker AND ts >= :day_start
ORDER BY ts DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an account holds and is buying. USD at entry cost."""

    symbols: frozenset[str]
    kinds: frozenset[tuple[str, str]]
    exposure: Decimal
    unacknowledged: Decimal


@dataclass(frozen=True, slots=True)
class Results:
    """Closed trades, percent, newest last; the time of the ticker's last exit."""

    of_account: tuple[float, ...]
    of_ticker: tuple[float, ...]
    last_exit_in_ticker: datetime | None


def lock_account(tx: Transaction, account: str) -> None:
    """Take the account's row first: every other lock of the order road comes after it."""
    tx.execute(_LOCK_ACCOUNT, account=account)


def holdings(tx: Transaction, account: str) -> Holdings:
    rows = tx.rows(_HELD, account=account)
    return Holdings(
        symbols=frozenset(row["symbol"] for row in rows),
        kinds=frozenset((row["ticker"], row["instrument_type"]) for row in rows),
        exposure=sum((Decimal(row["cost"]) for row in rows), Decimal(0)),
        unacknowledged=sum((Decimal(row["unacknowledged"]) for row in rows), Decimal(0)),
    )


def day_pnl(tx: Transaction, *, account: str, mode: str, day_start: datetime) -> Decimal:
    """Realised and unrealised P&L since then by our own ledger, USD.

    A position that was sold in part counts both: what its sales came to, and the rest.
    """
    row = tx.one(_PNL, account=account, mode=mode, day_start=day_start)
    return Decimal(row["pnl"]) if row else Decimal(0)


def entries_today(
    tx: Transaction, *, account: str, ticker: str, day_start: datetime
) -> tuple[int, int]:
    """Entries that live or filled since then: in the ticker, in the account."""
    row = tx.one(_ENTRIES, account=account, ticker=ticker, day_start=day_start)
    return (row["of_ticker"], row["of_account"]) if row else (0, 0)


def last_trade_at(tx: Transaction, *, account: str, ticker: str) -> datetime | None:
    row = tx.one(_LAST_TRADE, account=account, ticker=ticker)
    return row["at"] if row else None


def results(
    tx: Transaction, *, account: str, mode: str, ticker: str, since: datetime | None, limit: int
) -> Results:
    """Closed, verified trades of the account's own mode; `since` restarts the account's streak."""
    all_rows = tx.rows(_RESULTS, account=account, mode=mode, since=since, limit=limit)
    rows = tx.rows(_TICKER_RESULTS, account=account, mode=mode, ticker=ticker, limit=limit)
    return Results(
        of_account=tuple(row["pnl_pct"] for row in reversed(all_rows)),
        of_ticker=tuple(row["pnl_pct"] for row in reversed(rows)),
        last_exit_in_ticker=rows[0]["exit_time"] if rows else None,
    )


def vix(tx: Transaction, *, today: date) -> tuple[date, float] | None:
    """The newest stored close before today: its day and its value."""
    row = tx.one(_VIX, today=today)
    return (row["day"], float(row["close"])) if row else None


def newest_bar(tx: Transaction, *, ticker: str, day_start: datetime) -> datetime | None:
    row = tx.one(_BAR, ticker=ticker, day_start=day_start)
    return row["ts"] if row else None


def features_computed_at(tx: Transaction, *, ticker: str, day_start: datetime) -> datetime | None:
    """When the ticker's newest features of the day were computed."""
    row = tx.one(_FEATURES, ticker=ticker, day_start=day_start)
    return row["computed_at"] if row else None
