"""Reads and writes announcements, what they did to positions, and what they hold up."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from ops_pipeline.db.driver.connection import Row, Transaction, values_of
from ops_pipeline.domain.corporate.actions import (
    REFUSED_AFTER,
    REFUSED_BEFORE,
    REFUSING,
    CorporateAction,
    price_factor,
)
from ops_pipeline.domain.corporate.adjustments import Adjustment
from ops_pipeline.domain.exits import Position

_ACTION = ", ".join(column.name for column in fields(CorporateAction))
_ADJUSTMENT = ", ".join(column.name for column in fields(Adjustment))
_VALUES = ", ".join(f":{column.name}" for column in fields(Adjustment))

# What keeps entries out of a ticker on the day `:today`; CorporateAction.refuses_entries_on in SQL.
_REFUSING = ", ".join(f"'{kind}'" for kind in sorted(REFUSING))
UNSETTLED = f"""
SELECT coalesce(array_agg(why ORDER BY why COLLATE "C"), '{{}}') FROM (
    SELECT reason AS why FROM corporate_action_holds
    WHERE account_name = :account AND symbol = :ticker AND ended_at IS NULL
    UNION ALL
    SELECT format('%s on %s', replace(kind, '_', ' '), effective_on) FROM corporate_actions
    WHERE symbol = :ticker AND withdrawn_at IS NULL
      AND (reason IS NOT NULL OR kind IN ({_REFUSING}))
      AND CAST(:today AS date) BETWEEN effective_on - {REFUSED_BEFORE.days}
                                   AND effective_on + {REFUSED_AFTER.days}) AS unsettled
"""
_STORE = f"""
INSERT INTO corporate_actions AS known ({_ACTION}, first_seen, last_seen)
SELECT {_ACTION}, :now, :now
FROM jsonb_to_recordset(CAST(:actions AS jsonb)) AS told (action_id text, kind text, symbol text,
    new_symbol text, old_rate numeric, new_rate numeric, cash numeric, effective_on date,
    process_on date, payable_on date, reason text, content text)
ON CONFLICT (action_id) DO UPDATE SET
    kind = excluded.kind, symbol = excluded.symbol, new_symbol = excluded.new_symbol,
    old_rate = excluded.old_rate, new_rate = excluded.new_rate, cash = excluded.cash,
    effective_on = excluded.effective_on, process_on = excluded.process_on,
    payable_on = excluded.payable_on,
    reason = excluded.reason, content = excluded.content, last_seen = excluded.last_seen,
    withdrawn_at = NULL
"""
# What was asked for and is not told any more; one that was booked stays as it was booked.
_WITHDRAW = """
UPDATE corporate_actions SET withdrawn_at = :now
WHERE last_seen < :now AND withdrawn_at IS NULL AND symbol = ANY(CAST(:symbols AS text[]))
  AND process_on >= CAST(:first AS date) AND process_on <= CAST(:last AS date)
RETURNING action_id
"""
_IN_FORCE = f"""
SELECT {_ACTION} FROM corporate_actions
WHERE withdrawn_at IS NULL AND symbol = ANY(CAST(:symbols AS text[]))
  AND effective_on >= CAST(:first AS date) AND effective_on <= CAST(:last AS date)
ORDER BY effective_on, action_id COLLATE "C"
"""
_CONCERNED = """
SELECT symbol FROM (
    SELECT ticker AS symbol FROM tickers WHERE is_watched
    UNION SELECT symbol FROM active_positions
    WHERE status <> 'closed' AND instrument_type = 'STOCK'
    UNION SELECT symbol FROM external_holdings WHERE quantity <> 0 AND asset_class = 'us_equity'
) AS concerned ORDER BY symbol COLLATE "C"
"""
_HELD = """
SELECT symbol FROM active_positions WHERE status <> 'closed' AND instrument_type = 'STOCK'
UNION SELECT symbol FROM external_holdings WHERE quantity <> 0 AND asset_class = 'us_equity'
"""
_OF_POSITION = f"""
SELECT {_ADJUSTMENT} FROM position_adjustments WHERE position_id = :position_id
ORDER BY applied_at, effective_on, id
"""
_RESTATED_AT = """
SELECT max(applied_at) AS at FROM position_adjustments
WHERE position_id = :position_id AND (new_symbol IS NOT NULL OR old_rate <> new_rate)
"""
_ADD = f"""
INSERT INTO position_adjustments ({_ADJUSTMENT}, tick) VALUES ({_VALUES}, :tick)
"""
_RESTATE = """
UPDATE active_positions SET
    symbol = :symbol, ticker = :ticker, quantity = :quantity, opened_quantity = :opened_quantity,
    entry_price = :entry_price, stop_loss = CAST(:stop_loss AS numeric),
    take_profit = CAST(:take_profit AS numeric), initial_risk = CAST(:initial_risk AS numeric),
    peak_price = CAST(:peak_price AS numeric), trough_price = CAST(:trough_price AS numeric),
    current_price = CAST(:current_price AS numeric),
    doubted_price = CAST(:doubted_price AS numeric),
    doubted_at = CAST(:doubted_at AS timestamptz), updated_at = :now
WHERE id = :id
"""
_HOLD = """
INSERT INTO corporate_action_holds AS known (account_name, symbol, reason, since, seen_at)
VALUES (:account, :symbol, :reason, :now, :now)
ON CONFLICT (account_name, symbol) DO UPDATE SET
    since = CASE WHEN known.ended_at IS NULL THEN known.since ELSE excluded.since END,
    reason = excluded.reason, seen_at = excluded.seen_at, ended_at = NULL
"""
_END_HOLD = """
UPDATE corporate_action_holds SET ended_at = :now
WHERE account_name = :account AND symbol = :symbol AND ended_at IS NULL
"""
_SEEN_SINCE = """
SELECT 1 FROM corporate_action_holds
WHERE account_name = :account AND symbol = :symbol AND ended_at IS NULL AND seen_at > :since
"""
_HOLDS = """
SELECT symbol, reason FROM corporate_action_holds
WHERE account_name = :account AND ended_at IS NULL ORDER BY symbol COLLATE "C"
"""


def store(tx: Transaction, actions: Iterable[CorporateAction], *, now: datetime) -> int:
    """Add announcements, or take over what changed in them; return their number."""
    told = json.dumps([asdict(it) for it in actions], default=str)
    return tx.execute(_STORE, actions=told, now=now)


def withdraw(
    tx: Transaction, symbols: Sequence[str], *, first: date, last: date, now: datetime
) -> list[str]:
    """Mark those that were not told `now` although their day was asked for; return their ids."""
    rows = tx.rows(_WITHDRAW, symbols=list(symbols), first=first, last=last, now=now)
    return sorted(row["action_id"] for row in rows)


def in_force(
    tx: Transaction, symbols: Iterable[str], *, first: date, last: date
) -> list[CorporateAction]:
    """The announcements of these symbols with first <= effective_on <= last, oldest first."""
    rows = tx.rows(_IN_FORCE, symbols=sorted(set(symbols)), first=first, last=last)
    return [CorporateAction(**row) for row in rows]


def price_factors(tx: Transaction, days: Mapping[str, tuple[date, date]]) -> dict[str, Decimal]:
    """By symbol, what makes prices of the first of two days ones of the second day's shares."""
    apart = {symbol: pair for symbol, pair in days.items() if pair[0] < pair[1]}
    if not apart:
        return {}
    first, last = min(it for it, _ in apart.values()), max(it for _, it in apart.values())
    known = in_force(tx, apart, first=first, last=last)
    factors = {
        symbol: price_factor(known, symbol, since=since, until=until)
        for symbol, (since, until) in apart.items()
    }
    return {symbol: factor for symbol, factor in factors.items() if factor != 1}


def concerned(tx: Transaction) -> list[str]:
    """The symbols whose actions matter: what is watched, and what any account holds."""
    return [row["symbol"] for row in tx.rows(_CONCERNED)]


def held_symbols(tx: Transaction) -> frozenset[str]:
    """Stock that any account holds, bought here or before."""
    return frozenset(row["symbol"] for row in tx.rows(_HELD))


def of_position(tx: Transaction, position_id: UUID) -> list[Adjustment]:
    """What was done to a position, oldest first."""
    return [_adjustment(row) for row in tx.rows(_OF_POSITION, position_id=position_id)]


def restated_at(tx: Transaction, position_id: UUID) -> datetime | None:
    """When a position last became other shares, or shares of another symbol; None: never."""
    row = tx.one(_RESTATED_AT, position_id=position_id)
    return row["at"] if row else None


def add(tx: Transaction, adjustment: Adjustment, *, tick: datetime) -> None:
    """Book it; a second time for the same action or activity is refused by the database."""
    tx.enqueue(_ADD, **values_of(adjustment), tick=tick)


def restate(tx: Transaction, position: Position, *, now: datetime) -> None:
    """Write a position in the shares and prices after an adjustment, and nothing else of it."""
    tx.enqueue(_RESTATE, **values_of(position), now=now)


def hold(tx: Transaction, account: str, symbol: str, reason: str, *, now: datetime) -> None:
    tx.enqueue(_HOLD, account=account, symbol=symbol, reason=reason, now=now)


def end_hold(tx: Transaction, account: str, symbol: str, *, now: datetime) -> None:
    tx.enqueue(_END_HOLD, account=account, symbol=symbol, now=now)


def held_back_since(tx: Transaction, account: str, symbol: str, since: datetime) -> bool:
    """Whether a hold stands whose reason was last found later than that."""
    return tx.one(_SEEN_SINCE, account=account, symbol=symbol, since=since) is not None


def holds(tx: Transaction, account: str) -> Mapping[str, str]:
    """The symbols in which the account decides nothing by price, with the reason."""
    return {row["symbol"]: row["reason"] for row in tx.rows(_HOLDS, account=account)}


def _adjustment(row: Row) -> Adjustment:
    return Adjustment(**row)
