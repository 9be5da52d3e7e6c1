"""What became of an order nobody knows the outcome of: asked for before anything new is done.

Found: settled. Not found for sure: sent again under the same id while it is still wanted,
which the broker refuses if it holds it after all; else closed as not placed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from pg8000.exceptions import DatabaseError

from ops_pipeline.db import accounts, dispatch, orders, positions
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.market import Quote, new_york_day
from ops_pipeline.domain.orders import UNSETTLED, Order, disagreement
from ops_pipeline.domain.resending import Market, entry_is_fresh, sale_is_wanted
from ops_pipeline.errors import MarketDataUnavailable, OpsError
from ops_pipeline.execution import sending, unresolved_orders
from ops_pipeline.execution.entry_facts import halted_by
from ops_pipeline.execution.sending import STOPS_THE_RUN, AccountContext
from ops_pipeline.execution.settlement import ExecutionReport
from ops_pipeline.ports import Broker, Calendar, MarketData

# A look-up that finds nothing proves little: the broker may list an order late.
_SURE_AFTER = timedelta(seconds=60)
_LISTED_SINCE = timedelta(minutes=10)
# An outcome that is unknown for longer than this is a person's business too.
_UNKNOWN_FOR = timedelta(minutes=2)

MarketOf = Callable[[str], Market]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is still unknown after asking: it blocks all entries, or one position's exits."""

    entries_blocked: bool
    blocked_positions: frozenset[UUID]
    settled: int


NOTHING = Recovery(False, frozenset(), 0)


def recover(ctx: AccountContext, *, market_data: MarketData, calendar: Calendar) -> Recovery:
    """Ask for every order whose outcome is unknown, before anything new is done.

    One that can't be settled stays unknown and has an alert; it does not keep the others.
    """
    with ctx.db.transaction() as tx:
        unsettled = [order for order in orders.live(tx, ctx.name) if order.status in UNSETTLED]

    def market(symbol: str) -> Market:
        now = ctx.clock.now()
        session = calendar.session(new_york_day(now))
        return Market(now=now, session=session, quote=_quote(ctx, market_data, symbol))

    still = [order for order in unsettled if not _resolved(ctx, order, market)]
    return Recovery(
        entries_blocked=any(order.purpose == "entry" for order in still),
        blocked_positions=frozenset(
            order.position_id for order in still if order.position_id is not None
        ),
        settled=len(unsettled) - len(still),
    )


def _quote(ctx: AccountContext, market_data: MarketData, symbol: str) -> Quote | None:
    try:
        return market_data.quotes([symbol]).get(symbol)
    except MarketDataUnavailable as error:
        ctx.journal.went_wrong("quotes_unknown", account=ctx.name, error=str(error))
        return None


def _resolved(ctx: AccountContext, order: Order, market: MarketOf) -> bool:
    try:
        settled = _resolve(ctx, order, market)
    except STOPS_THE_RUN:
        raise
    except (OpsError, DatabaseError) as error:
        ctx.journal.went_wrong(
            "order_not_looked_up",
            order=order.client_order_id,
            error=type(error).__name__,
            message=str(error),
        )
        settled = False
    if settled or ctx.clock.now() - order.decided_at > _UNKNOWN_FOR:
        unresolved_orders.alert_unknown(ctx, order, settled=settled)
    return settled


def _resolve(ctx: AccountContext, order: Order, market: MarketOf) -> bool:
    """Settle one unknown order by looking it up; False while it stays unknown."""
    if ctx.broker is None:
        return _send_again(ctx, order, market(order.symbol))
    found = ctx.broker.order_by_client_id(order.client_order_id)
    if found is None and _may_be_sure(ctx, order):
        found = _listed(ctx.broker, order)
        if found is None:
            return _send_again(ctx, order, market(order.symbol))
    if found is None:
        unresolved_orders.note_miss(ctx, order)
        return False
    return _settle(ctx, order, found)


def _settle(ctx: AccountContext, order: Order, found: BrokerOrder) -> bool:
    why = disagreement(order, found)
    if why is not None:
        unresolved_orders.alert_disagreement(ctx, order, why)
        return False
    with ctx.db.transaction() as tx:
        after = ctx.settle(tx, order.client_order_id, ExecutionReport(found=found))
    ctx.journal.happened("order_recovered", order=order.client_order_id, status=found.raw_status)
    return after.status not in UNSETTLED


def _may_be_sure(ctx: AccountContext, order: Order) -> bool:
    """Whether this miss, with absence from the list of all orders, means "not placed"."""
    if ctx.read_after_write:
        return True
    return order.missed_at is not None and ctx.clock.now() - order.missed_at >= _SURE_AFTER


def _listed(broker: Broker, order: Order) -> BrokerOrder | None:
    listed = broker.orders_since(order.decided_at - _LISTED_SINCE)
    return next((o for o in listed if o.client_order_id == order.client_order_id), None)


def _send_again(ctx: AccountContext, order: Order, market: Market) -> bool:
    """The broker never had it: send it again while it is wanted, else give it up."""
    if not _still_wanted(ctx, order, market):
        sending.close(ctx, order, "not_placed", "The broker never had it")
        return True
    ctx.journal.happened("order_sent_again", order=order.client_order_id)
    if sending.send(ctx, order, market.quote) not in UNSETTLED:
        return True
    # "Must be unique" means that it was placed in the meantime.
    found = ctx.broker.order_by_client_id(order.client_order_id) if ctx.broker else None
    return found is not None and _settle(ctx, order, found)


def _still_wanted(ctx: AccountContext, order: Order, market: Market) -> bool:
    with ctx.db.transaction() as tx:
        if order.position_id is not None:
            position = positions.lock(tx, order.position_id)
            return sale_is_wanted(order, position, market, ctx.rules.gates)
        if order.purpose != "entry" or order.recommendation_id is None:
            return False
        recommendation = dispatch.lock(tx, order.recommendation_id)
        halts = halted_by(accounts.load(tx, ctx.name), new_york_day(market.now))
    return entry_is_fresh(
        order,
        market,
        ctx.rules.gates,
        recommended_at=recommendation.created_at,
        halted=bool(halts),
    )
