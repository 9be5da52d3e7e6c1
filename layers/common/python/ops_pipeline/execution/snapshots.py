"""Fetches quotes and the broker's account and lists; None where unknown, so that gates refuse."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from ops_pipeline.db.holdings.external import HeldBefore
from ops_pipeline.domain.broker import BrokerAccount, BrokerPosition
from ops_pipeline.domain.cash import last_equity_as_of, net_deposits
from ops_pipeline.domain.holdings.external import besides, day_change, quantities
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import new_york_day
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
# One request each, of a run that has more to ask.
_ASSETS_WITHIN = timedelta(seconds=5)
_SIMULATED = BrokerSnapshot(account=None, deposits=Decimal(0), lists=None, external=Decimal(0))


def market_snapshot(
    market: MarketReader, broker: Broker | None, tickers: Sequence[str], before: HeldBefore
) -> MarketSnapshot:
    """Read account, lists, deposits, asset statuses and quotes, in this order.

    Args:
        broker: None for a SIMULATED account.
        before: What the account held before its first run.
    """
    session = market.session()
    previous = market.previous_session().day
    return MarketSnapshot(
        tickers=tuple(tickers),
        session=session,
        previous_session=previous,
        broker=_SIMULATED if broker is None else _broker_snapshot(market, broker, before),
        tradable={} if broker is None else _tradable(market, broker, tickers),
        quotes=market.quotes(tickers),
    )


def _tradable(market: MarketReader, broker: Broker, tickers: Sequence[str]) -> dict[str, bool]:
    """The broker's word on each; those that are left when it fails or is slow are unknown."""
    found: dict[str, bool] = {}
    began = market.now()
    for ticker in tickers:
        if market.now() - began > _ASSETS_WITHIN:
            market.journal.went_wrong("assets_slow", account=market.account_name, read=len(found))
            break
        try:
            found[ticker] = broker.is_tradable(ticker)
        except BrokerUnavailable as error:
            _note(market, "asset_unknown", error)
            break
    return found


def _broker_snapshot(market: MarketReader, broker: Broker, before: HeldBefore) -> BrokerSnapshot:
    account = _account(market, broker)
    at = market.now()
    held = _positions(market, broker)
    lists = None if held is None else _lists(market, broker, held, before, at)
    deposits = _deposits(market, broker)
    gained = _gained(market, held, before)
    return BrokerSnapshot(account, deposits, lists, gained, before.dividends)


def money_anew(
    market: MarketReader, broker: Broker | None, snapshot: BrokerSnapshot, before: HeldBefore
) -> BrokerSnapshot:
    """The snapshot with account and deposits read again, after an order."""
    if broker is None:
        return snapshot
    account = _account(market, broker)
    gained = snapshot.external
    if before.holdings:
        gained = _gained(market, _positions(market, broker), before)
    deposits = _deposits(market, broker)
    return BrokerSnapshot(account, deposits, snapshot.lists, gained, before.dividends)


def _gained(
    market: MarketReader, held: Listing[BrokerPosition] | None, before: HeldBefore
) -> Decimal | None:
    """What was there before has gained today; None where that is not known."""
    if held is None or (held.illegible and before.holdings):
        return None
    today = new_york_day(market.now())
    return day_change(
        before.holdings, held, before.sold_today, today=today, restated=before.restated
    )


def external_gain(market: MarketReader, broker: Broker, before: HeldBefore) -> Decimal | None:
    """What holdings that are not ours have gained today, USD; None is unknown.

    Ask for it after the account.

    Raises:
        BrokerUnavailable: the positions could not be read.
    """
    return _gained(market, broker.positions(), before)


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


def _positions(market: MarketReader, broker: Broker) -> Listing[BrokerPosition] | None:
    """The broker's positions, or None: the gates that count them refuse."""
    try:
        return broker.positions()
    except BrokerUnavailable as error:
        _note(market, "broker_lists_unknown", error)
        return None


def _lists(
    market: MarketReader,
    broker: Broker,
    held: Listing[BrokerPosition],
    before: HeldBefore,
    at: datetime,
) -> BrokerLists | None:
    """Positions and orders at the broker, or None: the gates that count them refuse."""
    try:
        return read_lists(broker, held, before, at)
    except BrokerUnavailable as error:
        _note(market, "broker_lists_unknown", error)
        return None


def read_lists(
    broker: Broker, held: Listing[BrokerPosition], before: HeldBefore, at: datetime
) -> BrokerLists:
    """Positions, which were just read, and orders at the broker. Raises BrokerUnavailable."""
    since = at - _LOOK_BACK
    orders = broker.orders_since(since)
    resting = broker.resting_orders()
    each = {order.broker_order_id: order for order in (*orders, *resting)}
    traded = [order for order in each.values() if order.is_traded_here]
    illegible = {it.name: it for it in (*orders.illegible, *resting.illegible) if not it.has_ended}
    return BrokerLists(
        at=at,
        positions=_costs(held, before),
        buying=costs_of_resting_buys(traded),
        shorting=costs_of_short_sales(traded, {it.symbol: it.quantity for it in held}),
        sold=frozenset(
            order.client_order_id
            for order in orders
            if order.side == "sell" and order.filled_quantity > 0
        ),
        listed=frozenset(order.client_order_id for order in each.values()),
        since=min((order.submitted_at for order in resting), default=since),
        illegible=(*held.illegible, *illegible.values()),
    )


def _costs(held: Iterable[BrokerPosition], before: HeldBefore) -> dict[str, Decimal]:
    """Cost by symbol of what counts in the limits: all but what was there before."""
    traded = {it.symbol: it for it in held if it.is_traded_here}
    there = {symbol: it.quantity for symbol, it in traded.items()}
    counted = besides(there, {}, quantities(before.holdings))
    return {
        symbol: cost_of(replace(traded[symbol], quantity=quantity))
        for symbol, quantity in counted.items()
    }


def _deposits(market: MarketReader, broker: Broker) -> Decimal | None:
    """The deposits that correct the day's loss, or None: its gate then refuses."""
    try:
        return deposits_today(market, broker)
    except BrokerUnavailable as error:
        _note(market, "deposits_unknown", error)
        return None


def _note(market: MarketReader, event: str, error: BrokerUnavailable) -> None:
    market.journal.went_wrong(event, account=market.account_name, error=str(error))
