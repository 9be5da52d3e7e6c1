"""Reads and writes recommendations, executions and dispatcher runs."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.accounts import ExecutionMode
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.gates import Verdicts
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.recommendations import FinalStatus, Recommendation

_COLUMNS = """id, ts, created_at, account_name, ticker, action, instrument_type, strategy_type,
    confidence, reason, features_snapshot, status"""

# A recommendation with an order is settled by it, unless we cancelled its last order and
# nothing had filled.
_FREE = """
    (NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.recommendation_id = r.id)
     OR (SELECT o.status = 'canceled' AND o.filled_qty = 0 AND o.cancel_requested_at IS NOT NULL
         FROM orders AS o WHERE o.recommendation_id = r.id ORDER BY o.attempt DESC LIMIT 1))
"""

# What the operator cancelled is not priced again: it only waits to expire.
_NOT_ENDED_BY_HAND = """
    NOT EXISTS (SELECT 1 FROM orders AS o
                WHERE o.recommendation_id = r.id AND o.failure_reason IS NOT NULL)
"""

_EXPIRE = f"""
UPDATE dispatch_recommendations AS r
SET claimed_until = NULL, processed_at = :now,
    status = CASE WHEN tried.once THEN 'CANCELLED' ELSE 'EXPIRED' END,
    failure_reason = CASE WHEN tried.once THEN 'Nothing filled at the limit within its time'
                          ELSE 'Nobody took it within its time' END
FROM dispatch_recommendations AS old
CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM orders AS o WHERE o.recommendation_id = old.id)
                    AS once) AS tried
WHERE old.id = r.id AND r.account_name = :account AND r.created_at < :oldest
  AND (r.status = 'PENDING' OR (r.status = 'PROCESSING' AND r.claimed_until <= :now))
  AND {_FREE}
"""

_CLAIMABLE = """
    (r.status = 'PENDING' OR (r.status = 'PROCESSING' AND r.claimed_until <= :now))
"""

_PENDING_TICKERS = f"""
SELECT DISTINCT ticker FROM dispatch_recommendations AS r
WHERE account_name = :account AND {_CLAIMABLE}
"""

_CLAIM = f"""
UPDATE dispatch_recommendations
SET status = 'PROCESSING', claimed_until = :until, dispatcher_run_id = :run_id
WHERE id = (
    SELECT r.id FROM dispatch_recommendations AS r
    WHERE r.account_name = :account
      AND {_CLAIMABLE}
      AND r.ticker = ANY(CAST(:tickers AS text[]))
      AND {_FREE}
      AND {_NOT_ENDED_BY_HAND}
    ORDER BY r.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""

_LOCK = f"SELECT {_COLUMNS} FROM dispatch_recommendations WHERE id = :id FOR NO KEY UPDATE"

_KEEP_VERDICT = """
UPDATE dispatch_recommendations SET risk_gate_json = CAST(:gates AS jsonb)
WHERE id = :id AND status = 'PROCESSING'
"""

# A final status stands, since two runs may settle the same order; but a fill disproves FAILED.
_FINISH = """
UPDATE dispatch_recommendations
SET status = :status, claimed_until = NULL, processed_at = :now,
    failure_reason = CAST(:reason AS text)
WHERE id = :id
  AND (status IN ('PENDING', 'PROCESSING')
       OR (status IN ('FAILED', 'CANCELLED', 'EXPIRED')
           AND CAST(:status AS text) IN ('EXECUTED', 'SIMULATED')))
"""

_RELEASE = """
UPDATE dispatch_recommendations SET claimed_until = :now WHERE id = :id AND status = 'PROCESSING'
"""

# Claims of an earlier attempt of this run are released, once: no other run holds its lease.
_START_RUN = """
WITH released AS (
    UPDATE dispatch_recommendations SET claimed_until = :now
    WHERE account_name = :account AND status = 'PROCESSING' AND claimed_until > :now
      AND dispatcher_run_id = CAST(:run_id AS uuid))
INSERT INTO dispatcher_runs
    (run_id, account_name, tick, started_at, pulled_count, processed_count, simulated_count,
     skipped_count, failed_count, run_summary_json)
VALUES (:run_id, :account, :tick, :now, 0, 0, 0, 0, 0, '{}')
ON CONFLICT (account_name, tick) DO UPDATE SET started_at = :now, finished_at = NULL
"""

_FINISH_RUN = """
UPDATE dispatcher_runs SET finished_at = :now, pulled_count = :pulled,
    processed_count = :processed, simulated_count = :simulated, skipped_count = :skipped,
    failed_count = :failed, run_summary_json = CAST(:summary AS jsonb)
WHERE run_id = :run_id
"""

_SAVE_EXECUTION = """
INSERT INTO dispatch_executions
    (execution_id, recommendation_id, client_order_id, dispatcher_run_id, account_name, ticker,
     action, instrument_type, qty, entry_price, notional, decision_ts, simulated_ts, created_at,
     execution_mode, explain_json, risk_json, sim_json, strategy_type, stop_loss_price,
     take_profit_price)
SELECT CAST(:execution_id AS uuid), r.id, CAST(:client_order_id AS text), r.dispatcher_run_id,
     r.account_name, r.ticker, r.action, r.instrument_type, CAST(:qty AS numeric),
     CAST(:price AS numeric), CAST(:notional AS numeric), CAST(:decided_at AS timestamptz),
     CAST(:simulated_at AS timestamptz), CAST(:now AS timestamptz), CAST(:mode AS text), r.reason,
     coalesce(r.risk_gate_json, '{}'), CAST(:sim AS jsonb), r.strategy_type,
     CAST(:stop AS numeric), CAST(:target AS numeric)
FROM dispatch_recommendations AS r WHERE r.id = :recommendation_id
ON CONFLICT (execution_id) DO UPDATE
SET qty = excluded.qty, entry_price = excluded.entry_price, notional = excluded.notional
"""


def expire(tx: Transaction, *, account: str, oldest: datetime, now: datetime) -> int:
    """Expire what was not claimed or not filled in time; neither has a live order."""
    return tx.execute(_EXPIRE, account=account, oldest=oldest, now=now)


def pending_tickers(tx: Transaction, *, account: str, now: datetime) -> list[str]:
    """Tickers of claimable recommendations, and of a few that have a live order already."""
    rows = tx.rows(_PENDING_TICKERS, account=account, now=now)
    return sorted(row["ticker"] for row in rows)


def claim(
    tx: Transaction,
    *,
    account: str,
    tickers: Sequence[str],
    run_id: UUID,
    now: datetime,
    lease: timedelta,
) -> Recommendation | None:
    """Take the account's oldest claimable recommendation in one of these tickers, or None."""
    values = {"account": account, "tickers": list(tickers), "run_id": run_id}
    row = tx.one(_CLAIM, **values, now=now, until=now + lease)
    return _recommendation(row) if row else None


def lock(tx: Transaction, recommendation_id: int) -> Recommendation:
    row = tx.one(_LOCK, id=recommendation_id)
    if row is None:
        raise LookupError(f"no recommendation {recommendation_id}")
    return _recommendation(row)


def keep_verdicts(
    tx: Transaction, recommendation_id: int, verdicts: Verdicts, sizing: dict[str, Any] | None
) -> bool:
    """Store every gate's answer, and the sizing under the key `size`.

    False when it was ended since it was claimed, so that it is no longer PROCESSING.
    """
    gates: dict[str, Any] = {
        name: {
            "passed": verdict.passed,
            "reason": verdict.reason,
            "observed": verdict.observed,
            "limit": verdict.limit,
        }
        for name, verdict in verdicts.items()
    }
    if sizing is not None:
        gates["size"] = {**gates.get("size", {}), **sizing}
    kept = tx.execute(_KEEP_VERDICT, id=recommendation_id, gates=json.dumps(gates, default=_plain))
    return bool(kept)


def finish(
    tx: Transaction,
    recommendation_id: int,
    *,
    status: FinalStatus,
    reason: str | None,
    now: datetime,
) -> None:
    """Make a recommendation final; one that is final already keeps its status.

    Only an end without a trade is replaced, by EXECUTED or SIMULATED: the order filled after all.
    """
    tx.enqueue(_FINISH, id=recommendation_id, status=status, reason=reason, now=now)


def release(tx: Transaction, recommendation_id: int, now: datetime) -> None:
    """Return it to the next run, which prices it again or expires it."""
    tx.enqueue(_RELEASE, id=recommendation_id, now=now)


def start_run(
    tx: Transaction, *, run_id: UUID, account: str, tick: datetime, now: datetime
) -> None:
    """Open the run's row, or reopen it and release its earlier claims."""
    tx.enqueue(_START_RUN, run_id=run_id, account=account, tick=tick, now=now)


def finish_run(
    tx: Transaction, run_id: UUID, counts: dict[str, int], summary: dict[str, Any], now: datetime
) -> None:
    values = {"run_id": run_id, "now": now, "summary": json.dumps(summary, default=_plain)}
    tx.enqueue(_FINISH_RUN, **values, **counts)


def save_execution(
    tx: Transaction,
    order: Order,
    position: Position,
    *,
    mode: ExecutionMode,
    simulated_at: datetime | None,
    now: datetime,
) -> None:
    """Store an entry's fills so far; a later fill updates quantity and price."""
    if order.filled_avg_price is None:
        raise ValueError(f"order {order.client_order_id} has not filled")
    simulated = mode == "SIMULATED"
    tx.enqueue(
        _SAVE_EXECUTION,
        execution_id=position.execution_id,
        recommendation_id=order.recommendation_id,
        client_order_id=order.client_order_id,
        qty=order.filled_qty,
        price=order.filled_avg_price,
        notional=order.filled_qty * order.filled_avg_price * order.multiplier,
        decided_at=order.decided_at,
        simulated_at=simulated_at,
        mode=mode,
        sim=json.dumps({"evidence": "simulated", "limit": str(order.price)}) if simulated else None,
        stop=position.stop_loss,
        target=position.take_profit,
        now=now,
    )


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


def _recommendation(row: Row) -> Recommendation:
    return Recommendation(**row)
