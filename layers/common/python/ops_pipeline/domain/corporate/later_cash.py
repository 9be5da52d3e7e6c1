"""What an adjustment paid for fractions of shares, where the broker tells of it only later."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerCashActivity
from ops_pipeline.domain.corporate.applying import applied, payments
from ops_pipeline.domain.corporate.terms import Adjustment, Application, Terms
from ops_pipeline.domain.exits import Position

_NONE, _ONE = Decimal(0), Decimal(1)


def awaited(known: Sequence[Adjustment]) -> Adjustment | None:
    """An adjustment of which the cash for a fraction of a share is not told yet."""
    return next((it for it in known if it.fraction and not _is_told(it, known)), None)


def cash_is_told(known: Sequence[Adjustment]) -> bool:
    """Whether all that adjustments paid is known, some of it perhaps by a later row."""
    return all(_is_told(it, known) for it in known)


def _is_told(it: Adjustment, known: Sequence[Adjustment]) -> bool:
    later = (
        other
        for other in known
        if other.activity_id is not None and other.ratio == _ONE and other.cash
    )
    same = any(other.kind == it.kind and other.effective_on == it.effective_on for other in later)
    return it.cash is not None or bool(it.fraction and same)


def paid_later(
    position: Position,
    known: Sequence[Adjustment],
    activities: Sequence[BrokerCashActivity],
    *,
    now: datetime,
) -> Application | None:
    """The adjustment that tells what was paid for an earlier one's fraction of a share."""
    earlier = awaited(known)
    if earlier is None:
        return None
    terms = Terms(
        kind=earlier.kind,
        symbol=earlier.symbol,
        new_symbol=earlier.new_symbol,
        old_rate=_ONE,
        new_rate=_ONE,
        cash=None,
        effective_on=earlier.effective_on,
    )
    paid = payments(activities, terms)
    if not paid:
        return None
    told = replace(terms, new_symbol=None)
    later = applied(told, position, position.quantity, (), activity_id=paid[0].activity_id, now=now)
    cash = sum((it.amount for it in paid), _NONE)
    return replace(later, adjustment=replace(later.adjustment, cash=cash))
