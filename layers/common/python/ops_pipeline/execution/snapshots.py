"""Fetches quotes and the broker's account and lists; None where unknown, so that gates refuse."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.cash import last_equity_as_of, net_deposits
from ops_pipeline.domain.snapshots import BrokerLists, BrokerSnapshot, MarketSnapshot
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.execution.decisions.exposure import (
    cost_of,
    costs_of_resting_buys,
    costs_of_short_sales,
)
from ops_pipeline.execution.market_reader import MarketReader
from ops_pipeline.ports import Broker

# Of what has ended only the newest counts; what rests is asked for whatever its age.
_LOOK_BACK = timedelta(days=4)
_SIMULATED = BrokerSnapshot(account=None, deposits=Decimal(0), lists=None)


def market_snapshot(
    market: MarketReader, broker: Broker | None, tickers: Sequence[str]
) -> MarketSnapshot:
    """Read account, lists, deposits and quotes, in this order.

    Args:
        broker: None for a SIMULATED account.
    """
    session = market.session()
    previous = market.previous_session().day
    return MarketSnapshot(
        tickers=tuple(tickers),
        session=session,
        previous_session=previous,
        broker=_SIMULATED if broker is None else _broker_snapshot(market, broker),
        quotes=market.quotes(tickers),
    )


def _broker_snapshot(market: MarketReader, broker: Broker) -> BrokerSnapshot:
    account = _account(market, broker)
    lists = _lists(market, broker)
    return BrokerSnapshot(account, _deposits(market, broker), lists)


def money_anew(
    market: MarketReader, broker: Broker | None, before: BrokerSnapshot
) -> BrokerSnapshot:
    """The snapshot with account and deposits read again, after an order."""
    if broker is None:
        return before
    account = _account(market, broker)
    return BrokerSnapshot(account, _deposits(market, broker), before.lists)


def deposits_today(market: MarketReader, broker: Broker) -> Decimal | None:
    """Net deposits since the broker took the account's last equity, USD; None is unknown.

    Ask for it after the account: a deposit that its equity shows is then listed.

    Raises:
        BrokerUnavailable: the activities, or one of them, could not be read.
    """
    since = last_equity_as_of(market.previous_session())
    activities = broker.cash_activities_since(since)
    if activities.illegible:
        raise BrokerUnavailable(f"deposits unknown: {activities.illegible[0]}")
    return net_deposits(activities)


def _account(market: MarketReader, broker: Broker) -> BrokerAccount | None:
    """The broker's account, or None: the gates that need it then refuse."""
    try:
        return broker.account()
    except BrokerUnavailable as error:
        _note(market, "broker_account_unknown", error)
        return None


def _lists(market: MarketReader, broker: Broker) -> BrokerLists | None:
    """Positions and orders at the broker, or None: the gates that count them refuse."""
    at = market.now()
    try:
        return read_lists(broker, at)
    except BrokerUnavailable as error:
        _note(market, "broker_lists_unknown", error)
        return None


def read_lists(broker: Broker, at: datetime) -> BrokerLists:
    """Positions and orders at the broker. Raises BrokerUnavailable."""
    held = broker.positions()
    since = at - _LOOK_BACK
    orders = broker.orders_since(since)
    resting = broker.resting_orders()
    each = {order.broker_order_id: order for order in (*orders, *resting)}
    illegible = {it.name: it for it in (*orders.illegible, *resting.illegible) if not it.has_ended}
    return BrokerLists(
        at=at,
        positions={position.symbol: cost_of(position) for position in held},
        buying=costs_of_resting_buys(each.values()),
        shorting=costs_of_short_sales(each.values(), {it.symbol: it.quantity for it in held}),
        sold=frozenset(
            order.client_order_id
            for order in orders
            if order.side == "sell" and order.filled_quantity > 0
        ),
        listed=frozenset(order.client_order_id for order in each.values()),
        since=min((order.submitted_at for order in resting), default=since),
        illegible=(*held.illegible, *illegible.values()),
    )


def _deposits(market: MarketReader, broker: Broker) -> Decimal | None:
    """The deposits that correct the day's loss, or None: its gate then refuses."""
    try:
        return deposits_today(market, broker)
    except BrokerUnavailable as error:
        _note(market, "deposits_unknown", error)
        return None


def _note(market: MarketReader, event: str, error: BrokerUnavailable) -> None:
    market.journal.went_wrong(event, account=market.account_name, error=str(error))
