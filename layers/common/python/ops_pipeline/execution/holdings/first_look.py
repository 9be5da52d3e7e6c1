"""Finds out once what an account held before its first run, before anything is entered in it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from ops_pipeline.db import bindings, facts, orders, positions
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import external as rows
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.holdings import external, first_look
from ops_pipeline.domain.holdings.external import ExternalHolding
from ops_pipeline.domain.holdings.first_look import FirstLook, FirstReading
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.ports import Broker

# No position of ours lives longer, and a stop that rests good till cancelled ends after 90 days.
_OLDEST = timedelta(days=91)
_LATELY = timedelta(minutes=10)


def read(ctx: AccountContext, db: UnitsOfWork, broker: Broker | None) -> FirstLook | None:
    """What the broker holds that is none of ours; None where that is known already.

    Raises:
        BrokerUnavailable: a list could not be read.
    """
    if broker is None:
        return None
    with db.transaction() as tx:
        if rows.looked_at(tx, ctx.name) is not None:
            return None
        held = {it.symbol: it.quantity for it in positions.held(tx, ctx.name)}
        live = orders.live(tx, ctx.name)
        moving = {it.symbol for it in live if it.purpose in ("entry", "exit")}
        moving |= orders.settled_since(tx, ctx.name, ctx.now() - _LATELY).keys()
    at = ctx.now()
    there = broker.positions()
    reading = FirstReading(
        at=at,
        positions=there,
        orders=broker.orders_since(at - _OLDEST),
        positions_again=broker.positions(),
        held=held,
        moving=moving,
    )
    return first_look.look(reading, ctx.own_order)


def save(tx: Transaction, ctx: AccountContext, look: FirstLook | None) -> None:
    """Store what was found, under the account's row lock; a row that is held stays as it is."""
    if look is None:
        return
    known = {it.symbol: it for it in rows.all_of(tx, ctx.name)}
    if look.complete:
        rows.keep_look(tx, ctx.name, looked_at=look.at, tick=ctx.tick)
        for holding in _of_another_number(tx, ctx, list(known.values())):
            known[holding.symbol] = _rebound(tx, holding, look)
    for theirs, quantity in look.external.items():
        before = known.get(theirs.symbol)
        if before is not None and before.quantity:
            continue
        holding = external.found(ctx.name, theirs, quantity, at=look.at, tick=ctx.tick)
        rows.save(tx, holding)
        rows.add_event(tx, None, holding, "found", price=theirs.price, day_change=None, now=look.at)
        ctx.journal.happened(
            "holding_left_alone", account=ctx.name, symbol=theirs.symbol, quantity=str(quantity)
        )


def _of_another_number(
    tx: Transaction, ctx: AccountContext, holdings: Sequence[ExternalHolding]
) -> list[ExternalHolding]:
    """Those that were found before the account was bound to its present number."""
    bound_at = bindings.bound_at(tx, ctx.name)
    return [it for it in holdings if it.quantity and bound_at and it.found_at < bound_at]


def _rebound(tx: Transaction, holding: ExternalHolding, look: FirstLook) -> ExternalHolding:
    after = replace(
        holding,
        quantity=Decimal(0),
        less_quantity=None,
        less_since=None,
        ended_at=look.at,
        end_kind="rebound",
    )
    rows.save(tx, after)
    rows.add_event(tx, holding, after, "rebound", price=None, day_change=None, now=look.at)
    return after


def take(ctx: AccountContext, db: UnitsOfWork, broker: Broker | None) -> list[str]:
    """Look, if that is due; returns why it could not be, or is not over."""
    try:
        look = read(ctx, db, broker)
    except BrokerUnavailable as error:
        ctx.journal.went_wrong("first_look_failed", account=ctx.name, error=str(error))
        return [f"what was held before is not known: {error}"]
    if look is None:
        return []
    with db.transaction() as tx:
        facts.lock_account(tx, ctx.name)
        save(tx, ctx, look)
    if look.complete:
        return []
    ctx.journal.went_wrong(
        "first_look_incomplete", account=ctx.name, symbols=sorted(look.undecided)
    )
    return []
