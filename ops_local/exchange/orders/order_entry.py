"""Order entry: accepts, cancels and replaces orders, or refuses them with a reason."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from ops_local.exchange.faults.order_faults import OrderFaultKind
from ops_local.exchange.market.sessions import coming_session, session_on_or_before
from ops_local.exchange.market.tape import Tape
from ops_local.exchange.orders.matching import far_side
from ops_local.exchange.orders.order_checks import OrderChecks
from ops_local.exchange.orders.order_events import OrderEvents
from ops_local.exchange.orders.settlement import Settlement
from ops_local.exchange.orders.tickets import Amendment, Ticket
from ops_local.exchange.records import ExchangeOrder
from ops_local.exchange.refusals import bad_parameter, not_found, unprocessable
from ops_local.exchange.storage.store import Store
from ops_local.exchange.valuation import Valuation
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import new_york_day

# Alpaca expires a good-till-canceled order after this long.
GTC_LASTS = timedelta(days=90)

DrawFaults = Callable[[ExchangeOrder], Iterable[OrderFaultKind]]


class OrderEntry:
    """Every method runs in the caller's transaction and raises ApiRefusal to refuse."""

    def __init__(
        self,
        store: Store,
        tape: Tape,
        valuation: Valuation,
        settlement: Settlement,
        events: OrderEvents,
    ) -> None:
        self._store = store
        self._tape = tape
        self._valuation = valuation
        self._settlement = settlement
        self._events = events
        self._checks = OrderChecks(store, tape, valuation)

    def place(
        self,
        account_number: str,
        ticket: Ticket,
        now: datetime,
        faults: DrawFaults = lambda _: (),
    ) -> ExchangeOrder:
        """Accept an order and try to fill it at once; return it as it was before that.

        Args:
            faults: Draws the faults of the order once it is accepted.
        """
        self._checks.symbol(ticket.symbol)
        self._checks.account(account_number)
        order = self._order(account_number, ticket, now)
        self._checks.order(order, now)
        through = self._through_the_market(order, now)
        if through == "refuse":
            word = "less" if order.side == "sell" else "greater"
            raise unprocessable(f"stop price must be {word} than current price")
        self._store.save(order)
        kinds = set(faults(order))
        self._events.mark(order, kinds, now)
        if through == "reject" or "rejected_by_venue" in kinds:
            self._events.end(order, "rejected", now)
        else:
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
        self._checks.account_activity(account_number)
        order = self.find(account_number, order_id)
        if not order.live:
            raise unprocessable(f'order is already in "{order.status}" state')
        return self._events.end(order, "canceled", now)

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

    def _through_the_market(self, order: ExchangeOrder, now: datetime) -> str:
        """What is done with a stop order that would trigger at once; "" with any other."""
        through = self._checks.is_through_the_market(order, now)
        return self._store.behaviour("stop_through_market") if through else ""

    def _order(self, account_number: str, ticket: Ticket, now: datetime) -> ExchangeOrder:
        session = coming_session(now)
        number = self._store.next_order_number(account_number)
        client_order_id = ticket.client_order_id or str(
            stable_uuid("client order", account_number, number)
        )
        last_day = new_york_day(now + GTC_LASTS)
        last = session_on_or_before(last_day) if ticket.time_in_force == "gtc" else session
        return ExchangeOrder(
            order_id=self._order_id(account_number, client_order_id),
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
            trail_price=ticket.trail_price,
            trail_percent=ticket.trail_percent,
        )

    def _order_id(self, account_number: str, client_order_id: str) -> str:
        """From the client's id; one that is sent again after its order vanished gets another."""
        vanished = self._store.times_vanished(account_number, client_order_id)
        again = (vanished,) if vanished else ()
        return str(stable_uuid("order", account_number, client_order_id, *again))

    def _reserve_price(self, ticket: Ticket, now: datetime) -> Decimal:
        """The most one share may cost: the limit, else the stop or the quote's far side."""
        if ticket.side == "sell":
            return Decimal(0)
        if ticket.limit_price is not None:
            return ticket.limit_price
        quote = self._tape.plausible_quote(ticket.symbol, now, None)
        if quote is not None:
            price: Decimal | None = far_side("buy", quote)[0]
        else:
            price = self._valuation.known_price(ticket.symbol, now)
        if ticket.stop_price is not None:
            return max(ticket.stop_price, price or ticket.stop_price)
        if price is None:
            raise unprocessable(f"no market price of {ticket.symbol} is known: use a limit order")
        return price


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
        trail_price=old.trail_price,
        trail_percent=old.trail_percent,
        replaces=old.order_id,
    )
