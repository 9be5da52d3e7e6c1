"""What a corporate action does to what is held: decided by the action and the broker's word.

Neither counts alone. An announcement that the broker's positions do not bear out decides
nothing, and shares at the broker that no action and no activity explain are nobody's to book.

Its steps have modules of their own; what others use of them is imported from here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from ops_pipeline.domain.broker import BrokerCashActivity, BrokerPosition
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.corporate.applying import applied, payments
from ops_pipeline.domain.corporate.due_actions import concerns, decidable, due, is_done
from ops_pipeline.domain.corporate.later_cash import awaited, cash_is_told, paid_later
from ops_pipeline.domain.corporate.restated import has_restated_terms, is_restated
from ops_pipeline.domain.corporate.shares_shown import (
    COST_WITHIN,
    is_rounded_up,
    is_split_like,
    possible_quantities,
    rates_shown,
)
from ops_pipeline.domain.corporate.terms import Adjustment, Application, Pending, Terms, terms_of
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.market import new_york_day

__all__ = [
    "Adjustment",
    "Application",
    "Pending",
    "Terms",
    "applied",
    "awaited",
    "by_announcement",
    "cash_is_told",
    "concerns",
    "decidable",
    "due",
    "has_restated_terms",
    "is_done",
    "is_of_before",
    "is_restated",
    "judge",
    "judge_activity",
    "paid_later",
]

_NONE, _ONE = Decimal(0), Decimal(1)


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
    terms = terms_of(action)
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
    terms = terms_of(action)
    wanted = position.quantity * terms.ratio
    there = theirs.get(action.symbol_after)
    held = _NONE if there is None else there.quantity
    cost = position.quantity * position.entry_price
    fits = held in possible_quantities(wanted)
    if there is not None and not fits:
        fits = is_rounded_up(wanted, held, cost, held * there.average_entry_price)
    if not fits or (held == 0 and not payments(activities, terms)):
        shown = f"{held:f} {action.symbol_after}"
        return Pending(f"{action}: of {position.quantity:f} held here the broker shows {shown}")
    return applied(terms, position, held, activities, action_id=action.action_id, now=now)


def _ended(
    action: CorporateAction,
    position: Position,
    theirs: BrokerPosition | None,
    activities: Sequence[BrokerCashActivity],
    now: datetime,
) -> tuple[Application, ...] | Pending:
    """All of it was paid out, which the broker's own booking alone proves."""
    terms = terms_of(action)
    paid = payments(activities, terms)
    if theirs is not None or not paid:
        shown = "the shares are still there" if theirs else "nothing was paid for them yet"
        return Pending(f"{action}: {shown}")
    ended = applied(terms, position, _NONE, (), action_id=action.action_id, now=now)
    cash = sum((it.amount for it in paid), _NONE)
    return (replace(ended, adjustment=replace(ended.adjustment, cash=cash)),)


def by_announcement(
    actions: Sequence[CorporateAction], position: Position, *, now: datetime, whole: bool = False
) -> tuple[Application, ...]:
    """Adjust a position for what is due and understood, where no broker's positions can be asked.

    Args:
        whole: What is over whole shares is paid out, in cash that is not told.
    """
    done: list[Application] = []
    for action in actions:
        terms = terms_of(action)
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
