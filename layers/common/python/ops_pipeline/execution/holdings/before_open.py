"""Looks for corporate actions in the guard's runs before the open, the last to re-arm a stop.

The morning's comparison is of 08:30. What the broker booked since is counted by the same two words.
Where one of them is missing the market's price of today may lower a stop, and does nothing else.
"""

import math
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import partial

from ops_pipeline.db import positions
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import corporate_actions as rows
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.corporate.adjustments import decidable
from ops_pipeline.domain.corporate.shares_shown import (
    is_split_like,
    prices_told,
    rates_shown,
    says_market,
)
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.orders import WATCHED_FOR
from ops_pipeline.execution import adoption
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.exit_orders import ExitOrders
from ops_pipeline.execution.holdings import corporate_actions
from ops_pipeline.execution.holdings.statement import BrokerStatement, ledger_symbols
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.execution.market_reader import MarketReader
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN, OrderGateway

_ONE = Decimal(1)


def count_anew(
    ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway, market: MarketReader
) -> list[str]:
    """Adjust what the broker counts otherwise than the ledger, as the reconciler would.

    One request where both agree. Returns what could not be done, by position.

    Raises:
        BrokerUnavailable: its lists could not be read; nothing was changed.
    """
    broker = gateway.broker
    if broker is None or not _is_before_open(market):
        return []
    with db.transaction() as tx:
        before = ledger_symbols(tx, ctx.name)
    if not before.held:
        return []
    asked_at, since = ctx.now(), ctx.now() - WATCHED_FOR
    there = broker.positions()
    with db.transaction() as tx:
        if not corporate_actions.wants_activities(tx, ctx, there):
            return []
    statement = BrokerStatement(
        asked_at=asked_at,
        since=since,
        before=before,
        positions=there,
        orders=Listing(()),
        fills=broker.fills_since(since),
        positions_again=broker.positions(),
        activities=corporate_actions.activities_told(ctx, broker, since),
    )
    with db.transaction() as tx:
        return list(adoption.count_anew(tx, ctx, gateway, statement))


def _is_before_open(market: MarketReader) -> bool:
    session = market.session()
    return session is not None and market.now() < session.opens_at


def lower_stops(
    ctx: AccountContext, db: UnitsOfWork, market: MarketReader, exit_orders: ExitOrders
) -> list[str]:
    """Lower each stop that would sell at the open only because a split is not counted yet.

    The market has to say so too: its prices of today are those of the new shares. Returns the
    failures, by position.
    """
    if not _is_before_open(market):
        return []
    with db.transaction() as tx:
        held_back = rows.holds(tx, ctx.name)
        held = [it for it in positions.held(tx, ctx.name) if it.symbol in held_back]
    failures = []
    for position in _open_stock(held):
        lower = partial(_lower, ctx, db, market, exit_orders, position)
        done = isolated(lower, passing=STOPS_THE_RUN)
        if isinstance(done, Exception):
            failures.append(f"{position.symbol}: stop not lowered: {what_failed(done)}")
    return failures


def _open_stock(held: Iterable[Position]) -> list[Position]:
    return [it for it in held if it.instrument_type == "STOCK" and it.status == "open"]


def _lower(
    ctx: AccountContext,
    db: UnitsOfWork,
    market: MarketReader,
    exit_orders: ExitOrders,
    position: Position,
) -> None:
    today = new_york_day(ctx.now())
    with db.transaction() as tx:
        ratio = _announced(tx, position, today)
    if ratio is None:
        ratio = _shown(exit_orders, position)
    if ratio is None or position.stop_loss is None:
        return
    prices = prices_told(market.quotes([position.symbol]), position.symbol, today)
    if says_market(position, ratio, prices) and exit_orders.lower_stop(
        position, position.stop_loss / ratio
    ):
        ctx.journal.happened(
            "stop_lowered", account=ctx.name, symbol=position.symbol, ratio=str(ratio)
        )


def _announced(tx: Transaction, position: Position, today: date) -> Decimal | None:
    """New shares for an old one by what is due; None: nothing is, or not all is understood."""
    due, unclear = decidable(corporate_actions.due(tx, position, today))
    if not due or unclear is not None:
        return None
    return math.prod((it.ratio for it in due), start=_ONE)


def _shown(exit_orders: ExitOrders, position: Position) -> Decimal | None:
    """New shares for an old one by the broker's count; None: it is not as after a split."""
    theirs = exit_orders.shares.of(position)
    if theirs.cost is None or not is_split_like(position, theirs.held, theirs.cost):
        return None
    rates = rates_shown(position, theirs.held, theirs.cost)
    return None if rates is None else rates[1] / rates[0]
