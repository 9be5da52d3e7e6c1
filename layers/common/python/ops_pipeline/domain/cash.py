"""Compares an account's cash with fills, fees, dividends and deposits. USD."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerAccount, BrokerCashActivity, BrokerFill
from ops_pipeline.domain.market import Session, new_york_time
from ops_pipeline.domain.trading_terms import multiplier_of

_CENT = Decimal("0.01")
_OPENS = (9, 30)


@dataclass(frozen=True, slots=True)
class CashReading:
    """An account's cash, read while no cash was moving."""

    at: datetime
    cash: Decimal


def last_equity_as_of(previous: Session) -> datetime:
    """The moment of a broker's last equity: 16:00 in New York, on a half day too.

    What is deposited between its close at 13:00 and then is in last equity already.
    """
    return new_york_time(previous.day, 16)


def net_deposits(activities: Sequence[BrokerCashActivity]) -> Decimal | None:
    """Deposits less withdrawals; None if securities were transferred.

    A dividend that is paid counts like a deposit: it was a gain on its ex-date (see `day_loss`),
    and would hide a loss of the day that it is paid on.
    """
    if any(it.kind == "in_kind" for it in activities):
        return None
    kinds = ("capital", "dividend")
    return sum((it.amount for it in activities if it.kind in kinds), Decimal(0))


def day_loss(
    account: BrokerAccount,
    deposits: Decimal | None,
    external: Decimal | None,
    dividends: Decimal = Decimal(0),
) -> Decimal | None:
    """The account's loss since `last_equity_as_of`, USD, negative for a gain; None is unknown.

    Deposits since then are in its equity but not in its last equity.

    Args:
        external: What holdings that are not ours have gained since then; it is none of our loss.
        dividends: Of our shares, gone ex since then: the price has lost them, and they are paid
            some other day.
    """
    if deposits is None or external is None or account.trading_blocked:
        return None
    return account.last_equity + deposits + external - dividends - account.equity


def unexplained(
    before: CashReading,
    now: Decimal,
    fills: Sequence[BrokerFill],
    activities: Sequence[BrokerCashActivity],
    accrued: Decimal = Decimal(0),
) -> Decimal:
    """The change in cash since the reading that no fill or activity explains.

    Args:
        fills, activities: As reported by the broker; older ones are left out, duplicates count
            once.
        accrued: Fees that are not charged yet, USD. A broker may take them from the cash as they
            accrue, before it charges them, and then the charge itself moves nothing.

    Also 0 within rounding to cents: half a cent for each of them.
    """
    filled = {fill.fill_id: _paid(fill) for fill in fills if fill.executed_at > before.at}
    moved = {it.activity_id: it for it in activities if it.created_at > before.at}
    flows = [*filled.values(), *(it.amount for it in moved.values())]
    difference = now - before.cash - sum(flows, Decimal(0))
    room = _CENT / 2 * (1 + len(flows))
    taken_before = _fees_of_trades_before(before.at, moved.values())
    return difference if not -accrued - room <= difference <= taken_before + room else Decimal(0)


def _fees_of_trades_before(at: datetime, activities: Iterable[BrokerCashActivity]) -> Decimal:
    """What was charged for sessions that had opened by then, USD: it may be off the cash."""
    fees = (it for it in activities if it.kind == "fee")
    accrued = (-it.amount for it in fees if new_york_time(it.trade_day, *_OPENS) <= at)
    return max(sum(accrued, Decimal(0)), Decimal(0))


def _paid(fill: BrokerFill) -> Decimal:
    value = fill.quantity * fill.price * multiplier_of(fill.symbol)
    return -value if fill.side == "buy" else value
