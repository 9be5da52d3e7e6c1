"""What a corporate action does to what is held: decided by the action and the broker's word.

Neither counts alone. An announcement that the broker's positions do not bear out decides
nothing, and shares at the broker that no action and no activity explain are nobody's to book.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from uuid import UUID

from ops_pipeline.domain.broker import BrokerCashActivity, BrokerOrder, BrokerPosition
from ops_pipeline.domain.corporate.actions import (
    GIVING,
    RESTATING,
    SAME_WITHIN,
    ActionKind,
    CorporateAction,
)
from ops_pipeline.domain.corporate.shares_shown import (
    COST_WITHIN,
    is_rounded_up,
    is_split_like,
    possible_quantities,
    rates_shown,
)
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.orders import Order, stop_price

_NONE, _ONE = Decimal(0), Decimal(1)
# Brokers round fractions of shares; prices here are as fine as active_positions has them.
_UNITS = Decimal("0.000000001")
_PRICE = Decimal("0.0001")
# Amounts a share that differ by less are the same, but for rounding.
_SAME_AMOUNT = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """One row of `position_adjustments`; see the comments there."""

    id: UUID
    position_id: UUID
    account_name: str
    kind: ActionKind
    action_id: str | None
    activity_id: str | None
    symbol: str
    new_symbol: str | None
    old_rate: Decimal
    new_rate: Decimal
    quantity_before: Decimal
    quantity_after: Decimal
    opened_before: Decimal
    opened_after: Decimal
    fraction: Decimal
    cash: Decimal | None
    effective_on: date
    applied_at: datetime

    @property
    def ratio(self) -> Decimal:
        return self.new_rate / self.old_rate

    @property
    def units_elsewhere(self) -> Decimal:
        """What it adds to opened less sold, so that the three still add up to what is held."""
        return (self.quantity_after - self.quantity_before) - (
            self.opened_after - self.opened_before
        )


@dataclass(frozen=True, slots=True)
class Application:
    """An adjustment with the position as it is after it; with nothing left it ends."""

    adjustment: Adjustment
    position: Position


@dataclass(frozen=True, slots=True)
class Pending:
    """Why an action that is due, or a difference in shares, decides nothing yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What one old share becomes.

    Attributes:
        cash: USD for one old share; None: not known.
    """

    kind: ActionKind
    symbol: str
    new_symbol: str | None
    old_rate: Decimal
    new_rate: Decimal
    cash: Decimal | None
    effective_on: date

    @property
    def ratio(self) -> Decimal:
        return self.new_rate / self.old_rate


def concerns(action: CorporateAction, position: Position, today: date) -> bool:
    """Whether the action is due and the position was held before its day."""
    before = new_york_day(position.entry_time) < action.effective_on
    stock = position.instrument_type == "STOCK"
    return stock and action.symbol == position.symbol and before and action.effective_on <= today


def is_done(action: CorporateAction, adjustments: Iterable[Adjustment]) -> bool:
    """Whether the position was adjusted for it, also under another id or by an activity alone."""
    return any(it.action_id == action.action_id or _same(action, it) for it in adjustments)


def _same(action: CorporateAction, it: Adjustment) -> bool:
    alike = {action.kind, it.kind} <= RESTATING if it.kind in RESTATING else action.kind == it.kind
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
    if not ({one.kind, other.kind} <= RESTATING or one.kind == other.kind):
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


def judge(
    actions: Sequence[CorporateAction],
    position: Position,
    theirs: Mapping[str, BrokerPosition],
    activities: Sequence[BrokerCashActivity],
    *,
    now: datetime,
) -> tuple[Application, ...] | Pending:
    """Adjust the position for all that is due, if the broker shows what comes of it: all or none.

    Args:
        actions: What is `due`, in its order.
        theirs: What the broker holds, by symbol.
        activities: The broker's of the last days, for the cash that it paid.
    """
    actions, unclear = decidable(actions)
    if unclear is not None:
        return Pending(f"{unclear}: {unclear.reason or 'what it does to shares is not told'}")
    outcome = _judged(actions, position, theirs, activities, now, whole=False)
    if isinstance(outcome, Pending) and len(actions) > 1:
        # Between two actions what was over whole shares may have been paid out.
        whole = _judged(actions, position, theirs, activities, now, whole=True)
        return outcome if isinstance(whole, Pending) else whole
    return outcome


def _judged(
    actions: Sequence[CorporateAction],
    position: Position,
    theirs: Mapping[str, BrokerPosition],
    activities: Sequence[BrokerCashActivity],
    now: datetime,
    *,
    whole: bool,
) -> tuple[Application, ...] | Pending:
    """All steps; the broker shows only what came of the last."""
    done: list[Application] = []
    for action in actions:
        if action.kind == "cash_merger":
            return _ended(action, position, theirs.get(action.symbol), activities, now)
        if action is actions[-1]:
            step = _last(action, position, theirs, activities, now)
        else:
            step = _between(action, position, now, whole=whole)
        if isinstance(step, Pending):
            return step
        done.append(step)
        position = step.position
    return tuple(done)


def _between(
    action: CorporateAction, position: Position, now: datetime, *, whole: bool
) -> Application | Pending:
    terms = _terms(action)
    held = position.quantity * terms.ratio
    if whole:
        held = held.to_integral_value(ROUND_FLOOR)
    if not held:
        return Pending(f"{action}: it leaves none of {position.quantity:f}")
    return applied(terms, position, held, (), action_id=action.action_id, now=now)


def _last(
    action: CorporateAction,
    position: Position,
    theirs: Mapping[str, BrokerPosition],
    activities: Sequence[BrokerCashActivity],
    now: datetime,
) -> Application | Pending:
    terms = _terms(action)
    wanted = position.quantity * terms.ratio
    there = theirs.get(action.symbol_after)
    held = _NONE if there is None else there.quantity
    cost = position.quantity * position.entry_price
    fits = held in possible_quantities(wanted)
    if there is not None and not fits:
        fits = is_rounded_up(wanted, held, cost, held * there.average_entry_price)
    if not fits or (held == 0 and not _paid(activities, terms)):
        shown = f"{held:f} {action.symbol_after}"
        return Pending(f"{action}: of {position.quantity:f} held here the broker shows {shown}")
    return applied(terms, position, held, activities, action_id=action.action_id, now=now)


def _terms(action: CorporateAction) -> Terms:
    return Terms(
        kind=action.kind,
        symbol=action.symbol,
        new_symbol=action.new_symbol if action.kind in RESTATING else None,
        old_rate=action.old_rate if action.old_rate and action.kind in RESTATING else _ONE,
        new_rate=action.new_rate if action.new_rate and action.kind in RESTATING else _ONE,
        cash=action.cash,
        effective_on=action.effective_on,
    )


def by_announcement(
    actions: Sequence[CorporateAction], position: Position, *, now: datetime, whole: bool = False
) -> tuple[Application, ...]:
    """Adjust a position for what is due and understood, where no broker's positions can be asked.

    Args:
        whole: What is over whole shares is paid out, in cash that is not told.
    """
    done: list[Application] = []
    for action in actions:
        terms = _terms(action)
        held = position.quantity * terms.ratio
        if action.kind == "cash_merger":
            held = _NONE
        elif whole:
            held = held.to_integral_value(ROUND_FLOOR)
        step = applied(terms, position, held, (), action_id=action.action_id, now=now)
        if action.kind == "cash_merger":
            paid = (terms.cash or _NONE) * position.quantity
            step = replace(step, adjustment=replace(step.adjustment, cash=paid))
        done.append(step)
        position = step.position
    return tuple(done)


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
    paid = _paid(activities, terms)
    if not paid:
        return None
    told = replace(terms, symbol=position.symbol, new_symbol=None)
    later = applied(told, position, position.quantity, (), activity_id=paid[0].activity_id, now=now)
    cash = sum((it.amount for it in paid), _NONE)
    return replace(later, adjustment=replace(later.adjustment, cash=cash))


def judge_activity(
    activity: BrokerCashActivity,
    position: Position,
    theirs: BrokerPosition | None,
    activities: Sequence[BrokerCashActivity],
    known: Sequence[Adjustment],
    *,
    now: datetime,
) -> Application | None:
    """Adjust for a split that the broker booked and nobody announced; None: it explains nothing.

    Its shares must have cost as much as ours, in all: a split moves no money. A list that lags
    behind a split shows the shares of before it: those are explained by none.

    Args:
        known: What the position was adjusted for.
    """
    if theirs is None or not is_split_like(position, theirs.quantity, theirs.average_entry_price):
        return None
    if activity.kind != "split" or activity.symbol != position.symbol:
        return None
    effective_on = new_york_day(activity.created_at)
    if new_york_day(position.entry_time) >= effective_on or _is_counted(activity, theirs, known):
        return None
    rates = rates_shown(position, theirs.quantity, theirs.average_entry_price)
    if rates is None:
        return None
    old_rate, new_rate = rates
    terms = Terms(
        kind="forward_split" if new_rate > old_rate else "reverse_split",
        symbol=position.symbol,
        new_symbol=None,
        old_rate=old_rate,
        new_rate=new_rate,
        cash=None,
        effective_on=effective_on,
    )
    return applied(
        terms, position, theirs.quantity, activities, activity_id=activity.activity_id, now=now
    )


def _is_counted(
    activity: BrokerCashActivity, theirs: BrokerPosition, known: Iterable[Adjustment]
) -> bool:
    """Whether the position was adjusted for it, or the broker shows it as before that."""
    splits = [it for it in known if it.ratio != _ONE]
    return any(
        it.activity_id == activity.activity_id
        or activity.created_at <= it.applied_at
        or theirs.quantity == it.quantity_before
        for it in splits
    )


def is_of_before(position: Position, theirs: BrokerPosition, known: Iterable[Adjustment]) -> bool:
    """Whether a list shows the shares of before an adjustment: it lags, nobody bought any.

    Cash for a fraction makes what is held now cost less in all than what was held before.
    """
    return theirs.quantity != position.quantity and any(
        theirs.quantity == it.quantity_before
        and abs(theirs.average_entry_price / (position.entry_price * it.ratio) - 1) <= COST_WITHIN
        for it in known
        if it.ratio != _ONE
    )


def is_restated(before: Position, now: Position) -> bool:
    """Whether a position was adjusted between two readings: other shares at the same cost."""
    if before.symbol != now.symbol:
        return True
    if before.opened_quantity == now.opened_quantity:
        return False
    was, is_now = (it.opened_quantity * it.entry_price for it in (before, now))
    return abs(was - is_now) < _PRICE


def has_restated_terms(
    order: Order,
    found: BrokerOrder,
    known: Iterable[Adjustment],
    announced: Iterable[CorporateAction],
) -> bool:
    """Whether the broker has changed the terms of a resting order for a corporate action.

    By what is booked, or by what is announced: the broker's new terms confirm it.

    Args:
        known: What was done to the order's position.
        announced: Of its symbol, due by now.
    """
    booked = [it for it in known if it.applied_at > order.decided_at]
    if booked:
        symbols = {it.new_symbol or it.symbol for it in booked}
        steps = [it.ratio for it in booked]
    else:
        day = new_york_day(order.decided_at)
        due = [it for it in announced if it.effective_on > day and it.is_understood]
        symbols = {it.symbol_after for it in due}
        steps = [it.ratio for it in due]
    if not steps:
        return False
    ratio = math.prod(steps, start=_ONE)
    same = (order.side, order.broker_order_id or found.broker_order_id) == (
        found.side,
        found.broker_order_id,
    )
    wanted = order.quantity * ratio
    up = wanted.to_integral_value(ROUND_CEILING)
    quantities = {order.quantity, *possible_quantities(wanted), up}
    return same and found.symbol in {order.symbol, *symbols} and found.quantity in quantities


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
    paid = _paid(activities, terms)
    # With cash for the shares as well it can't be told whether both were paid by now.
    return sum((it.amount for it in paid), _NONE) if paid and not given else None


def _ended(
    action: CorporateAction,
    position: Position,
    theirs: BrokerPosition | None,
    activities: Sequence[BrokerCashActivity],
    now: datetime,
) -> tuple[Application, ...] | Pending:
    """All of it was paid out, which the broker's own booking alone proves."""
    terms = _terms(action)
    paid = _paid(activities, terms)
    if theirs is not None or not paid:
        shown = "the shares are still there" if theirs else "nothing was paid for them yet"
        return Pending(f"{action}: {shown}")
    ended = applied(terms, position, _NONE, (), action_id=action.action_id, now=now)
    cash = sum((it.amount for it in paid), _NONE)
    return (replace(ended, adjustment=replace(ended.adjustment, cash=cash)),)


def _paid(activities: Iterable[BrokerCashActivity], terms: Terms) -> list[BrokerCashActivity]:
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
