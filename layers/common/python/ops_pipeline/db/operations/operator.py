"""Operator actions on accounts, positions and entries, and their record."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.halts import HALTED
from ops_pipeline.domain.ids import stable_uuid

# NULL for an account or a ticker means all of them.
_SCOPE = "(CAST(:account AS text) IS NULL OR account_name = CAST(:account AS text))"
_TICKER = "(CAST(:ticker AS text) IS NULL OR ticker = CAST(:ticker AS text))"

_HALT = f"""
UPDATE accounts SET operator_halt = :reason WHERE {_SCOPE} RETURNING account_name
"""
# A ledger that was rebuilt or restored stays halted until it agreed with the broker.
_COMPARED = "(ledger_agreed_at IS NOT NULL OR execution_mode = 'SIMULATED')"
_RESUME = f"""
UPDATE accounts SET operator_halt = NULL, order_limit_halt = NULL,
    ledger_halt = CASE WHEN {_COMPARED} THEN NULL ELSE ledger_halt END,
    ledger_compare_from = CASE WHEN {_COMPARED} THEN NULL ELSE ledger_compare_from END,
    ledger_agreed_at = NULL,
    streak_counted_from = :now WHERE {_SCOPE}
RETURNING account_name, {HALTED} AS still_halted
"""
# A recommendation with a live order ends with that order. One that was claimed or waits to be
# priced again ends here: the run that claimed it checks this before it places an order.
_WAITING = f"""{_SCOPE} AND {_TICKER} AND status IN ('PENDING', 'PROCESSING') AND action = 'BUY'
  AND NOT EXISTS (SELECT 1 FROM orders AS o
                  WHERE o.recommendation_id = r.id AND (is_live(o.status) OR o.filled_qty > 0))
"""
_CANCEL_RECOMMENDATIONS = f"""
UPDATE dispatch_recommendations AS r SET status = 'CANCELLED', processed_at = :now,
    claimed_until = NULL, failure_reason = :reason
WHERE {_WAITING}
"""
_COUNT_WAITING = f"""
SELECT count(*) AS waiting FROM dispatch_recommendations AS r WHERE {_WAITING}
"""
_RECORD = """
INSERT INTO operator_actions (id, at, operator, action, scope, reason, details)
VALUES (:id, :now, :operator, :action, :scope, :reason, CAST(:details AS jsonb))
ON CONFLICT (id) DO NOTHING
"""


# What a check was going to send, without a record of how that ended.
_UNFINISHED_CHECKS = """
SELECT sent.details ->> 'client_order_id' AS client_order_id, min(sent.at) AS at
FROM operator_actions AS sent
WHERE sent.action = 'check_order' AND sent.scope = :account AND sent.at >= :since
  AND NOT EXISTS (
      SELECT 1 FROM operator_actions AS ended
      WHERE ended.action = 'check_order_ended' AND ended.scope = sent.scope
        AND ended.at >= :since
        AND ended.details ->> 'client_order_id' = sent.details ->> 'client_order_id')
GROUP BY 1 ORDER BY 2, 1
"""

OperatorAction = Literal[
    "add_account",
    "adopt",
    "apply",
    "bind",
    "check_order",
    "check_order_ended",
    "close",
    "events_add",
    "events_remove",
    "feeds_add",
    "feeds_contact",
    "feeds_pause",
    "feeds_remove",
    "feeds_resume",
    "halt",
    "limit_account",
    "rebuild",
    "restore",
    "resume",
    "switch_account",
    "unwatch",
    "watch",
]


@dataclass(frozen=True, slots=True)
class UnfinishedCheck:
    """A check order whose end is not known: it may rest at the broker, or was never placed."""

    client_order_id: str
    at: datetime


_INVOCATION: ContextVar[Mapping[str, str] | None] = ContextVar("invocation", default=None)


@contextmanager
def invoked(told: Mapping[str, str] | None) -> Iterator[None]:
    """Keep with each action recorded meanwhile what is known of the call besides its event.

    Args:
        told: What Lambda says of the invocation, which its caller cannot choose; None outside.
    """
    token = _INVOCATION.set(told)
    try:
        yield
    finally:
        _INVOCATION.reset(token)


def halt(tx: Transaction, *, account: str | None, reason: str) -> list[str]:
    """Halt the entries of one account, or of all; returns the accounts."""
    return sorted(row["account_name"] for row in tx.rows(_HALT, account=account, reason=reason))


def resume(
    tx: Transaction, *, account: str | None, today: date, now: datetime
) -> dict[str, str | None]:
    """Lift the operator's halt and the order limits' and count losing streaks from now on.

    The halt of a rebuilt or restored ledger is lifted once that agreed with the broker.
    Returns by account what still halts its entries: a break with the broker, the kill switch,
    or a ledger that is still to be compared.
    """
    rows = tx.rows(_RESUME, account=account, today=today, now=now)
    return {row["account_name"]: row["still_halted"] for row in rows}


def cancel_recommendations(
    tx: Transaction, *, account: str | None, ticker: str | None, reason: str, now: datetime
) -> int:
    """Cancel the recommendations to buy that have no live or filled order; returns how many."""
    return tx.execute(
        _CANCEL_RECOMMENDATIONS, account=account, ticker=ticker, reason=reason, now=now
    )


def waiting_recommendations(tx: Transaction, *, account: str | None, ticker: str | None) -> int:
    """How many recommendations to buy have no live or filled order."""
    row = tx.one(_COUNT_WAITING, account=account, ticker=ticker)
    return int(row["waiting"]) if row else 0


def unfinished_checks(tx: Transaction, account: str, *, since: datetime) -> list[UnfinishedCheck]:
    """Check orders recorded since then without an end, oldest first."""
    rows = tx.rows(_UNFINISHED_CHECKS, account=account, since=since)
    return [UnfinishedCheck(**row) for row in rows]


def record(
    tx: Transaction,
    *,
    operator: str,
    action: OperatorAction,
    scope: str,
    reason: str,
    details: Mapping[str, object],
    now: datetime,
) -> None:
    """Record who did what and why, in the transaction that does it.

    Args:
        operator: What the caller claims; `details.invocation` has what Lambda knows.
    """
    if (told := _INVOCATION.get()) is not None:
        details = {**details, "invocation": told}
    tx.enqueue(
        _RECORD,
        id=stable_uuid("operator_action", operator, action, scope, reason, now),
        operator=operator,
        action=action,
        scope=scope,
        reason=reason,
        details=json.dumps(details, default=str),
        now=now,
    )
