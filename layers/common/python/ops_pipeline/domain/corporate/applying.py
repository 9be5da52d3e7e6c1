"""What an action's terms make of a position: the same cost in other shares, and what is paid."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from ops_pipeline.domain.broker import BrokerCashActivity
from ops_pipeline.domain.corporate.terms import Adjustment, Application, Terms
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.orders import stop_price

_NONE, _ONE = Decimal(0), Decimal(1)
# Brokers round fractions of shares; prices here are as fine as active_positions has them.
_UNITS = Decimal("0.000000001")
_PRICE = Decimal("0.0001")


def applied(
    terms: Terms,
    position: Position,
    held: Decimal,
    activities: Sequence[BrokerCashActivity],
    *,
    now: datetime,
    action_id: str | None = None,
    activity_id: str | None = None,
) -> Application:
    """The adjustment and the position after it.

    Args:
        held: Units that the broker shows after it.
    """
    ratio = terms.ratio
    opened = _rounded(position.opened_quantity * ratio)
    fraction = max(_rounded(position.quantity * ratio) - held, _NONE)
    adjustment = Adjustment(
        id=stable_uuid("adjustment", position.id, action_id or activity_id),
        position_id=position.id,
        account_name=position.account_name,
        kind=terms.kind,
        action_id=action_id,
        activity_id=activity_id,
        symbol=position.symbol,
        new_symbol=terms.new_symbol if held else None,
        old_rate=terms.old_rate,
        new_rate=terms.new_rate,
        quantity_before=position.quantity,
        quantity_after=held,
        opened_before=position.opened_quantity,
        opened_after=opened,
        fraction=fraction,
        cash=_cash(terms, position, fraction, activities),
        effective_on=terms.effective_on,
        applied_at=now,
    )
    return Application(adjustment, _restated(position, adjustment))


def _restated(position: Position, it: Adjustment) -> Position:
    """The position in the shares after the adjustment: other numbers, the same cost in all."""
    symbol = it.new_symbol or position.symbol
    stop = _divided(position.stop_loss, it.ratio)
    return replace(
        position,
        symbol=symbol,
        ticker=symbol,
        quantity=it.quantity_after,
        opened_quantity=it.opened_after,
        entry_price=position.entry_price * it.opened_before / it.opened_after,
        stop_loss=None if stop is None else stop_price(stop),
        take_profit=_divided(position.take_profit, it.ratio),
        initial_risk=_divided(position.initial_risk, it.ratio),
        peak_price=_divided(position.peak_price, it.ratio),
        trough_price=_divided(position.trough_price, it.ratio),
        current_price=_divided(position.current_price, it.ratio),
        doubted_price=None,
        doubted_at=None,
    )


def _divided(price: Decimal | None, ratio: Decimal) -> Decimal | None:
    if price is None or ratio == _ONE:
        return price
    return (price / ratio).quantize(_PRICE, ROUND_HALF_EVEN)


def _cash(
    terms: Terms,
    position: Position,
    fraction: Decimal,
    activities: Sequence[BrokerCashActivity],
) -> Decimal | None:
    """What it pays for the position, USD; None: nobody has told yet."""
    if terms.kind in ("spin_off", "rights_distribution"):
        return None
    given = _NONE if terms.cash is None else terms.cash * position.quantity
    if not fraction:
        return given
    paid = payments(activities, terms)
    # With cash for the shares as well it can't be told whether both were paid by now.
    return sum((it.amount for it in paid), _NONE) if paid and not given else None


def payments(activities: Iterable[BrokerCashActivity], terms: Terms) -> list[BrokerCashActivity]:
    """What the broker booked in cash for an action of that symbol, from its day on."""
    return [
        it
        for it in activities
        if it.kind in ("split", "corporate")
        and it.symbol is not None
        and it.symbol in (terms.symbol, terms.new_symbol)
        and it.amount
        and new_york_day(it.created_at) >= terms.effective_on
    ]


def _rounded(units: Decimal) -> Decimal:
    return units.quantize(_UNITS, ROUND_HALF_EVEN).normalize() + _NONE
