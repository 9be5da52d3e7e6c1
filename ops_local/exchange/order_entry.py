"""Order entry: accepts, cancels and replaces orders, or refuses them with a reason."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from ops_local.exchange.margin import held_for_sale
from ops_local.exchange.matching import far_side
from ops_local.exchange.records import ExchangeOrder
from ops_local.exchange.refusals import (
    bad_parameter,
    insufficient_buying_power,
    insufficient_qty,
    not_found,
    unprocessable,
    wash_trade,
)
from ops_local.exchange.sessions import coming_session, session_on_or_before
from ops_local.exchange.settlement import Settlement
from ops_local.exchange.storage.store import Store
from ops_local.exchange.tape import Tape
from ops_local.exchange.tickets import Amendment, Ticket
from ops_local.exchange.valuation import Valuation
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import new_york_day

# Alpaca expires a good-till-canceled order after this long.
GTC_LASTS = timedelta(days=90)


class OrderEntry:
    """Every method runs in the caller's transaction and raises ApiRefusal to refuse."""

    def __init__(
        self, store: Store, tape: Tape, valuation: Valuation, settlement: Settlement
    ) -> None:
        self._store = store
        self._tape = tape
        self._valuation = valuation
        self._settlement = settlement

    def place(self, account_number: str, ticket: Ticket, now: datetime) -> ExchangeOrder:
        """Accept an order and try to fill it at once; return it as it was before that."""
        if ticket.symbol not in self._tape.tickers:
            raise unprocessable(f'asset "{ticket.symbol}" not found')
        order = self._order(account_number, ticket, now)
        if self._store.order_by_client_id(account_number, order.client_order_id) is not None:
            raise bad_parameter("client_order_id must be unique")
        self._refuse_wash_trade(order)
        if order.side == "sell":
            self._require_shares(order)
        else:
            self._require_buying_power(order, now)
        self._store.save(order)
        self._settlement.try_fill(order, now)
        return order

    def find(self, account_number: str, order_id: str) -> ExchangeOrder:
        order = self._store.order(account_number, order_id)
        if order is None:
            raise not_found(f"order not found for {order_id}")
        return order

    def find_by_client_id(self, account_number: str, client_order_id: str) -> ExchangeOrder:
        order = self._store.order_by_client_id(account_number, client_order_id)
        if order is None:
            raise not_found(f"order not found for {client_order_id}")
        return order

    def cancel(self, account_number: str, order_id: str, now: datetime) -> ExchangeOrder:
        order = self.find(account_number, order_id)
        if not order.live:
            raise unprocessable(f'order is already in "{order.status}" state')
        canceled = replace(order, status="canceled", canceled_at=now, updated_at=now)
        self._store.save(canceled)
        return canceled

    def cancel_all(self, account_number: str, now: datetime) -> list[ExchangeOrder]:
        live = self._store.live_orders(account_number)
        return [self.cancel(account_number, order.order_id, now) for order in live]

    def replace(
        self, account_number: str, order_id: str, amendment: Amendment, now: datetime
    ) -> ExchangeOrder:
        """End an order and accept a new one in its place, with its own id.

        Without a new quantity the new order is for what the old one had left.
        """
        old = self.find(account_number, order_id)
        if old.status == "accepted":
            raise unprocessable("unable to replace order, order isn't sent to exchange yet")
        if not old.live:
            raise unprocessable(f'order is already in "{old.status}" state')
        # Ended first, so that its reservations do not count against its replacement.
        ended = replace(old, status="replaced", replaced_at=now, updated_at=now)
        self._store.save(ended)
        new = self.place(account_number, _amended(old, amendment), now)
        self._store.save(replace(ended, replaced_by=new.order_id))
        return new

    def _order(self, account_number: str, ticket: Ticket, now: datetime) -> ExchangeOrder:
        session = coming_session(now)
        number = self._store.next_order_number(account_number)
        client_order_id = ticket.client_order_id or str(
            stable_uuid("client order", account_number, number)
        )
        last_day = new_york_day(now + GTC_LASTS)
        last = session if ticket.time_in_force == "day" else session_on_or_before(last_day)
        return ExchangeOrder(
            order_id=str(stable_uuid("order", account_number, client_order_id)),
            account_number=account_number,
            number=number,
            client_order_id=client_order_id,
            symbol=ticket.symbol,
            side=ticket.side,
            order_type=ticket.order_type,
            time_in_force=ticket.time_in_force,
            qty=ticket.qty,
            limit_price=ticket.limit_price,
            stop_price=ticket.stop_price,
            reserve_price=self._reserve_price(ticket, now),
            position_intent=ticket.position_intent,
            status="new" if session.is_open(now) else "accepted",
            submitted_at=now,
            updated_at=now,
            expires_at=last.closes_at,
            replaces=ticket.replaces,
        )

    def _reserve_price(self, ticket: Ticket, now: datetime) -> Decimal:
        """The most one share may cost: the limit, else the stop or the quote's far side."""
        if ticket.side == "sell":
            return Decimal(0)
        if ticket.limit_price is not None:
            return ticket.limit_price
        quote = self._tape.last_quote(ticket.symbol, now)
        if quote is not None and quote.usable:
            price: Decimal | None = far_side("buy", quote)[0]
        else:
            price = self._valuation.known_price(ticket.symbol, now)
        if ticket.stop_price is not None:
            return max(ticket.stop_price, price or ticket.stop_price)
        if price is None:
            raise unprocessable(f"no market price of {ticket.symbol} is known: use a limit order")
        return price

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


def _amended(old: ExchangeOrder, amendment: Amendment) -> Ticket:
    if (amendment.limit_price is not None) > (old.limit_price is not None):
        raise bad_parameter(f"{old.order_type} orders must not have a limit price")
    if (amendment.stop_price is not None) > (old.stop_price is not None):
        raise bad_parameter(f"{old.order_type} orders must not have a stop price")
    return Ticket(
        symbol=old.symbol,
        side=old.side,
        order_type=old.order_type,
        time_in_force=amendment.time_in_force or old.time_in_force,
        qty=amendment.qty or old.remaining,
        limit_price=amendment.limit_price or old.limit_price,
        stop_price=amendment.stop_price or old.stop_price,
        client_order_id=amendment.client_order_id,
        position_intent=old.position_intent,
        replaces=old.order_id,
    )
