"""Reads and writes close requests, and asks for the exits and cancels that follow from them.

Everything here runs under the row lock of the account concerned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.trading_terms import Instrument

CloseRule = Literal["operator", "signal"]

# An entry that ended without all its shares may still fill late, or turn up after it was given
# up. NULL for account, ticker or instrument means all of them. A SELL signal leaves a person's
# own orders alone.
_IN_SCOPE = """(
    SELECT account_name, ticker, symbol, instrument_type, true AS there, quantity AS held,
        0 AS live, 0 AS by_hand
    FROM active_positions WHERE status <> 'closed'
    UNION ALL
    SELECT account_name, ticker, symbol, instrument_type, is_live(status), 0,
        CAST(is_live(status) AS integer), CAST(is_live(status) AND purpose = 'adopted' AS integer)
    FROM orders
    WHERE (is_live(status) AND (purpose <> 'adopted' OR CAST(:rule AS text) = 'operator'))
       OR (purpose = 'entry' AND filled_qty < quantity AND decided_at >= :late_since)
) AS concerned
WHERE (CAST(:account AS text) IS NULL OR account_name = CAST(:account AS text))
  AND (CAST(:ticker AS text) IS NULL OR ticker = CAST(:ticker AS text))
  AND (CAST(:instrument AS text) IS NULL OR instrument_type = CAST(:instrument AS text))
"""
_CONCERNED = f"""
SELECT account_name, array_agg(DISTINCT symbol COLLATE "C"
                               ORDER BY symbol COLLATE "C") AS symbols,
    bool_or(there) AS there
FROM {_IN_SCOPE}
GROUP BY account_name ORDER BY account_name COLLATE "C"
"""
_HELD_OR_LIVE = f"""
SELECT account_name, symbol, sum(held) AS held, sum(live) AS orders, sum(by_hand) AS by_hand
FROM {_IN_SCOPE}
GROUP BY account_name, symbol HAVING bool_or(there)
ORDER BY account_name COLLATE "C", symbol COLLATE "C"
"""
_INSERT = """
INSERT INTO close_requests (id, account_name, ticker, rule, symbols, asked_at, asked_by, reason)
VALUES (:id, :account, CAST(:ticker AS text), :rule, CAST(:symbols AS text[]), :now, :asked_by,
        :reason)
ON CONFLICT (id) DO NOTHING
"""
# A position that an order from before the request opened after it was done.
_REOPEN = """
UPDATE close_requests AS c SET done_at = NULL
FROM active_positions AS p
JOIN dispatch_executions AS e ON e.execution_id = p.execution_id
JOIN orders AS o ON o.client_order_id = e.client_order_id
WHERE c.account_name = :account AND c.done_at IS NOT NULL
  AND p.account_name = :account AND p.status <> 'closed'
  AND p.symbol = ANY(c.symbols) AND o.decided_at <= c.asked_at
"""
_ANY_OPEN = """
SELECT EXISTS (SELECT 1 FROM close_requests
               WHERE account_name = :account AND done_at IS NULL) AS found
"""
# An operator's request replaces any other; a signal's replaces none.
_REQUEST_EXITS = """
UPDATE active_positions AS p SET exit_requested = c.rule, updated_at = :now
FROM (SELECT DISTINCT ON (s.symbol) s.symbol, r.rule, r.asked_by, r.reason
      FROM close_requests AS r CROSS JOIN LATERAL unnest(r.symbols) AS s (symbol)
      WHERE r.account_name = :account AND r.done_at IS NULL
      ORDER BY s.symbol, r.rule, r.asked_at, r.id) AS c
WHERE p.account_name = :account AND p.symbol = c.symbol AND p.status <> 'closed'
  AND p.exit_requested IS DISTINCT FROM 'operator'
  AND (c.rule = 'operator' OR p.exit_requested IS NULL)
RETURNING p.id, p.account_name, p.symbol, c.rule, c.asked_by, c.reason
"""
# With a failure_reason the recommendation is not priced again.
_CANCEL_ENTRIES = """
UPDATE orders AS o SET cancel_requested_at = coalesce(o.cancel_requested_at, :now),
    failure_reason = coalesce(o.failure_reason, CASE c.rule
        WHEN 'operator' THEN 'Cancelled by the operator' ELSE 'Cancelled by a SELL' END)
FROM (SELECT DISTINCT ON (s.symbol) s.symbol, r.rule
      FROM close_requests AS r CROSS JOIN LATERAL unnest(r.symbols) AS s (symbol)
      WHERE r.account_name = :account AND r.done_at IS NULL
      ORDER BY s.symbol, r.rule) AS c
WHERE o.account_name = :account AND o.symbol = c.symbol AND is_live(o.status)
  AND o.purpose = 'entry'
  AND (o.cancel_requested_at IS NULL OR o.failure_reason IS NULL)
"""
# Orders that a request ends before it is done: all of ours in its symbols, and of those placed by
# hand the ones that rested when an operator asked, in any symbol where everything is closed.
_ENDS = """
o.account_name = c.account_name AND is_live(o.status)
AND CASE WHEN o.purpose <> 'adopted' THEN o.symbol = ANY(c.symbols)
         ELSE c.rule = 'operator' AND o.decided_at <= c.asked_at
              AND (c.ticker IS NULL OR o.symbol = ANY(c.symbols)) END
"""
_CANCEL_BY_HAND = f"""
UPDATE orders AS o SET cancel_requested_at = coalesce(o.cancel_requested_at, :now),
    failure_reason = coalesce(o.failure_reason, 'Cancelled by the operator')
FROM close_requests AS c
WHERE c.account_name = :account AND c.done_at IS NULL AND o.account_name = :account
  AND o.purpose = 'adopted' AND {_ENDS}
  AND (o.cancel_requested_at IS NULL OR o.failure_reason IS NULL)
"""
_SCOPE_BY_OPERATOR = """
SELECT coalesce(bool_or(c.ticker IS NULL), false) AS everything,
    coalesce(array_agg(DISTINCT s.symbol), '{}') AS symbols
FROM close_requests AS c CROSS JOIN LATERAL unnest(c.symbols) AS s (symbol)
WHERE c.account_name = :account AND c.done_at IS NULL AND c.rule = 'operator'
"""
_END = f"""
UPDATE close_requests AS c SET done_at = :now
WHERE c.account_name = :account AND c.done_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM active_positions AS p
                  WHERE p.account_name = c.account_name AND p.status <> 'closed'
                    AND p.symbol = ANY(c.symbols))
  AND NOT EXISTS (SELECT 1 FROM orders AS o WHERE {_ENDS})
"""
# What refuses an entry in a ticker: as gates see it.
CLOSING = """
SELECT coalesce(array_agg(DISTINCT asked_by || ': ' || reason), '{}') FROM close_requests
WHERE account_name = :account AND done_at IS NULL
  AND (ticker IS NULL OR ticker = CAST(:ticker AS text) OR CAST(:ticker AS text) = ANY(symbols))
"""
_CLOSING = f"SELECT ({CLOSING}) AS closing"
_LEFT = f"""
SELECT c.account_name, s.symbol, p.quantity AS held, count(o.client_order_id) AS orders
FROM close_requests AS c
CROSS JOIN LATERAL (SELECT unnest(c.symbols) AS symbol
                    UNION SELECT o.symbol FROM orders AS o WHERE {_ENDS}) AS s
LEFT JOIN active_positions AS p
    ON p.account_name = c.account_name AND p.symbol = s.symbol AND p.status <> 'closed'
    AND s.symbol = ANY(c.symbols)
LEFT JOIN orders AS o ON o.symbol = s.symbol AND {_ENDS}
WHERE c.done_at IS NULL AND CAST(c.id AS text) = ANY(CAST(:ids AS text[]))
GROUP BY 1, 2, 3 ORDER BY c.account_name COLLATE "C", s.symbol COLLATE "C"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRequest:
    """What is to be closed, by whom and why; None for account or ticker means all."""

    account: str | None
    ticker: str | None
    rule: CloseRule
    asked_by: str
    reason: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Concerned:
    """One account's symbols that a request concerns.

    Attributes:
        there: Something of them is held or live, not only possibly late.
    """

    account_name: str
    symbols: list[str]
    there: bool


@dataclass(frozen=True, slots=True)
class HeldOrLive:
    """One symbol that a request would close.

    Attributes:
        held: The quantity.
        orders: How many are live.
        by_hand: How many of these a person placed.
    """

    account_name: str
    symbol: str
    held: Decimal
    orders: int
    by_hand: int


@dataclass(frozen=True, slots=True)
class RequestedExit:
    """A position that the position manager was asked to sell, and by whom."""

    id: UUID
    account_name: str
    symbol: str
    rule: CloseRule
    asked_by: str
    reason: str


def concerned(
    tx: Transaction,
    request: CloseRequest,
    *,
    late_since: datetime,
    instrument: Instrument | None = None,
) -> list[Concerned]:
    """What is held, live or may turn up late, by account."""
    rows = tx.rows(_CONCERNED, **_scope(request, late_since, instrument))
    return [Concerned(**row) for row in rows]


def held_or_live(
    tx: Transaction, request: CloseRequest, *, late_since: datetime
) -> list[HeldOrLive]:
    """What a request would close if it were asked now, by account and symbol."""
    rows = tx.rows(_HELD_OR_LIVE, **_scope(request, late_since, None))
    return [HeldOrLive(**row) for row in rows]


def _scope(
    request: CloseRequest, late_since: datetime, instrument: Instrument | None
) -> dict[str, object]:
    return {
        "account": request.account,
        "ticker": request.ticker,
        "rule": request.rule,
        "late_since": late_since,
        "instrument": instrument,
    }


def insert(tx: Transaction, request: CloseRequest, account: str, symbols: list[str]) -> UUID:
    """Store the request for one account."""
    named = (account, request.ticker or "*", request.asked_by, request.reason, request.asked_at)
    request_id = stable_uuid("close_request", *named)
    tx.enqueue(
        _INSERT,
        id=request_id,
        account=account,
        ticker=request.ticker,
        rule=request.rule,
        symbols=symbols,
        now=request.asked_at,
        asked_by=request.asked_by,
        reason=request.reason,
    )
    return request_id


def any_open(tx: Transaction, account: str) -> bool:
    """Whether a request is open, once those are reopened that a late fill undid."""
    tx.enqueue(_REOPEN, account=account)
    row = tx.one(_ANY_OPEN, account=account)
    return row is not None and bool(row["found"])


def request_exits(tx: Transaction, account: str, now: datetime) -> list[RequestedExit]:
    """Ask for the exit of every position in an open request; returns those newly asked for."""
    rows = tx.rows(_REQUEST_EXITS, account=account, now=now)
    return sorted((RequestedExit(**row) for row in rows), key=lambda row: row.symbol)


def cancel_entries(tx: Transaction, account: str, now: datetime) -> int:
    """Ask for the cancel of what is being bought in an open request; how many were new."""
    return tx.execute(_CANCEL_ENTRIES, account=account, now=now)


def cancel_by_hand(tx: Transaction, account: str, now: datetime) -> int:
    """Ask for the cancel of a person's orders that an operator's close ends; how many were new."""
    return tx.execute(_CANCEL_BY_HAND, account=account, now=now)


def scope_by_operator(tx: Transaction, account: str) -> frozenset[str] | None:
    """The symbols that operators' open requests concern; None means all of them."""
    row = tx.one(_SCOPE_BY_OPERATOR, account=account)
    return None if row and row["everything"] else frozenset(row["symbols"] if row else ())


def end(tx: Transaction, account: str, now: datetime) -> None:
    """End the requests whose symbols are flat and have no live order."""
    tx.enqueue(_END, account=account, now=now)


def closing(tx: Transaction, account: str, ticker: str) -> tuple[str, ...]:
    """Who asked to close the ticker, and why; empty while nobody does."""
    row = tx.one(_CLOSING, account=account, ticker=ticker)
    return tuple(row["closing"]) if row else ()


def left(tx: Transaction, request_ids: Sequence[str]) -> list[str]:
    """What these requests still wait for, by account and symbol; empty once all are done."""
    return [
        f"{row['account_name']} {row['symbol']}: {row['held'] or 0} held, {row['orders']} live"
        for row in tx.rows(_LEFT, ids=list(request_ids))
    ]
