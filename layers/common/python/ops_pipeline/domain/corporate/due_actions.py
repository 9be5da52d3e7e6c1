"""Which announced actions a position has still to be adjusted for, and in which order."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import ROUND_CEILING, Decimal

from ops_pipeline.domain.corporate.actions import (
    GIVING,
    RESTATING,
    SAME_WITHIN,
    CorporateAction,
)
from ops_pipeline.domain.corporate.shares_shown import COST_WITHIN, possible_quantities
from ops_pipeline.domain.corporate.terms import Adjustment
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.market import new_york_day

# Amounts a share that differ by less are the same, but for rounding.
_SAME_AMOUNT = Decimal("0.000001")


def concerns(action: CorporateAction, position: Position, today: date) -> bool:
    """Whether the action is due and the position was held before its day."""
    before = new_york_day(position.entry_time) < action.effective_on
    stock = position.instrument_type == "STOCK"
    return stock and action.symbol == position.symbol and before and action.effective_on <= today


def is_done(action: CorporateAction, adjustments: Iterable[Adjustment]) -> bool:
    """Whether the position was adjusted for it, also under another id or by an activity alone."""
    return any(it.action_id == action.action_id or _same(action, it) for it in adjustments)


def _same(action: CorporateAction, it: Adjustment) -> bool:
    alike = action.kind in RESTATING if it.kind in RESTATING else action.kind == it.kind
    if not alike or abs(action.effective_on - it.effective_on) > SAME_WITHIN:
        return False
    if action.kind in GIVING:
        per_share = None if it.cash is None else it.cash / it.quantity_before
        return _same_amount(per_share, action.cash)
    return action.symbol == it.symbol and _same_ratio(action, it)


def _same_ratio(action: CorporateAction, it: Adjustment) -> bool:
    """Whether both made the same of the shares: what an activity alone told of may be rounded."""
    wanted = it.quantity_before * action.ratio
    rounded = {*possible_quantities(wanted), wanted.to_integral_value(ROUND_CEILING)}
    if it.action_id is None and it.quantity_after in rounded:
        return True
    return abs(action.ratio - it.ratio) <= COST_WITHIN * it.ratio


def _same_amount(one: Decimal | None, other: Decimal | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) < _SAME_AMOUNT


def due(
    actions: Iterable[CorporateAction],
    position: Position,
    adjustments: Sequence[Adjustment],
    *,
    today: date,
) -> list[CorporateAction]:
    """The actions that the position has still to be adjusted for, in the order to do it in.

    What is given on a day is given for the shares before that day's split, and a split comes
    before the renaming of the same day. A forward split beside a reverse one follows it: so
    issuers pay out small holders.
    """
    found = [it for it in actions if concerns(it, position, today) and not is_done(it, adjustments)]
    last = ("forward_split", "name_change")
    order = (*sorted(GIVING), *sorted(RESTATING - {*last}), *last)
    found.sort(
        key=lambda it: (
            it.effective_on,
            order.index(it.kind) if it.kind in order else len(order),
            it.action_id,
        ),
    )
    return [it for place, it in enumerate(found) if not any(_alike(it, k) for k in found[:place])]


def _alike(one: CorporateAction, other: CorporateAction) -> bool:
    """Whether two announcements are of the same action."""
    restating = one.kind in RESTATING and other.kind in RESTATING
    if not (restating or one.kind == other.kind):
        return False
    if abs(one.effective_on - other.effective_on) > SAME_WITHIN:
        return False
    return (one.ratio, one.cash, one.new_symbol) == (other.ratio, other.cash, other.new_symbol)


def decidable(
    actions: Iterable[CorporateAction],
) -> tuple[list[CorporateAction], CorporateAction | None]:
    """The understood actions, and one that is not and keeps those from being decided, if any.

    What is given for shares changes no number of them: beside others it is left for later.
    """
    every = list(actions)
    clear = [it for it in every if it.is_understood]
    unclear = [it for it in every if not it.is_understood and (it.kind not in GIVING or not clear)]
    return clear, unclear[0] if unclear else None
