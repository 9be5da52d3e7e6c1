"""What an order has to pass before it is accepted; each refusal in Alpaca's words."""

from datetime import datetime, timedelta

from ops_local.exchange.margin import held_for_sale
from ops_local.exchange.market.sessions import coming_session, session_of
from ops_local.exchange.market.tape import Tape
from ops_local.exchange.orders.matching import is_triggered
from ops_local.exchange.records import ExchangeOrder
from ops_local.exchange.refusals import (
    bad_parameter,
    insufficient_buying_power,
    insufficient_qty,
    not_authorized_to_trade,
    suspended_by_user,
    unprocessable,
    wash_trade,
)
from ops_local.exchange.storage.store import Store
from ops_local.exchange.valuation import Valuation
from ops_pipeline.domain.market import new_york_day, new_york_time

# Auction orders are refused from shortly before their auction until the evening, 19:00.
_BEFORE_OPEN = timedelta(minutes=2)
_BEFORE_CLOSE = timedelta(minutes=10)
_EVENING_HOUR = 19
_DUPLICATE_ID = {
    "must_be_unique": "client_order_id must be unique",
    "already_exists": "client order id already exists",
}


class OrderChecks:
    """Each method returns nothing, or raises ApiRefusal."""

    def __init__(self, store: Store, tape: Tape, valuation: Valuation) -> None:
        self._store = store
        self._tape = tape
        self._valuation = valuation

    def symbol(self, symbol: str) -> None:
        """The asset is known and can be traded."""
        if symbol not in self._tape.tickers and symbol not in self._store.transferred_symbols():
            raise unprocessable(f'asset "{symbol}" not found')
        condition = self._store.asset_condition(symbol)
        if condition.status != "active":
            raise unprocessable(f"asset {symbol} is not active")
        if not condition.tradable:
            raise unprocessable(f"asset {symbol} is not tradable")

    def account(self, account_number: str) -> None:
        """The account may place orders."""
        condition = self._store.account_condition(account_number)
        if not condition.may_trade:
            raise not_authorized_to_trade()
        if condition.trade_suspended_by_user:
            raise suspended_by_user()

    def account_activity(self, account_number: str) -> None:
        """The account may do anything at all, cancel orders included."""
        if self._store.account_condition(account_number).account_blocked:
            raise not_authorized_to_trade()

    def order(self, order: ExchangeOrder, now: datetime) -> None:
        """The order itself fits the account, the market and the account's other orders."""
        if self._store.order_by_client_id(order.account_number, order.client_order_id) is not None:
            raise bad_parameter(_DUPLICATE_ID[self._store.behaviour("duplicate_client_order_id")])
        _require_time(order, now)
        self._refuse_wash_trade(order)
        if order.side == "sell":
            self._require_shares(order)
        else:
            self._require_buying_power(order, now)

    def is_through_the_market(self, order: ExchangeOrder, now: datetime) -> bool:
        """Whether a stop order would trigger at once."""
        session = coming_session(now)
        quote = self._tape.tradable_quote(order.symbol, now, session)
        if order.stop_price is None or quote is None or not session.is_open(now):
            return False
        return is_triggered(order, quote)

    def _refuse_wash_trade(self, order: ExchangeOrder) -> None:
        for other in self._store.live_orders(order.account_number):
            if other.symbol == order.symbol and other.side != order.side:
                raise wash_trade(other.order_id, other.order_type)

    def _require_shares(self, order: ExchangeOrder) -> None:
        live = self._store.live_orders(order.account_number)
        held = held_for_sale(live, order.symbol)
        holding = self._store.holding(order.account_number, order.symbol)
        existing = 0 if holding is None else holding.qty
        if order.qty > existing - held:
            related = [o.order_id for o in live if o.symbol == order.symbol and o.side == "sell"]
            raise insufficient_qty(
                order.symbol, requested=order.qty, existing=existing, held=held, related=related
            )

    def _require_buying_power(self, order: ExchangeOrder, now: datetime) -> None:
        available = self._valuation.balances(order.account_number, now).buying_power
        if order.reserved > available:
            raise insufficient_buying_power(available, order.reserved)


def _require_time(order: ExchangeOrder, now: datetime) -> None:
    """Orders for at once need an open session; auction orders must not come too late."""
    today = session_of(new_york_day(now))
    if today is None:
        is_open, evening = False, now
    else:
        is_open, evening = today.is_open(now), new_york_time(today.day, _EVENING_HOUR)
    match order.time_in_force:
        case "ioc" | "fok" if not is_open:
            raise unprocessable(f"{order.time_in_force} orders are only accepted in market hours")
        case "opg" if today and today.opens_at - _BEFORE_OPEN <= now < evening:
            raise unprocessable("opg orders are not accepted between 9:28am and 7:00pm")
        case "cls" if today and today.closes_at - _BEFORE_CLOSE <= now < evening:
            raise unprocessable("cls orders are not accepted between 3:50pm and 7:00pm")
