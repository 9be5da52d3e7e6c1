"""Reads and writes what accounts held before their first run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from ops_pipeline.db.driver.connection import Row, Transaction, values_of
from ops_pipeline.db.holdings import corporate_actions
from ops_pipeline.domain.holdings.external import ExternalHolding
from ops_pipeline.domain.market import new_york_day

EventKind = Literal["found", "reduced", "adopted", "rebound", "left_alone", "adjusted"]

_DAY = timedelta(days=1)
_COLUMNS = ", ".join(column.name for column in fields(ExternalHolding))
_VALUES = """
    CAST(:account_name AS varchar), :symbol, :asset_class, :quantity, :quantity_found,
    :average_cost, CAST(:price_found AS numeric), :found_at, :tick, CAST(:price AS numeric),
    CAST(:close_before AS numeric), CAST(:priced_at AS timestamptz),
    CAST(:less_quantity AS numeric), CAST(:less_since AS timestamptz),
    CAST(:ended_at AS timestamptz), CAST(:end_kind AS text)
"""

# What the account is bound to now decides: one that is bound anew holds other things.
LOOKED_AT = """
SELECT l.looked_at FROM first_looks AS l
LEFT JOIN account_bindings AS b USING (account_name)
WHERE l.account_name = :account AND l.number_mark IS NOT DISTINCT FROM b.number_mark
"""
_KEEP_LOOK = """
INSERT INTO first_looks (account_name, number_mark, looked_at, tick)
SELECT told.account,
    (SELECT number_mark FROM account_bindings WHERE account_name = told.account), :looked_at, :tick
FROM (VALUES (CAST(:account AS text))) AS told (account)
ON CONFLICT (account_name) DO UPDATE SET
    number_mark = excluded.number_mark, looked_at = excluded.looked_at, tick = excluded.tick
"""
_ALL = f"""
SELECT {_COLUMNS} FROM external_holdings WHERE account_name = :account
ORDER BY symbol COLLATE "C"
"""
HELD = """
SELECT symbol, quantity FROM external_holdings WHERE account_name = :account AND quantity <> 0
"""
_FIND = (
    f"SELECT {_COLUMNS} FROM external_holdings WHERE account_name = :account AND symbol = :symbol"
)
_ADD = f"""
INSERT INTO external_holdings ({_COLUMNS}) VALUES ({_VALUES})
ON CONFLICT (account_name, symbol) DO UPDATE SET ({_COLUMNS}) = ({_VALUES})
"""
_ADJUSTED_FOR = """
SELECT action_id FROM external_holding_events
WHERE account_name = :account AND symbol = :symbol AND action_id IS NOT NULL
"""
_EVENT = """
INSERT INTO external_holding_events
    (account_name, symbol, at, kind, quantity_before, quantity, price, day_change, action_id)
VALUES (:account, :symbol, :at, :kind, :before, :quantity, CAST(:price AS numeric),
        CAST(:day_change AS numeric), CAST(:action_id AS text))
ON CONFLICT DO NOTHING
"""
# What was sold gained an amount that is known only where it is of each of them: else NULL.
_STANDING = f"""
SELECT ({LOOKED_AT}) AS looked_at,
    (SELECT coalesce(sum(cash), 0) FROM position_adjustments
     WHERE account_name = :account AND kind = 'cash_dividend'
       AND effective_on = CAST(:today AS date)) AS dividends,
    CASE WHEN count(*) = count(day_change) THEN coalesce(sum(day_change), 0) END AS gained
FROM external_holding_events
WHERE account_name = :account AND kind IN ('reduced', 'adopted') AND at >= :day_start
"""


@dataclass(frozen=True, slots=True)
class HeldBefore:
    """What one account held before its first run, as far as it is known.

    Attributes:
        looked_at: When that was found out; None: not yet, and nothing may be entered.
        sold_today: What was sold or adopted of it today had gained by then, USD; None: unknown.
        restated: By symbol, what makes yesterday's price one of today's shares, where they differ.
        dividends: Of our own positions, gone ex today, USD.
    """

    looked_at: datetime | None
    holdings: tuple[ExternalHolding, ...]
    sold_today: Decimal | None
    restated: Mapping[str, Decimal] = field(default_factory=dict)
    dividends: Decimal = Decimal(0)

    @property
    def by_symbol(self) -> Mapping[str, ExternalHolding]:
        return {it.symbol: it for it in self.holdings}


def looked_at(tx: Transaction, account: str) -> datetime | None:
    """When the account was first compared with the broker it is bound to now; None: not yet."""
    row = tx.one(LOOKED_AT, account=account)
    return None if row is None else row["looked_at"]


def keep_look(tx: Transaction, account: str, *, looked_at: datetime, tick: datetime) -> None:
    tx.enqueue(_KEEP_LOOK, account=account, looked_at=looked_at, tick=tick)


def read(tx: Transaction, account: str, *, day_start: datetime) -> HeldBefore:
    """Every row of the account, ended ones too, and what was sold of them since then."""
    today = new_york_day(day_start)
    row = tx.one(_STANDING, account=account, day_start=day_start, today=today)
    assert row is not None  # noqa: S101 - aggregates always give a row
    gained = None if row["gained"] is None else Decimal(row["gained"])
    holdings = tuple(all_of(tx, account))
    days = {it.symbol: (today - _DAY, today) for it in holdings if it.quantity}
    return HeldBefore(
        looked_at=row["looked_at"],
        holdings=holdings,
        sold_today=gained,
        restated=corporate_actions.price_factors(tx, days),
        dividends=Decimal(row["dividends"]),
    )


def all_of(tx: Transaction, account: str) -> list[ExternalHolding]:
    """Every row of the account, ended ones too, by symbol."""
    return [_holding(row) for row in tx.rows(_ALL, account=account)]


def adjusted_for(tx: Transaction, account: str, symbol: str) -> frozenset[str]:
    """The corporate actions that a row was adjusted for."""
    rows = tx.rows(_ADJUSTED_FOR, account=account, symbol=symbol)
    return frozenset(row["action_id"] for row in rows)


def find(tx: Transaction, account: str, symbol: str) -> ExternalHolding | None:
    row = tx.one(_FIND, account=account, symbol=symbol)
    return None if row is None else _holding(row)


def save(tx: Transaction, holding: ExternalHolding) -> None:
    """Store a row, or what changed in it."""
    tx.enqueue(_ADD, **values_of(holding))


def add_event(
    tx: Transaction,
    before: ExternalHolding | None,
    after: ExternalHolding,
    kind: EventKind,
    *,
    price: Decimal | None,
    day_change: Decimal | None,
    now: datetime,
    action_id: str | None = None,
) -> None:
    """Record what became of a row, in the transaction that changes it.

    Args:
        price: What the difference was sold or adopted at, USD a share.
        day_change: What it had gained by then today, USD.
        action_id: Of the corporate action that it was adjusted for.
    """
    tx.enqueue(
        _EVENT,
        account=after.account_name,
        symbol=after.symbol,
        at=now,
        kind=kind,
        before=Decimal(0) if before is None else before.quantity,
        quantity=after.quantity,
        price=price,
        day_change=day_change,
        action_id=action_id,
    )


def _holding(row: Row) -> ExternalHolding:
    return ExternalHolding(**row)
