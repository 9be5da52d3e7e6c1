"""Counts what was held before the first run anew after a corporate action."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial

from ops_pipeline.db import positions
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import corporate_actions, external
from ops_pipeline.domain.broker import BrokerPosition
from ops_pipeline.domain.corporate.actions import RESTATING, CorporateAction
from ops_pipeline.domain.corporate.shares_shown import is_rounded_up, possible_quantities
from ops_pipeline.domain.holdings.external import ExternalHolding, adjusted
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.holdings.statement import BrokerStatement
from ops_pipeline.execution.isolation import isolated_in, what_failed
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN

_NONE = Decimal(0)


def adjust(tx: Transaction, ctx: AccountContext, statement: BrokerStatement) -> frozenset[str]:
    """Adjust each row that an action concerns, where the broker shows what comes of it.

    Returns the symbols of which one has yet to be settled: what seems to be sold of them is
    nothing that their owner sold.
    """
    there = {it.symbol: it for it in statement.positions}
    ours = {it.symbol for it in positions.held(tx, ctx.name)}
    pending = set()
    for holding in external.all_of(tx, ctx.name):
        if not holding.quantity or holding.asset_class != "us_equity":
            continue
        work = partial(_settled, tx, ctx, holding, there, ours=holding.symbol in ours)
        done = isolated_in(tx, work, passing=STOPS_THE_RUN)
        if isinstance(done, Exception):
            ctx.journal.went_wrong(
                "holding_not_adjusted", symbol=holding.symbol, error=what_failed(done)
            )
        if done is not True:
            pending.add(holding.symbol)
    return frozenset(pending)


def _settled(
    tx: Transaction,
    ctx: AccountContext,
    holding: ExternalHolding,
    there: Mapping[str, BrokerPosition],
    *,
    ours: bool,
) -> bool:
    """Whether nothing is due any more; shares that are in part ours are a person's to count."""
    for action in _due(tx, holding, new_york_day(ctx.now())):
        theirs = there.get(action.symbol_after)
        if ours or theirs is None or not _fits(holding, action, theirs):
            return False
        holding = _adjust_for(tx, ctx, holding, action, theirs.quantity)
    return True


def _fits(holding: ExternalHolding, action: CorporateAction, theirs: BrokerPosition) -> bool:
    """Whether the broker shows what comes of the action."""
    wanted = holding.quantity * action.ratio
    if theirs.quantity in possible_quantities(wanted):
        return theirs.quantity != 0
    cost = holding.quantity * holding.average_cost
    return is_rounded_up(
        wanted, theirs.quantity, cost, theirs.quantity * theirs.average_entry_price
    )


def _due(tx: Transaction, holding: ExternalHolding, today: date) -> Sequence[CorporateAction]:
    first = new_york_day(holding.found_at)
    known = corporate_actions.in_force(tx, [holding.symbol], first=first, last=today)
    done = external.adjusted_for(tx, holding.account_name, holding.symbol)
    return [
        it
        for it in known
        if it.kind in RESTATING
        and it.is_understood
        and it.effective_on > first
        and it.action_id not in done
    ]


def _adjust_for(
    tx: Transaction,
    ctx: AccountContext,
    holding: ExternalHolding,
    action: CorporateAction,
    held: Decimal,
) -> ExternalHolding:
    now = ctx.now()
    after = adjusted(holding, held, action.ratio)
    if action.new_symbol is not None:
        ended = replace(
            holding,
            quantity=_NONE,
            less_quantity=None,
            less_since=None,
            ended_at=now,
            end_kind="renamed",
        )
        external.save(tx, ended)
        after = replace(after, symbol=action.new_symbol)
    external.save(tx, after)
    external.add_event(
        tx,
        holding,
        after,
        "adjusted",
        price=None,
        day_change=None,
        now=now,
        action_id=action.action_id,
    )
    ctx.journal.happened(
        "holding_adjusted", account=ctx.name, symbol=after.symbol, quantity=str(held)
    )
    return after
