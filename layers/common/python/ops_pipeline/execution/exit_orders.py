"""Places exits and stops: cancels conflicting orders, then sells at most what is available."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from pg8000.exceptions import DatabaseError

from ops_pipeline.db import facts, orders, positions
from ops_pipeline.db.driver.connection import Transaction, log_message
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerPosition
from ops_pipeline.domain.exits import Decision, Position, armed, closing
from ops_pipeline.domain.market import Quote
from ops_pipeline.domain.operations.alerts import exit_blocked, not_sellable, nothing_to_sell
from ops_pipeline.domain.orders import Order, Status, marketable_limit, stop_price, whole_units
from ops_pipeline.domain.trading_terms import TradeReason
from ops_pipeline.errors import BrokerUnavailable, OpsError
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.decisions.intents import SalePlan
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN, OrderGateway
from ops_pipeline.ports import Broker

# A marketable order that has not filled by the next tick is behind the market.
_REPRICE_AFTER = timedelta(seconds=55)


@dataclass(frozen=True, slots=True)
class ExitOrders:
    """Sells one account's positions.

    Attributes:
        counts: cancels_asked, exits_sent and stops_placed of the run.
    """

    ctx: AccountContext
    db: UnitsOfWork
    gateway: OrderGateway
    counts: Counter[str]

    def place(self, decision: Decision, quote: Quote) -> None:
        """Carry out the decision for one position; one step per tick while cancels are pending."""
        position, now = decision.position, self.ctx.now()
        with self.db.transaction() as tx:
            live = orders.live_in_symbol(tx, self.ctx.name, position.symbol)
        if decision.sell > 0 and decision.rule is not None:
            in_the_way = [order for order in live if not _is_this_exit(order, decision, now)]
            if in_the_way and not self._may_be_sold(position, decision.rule):
                self.protect(position)
            elif self._cleared(in_the_way) and len(in_the_way) == len(live):
                price = marketable_limit("sell", quote.bid, self.ctx.rules.exits.limit_slippage)
                self._exit(position, SalePlan("exit", decision.rule, decision.sell, price), quote)
            else:
                self._watch_cancels(position, in_the_way)
            return
        self.protect(position, quote)

    def protect(self, position: Position, quote: Quote | None = None) -> None:
        """Keep a stop resting at the broker; a stop needs no quote.

        Args:
            quote: Where there is one, a stop that the market has passed is sold at its bid;
                without one at the stop price itself.
        """
        with self.db.transaction() as tx:
            live = orders.live_in_symbol(tx, self.ctx.name, position.symbol)
        if quote is None and any(order.purpose == "exit" for order in live):
            return  # priced again once there is a quote
        now = self.ctx.now()
        stale = [order for order in live if _is_stale(order, position, now)]
        if any(order.purpose == "stop" for order in stale) and not self._may_be_sold(
            position, "stop_loss"
        ):
            return  # the old stop protects better than none
        if self._cleared(stale) and len(stale) == len(live):
            self._rest_stop(position, quote)

    def _exit(self, position: Position, plan: SalePlan, quote: Quote) -> None:
        """Sell; where nothing was sent or the broker refused it, the stop rests again at once."""
        try:
            status = self._sell(position, plan, quote)
            unsent = status is None and self._held(position) > 0
        except BrokerUnavailable:
            self._rest_stop(position, None)
            raise
        if unsent or status in ("rejected", "not_placed"):
            self._rest_stop(position, None)
        self.counts["exits_sent"] += status is not None

    def _rest_stop(self, position: Position, quote: Quote | None) -> None:
        """Place the stop; one that the broker refuses because the market is past it is sold."""
        status = self._place_stop(position)
        self.counts["stops_placed"] += status is not None
        passed = quote is not None and quote.bid <= (position.stop_loss or Decimal(0))
        if status == "rejected" and position.stop_loss is not None and (passed or quote is None):
            bid = quote.bid if quote is not None else position.stop_loss
            price = marketable_limit("sell", bid, self.ctx.rules.exits.limit_slippage)
            plan = SalePlan("exit", "stop_loss", position.quantity, price)
            self.counts["exits_sent"] += self._sell(position, plan, quote) is not None

    def _may_be_sold(self, position: Position, rule: TradeReason) -> bool:
        """Whether the broker would take the sale: asked before anything that protects is cancelled.

        Raises BrokerUnavailable when it does not say, which leaves the stop where it is.
        """
        held = self._held(position)
        alert = nothing_to_sell(position, rule)
        if held > 0:
            reason = _why_not_sellable(self.gateway.broker, position)
            if reason is None:
                return True
            alert = not_sellable(position, reason)
        with self.db.transaction() as tx:
            alerts.open_alert(tx, alert, now=self.ctx.now())
        return False

    def cancel_stale_entries(self) -> list[str]:
        """Cancel entries that are behind the market, or for which a cancel was requested.

        Their final status settles the recommendation.

        Returns the failures, by order; they do not hold up any position.
        """
        with self.db.transaction() as tx:
            live = orders.live(tx, self.ctx.name)
        now, failures = self.ctx.now(), []
        for order in live:
            if order.purpose != "entry" or not _is_to_be_cancelled(order, now):
                continue
            try:
                self._cleared([order])
            except STOPS_THE_RUN:
                raise
            except (OpsError, DatabaseError) as error:
                failures.append(f"{order.client_order_id}: not cancelled: {log_message(error)}")
        return failures

    def _cleared(self, in_the_way: Sequence[Order]) -> bool:
        """Cancel these orders; True once the broker says that all of them have ended."""
        outcomes = []
        for order in in_the_way:
            outcome = self.gateway.cancel(order)
            self.counts["cancels_asked"] += outcome.asked
            outcomes.append(outcome)
        return all(outcome.ended for outcome in outcomes)

    def _watch_cancels(self, position: Position, in_the_way: Sequence[Order]) -> None:
        """Alert when an exit waits too long for a cancel to be confirmed."""
        now = self.ctx.now()
        deadline = timedelta(minutes=self.ctx.rules.exits.closing_deadline_minutes)
        late = [
            order
            for order in in_the_way
            if order.cancel_requested_at is not None and now - order.cancel_requested_at > deadline
        ]
        if late:
            with self.db.transaction() as tx:
                alerts.open_alert(tx, exit_blocked(position, late), now=now)

    def _sell(self, position: Position, plan: SalePlan, quote: Quote | None) -> Status | None:
        """Sell at most what the plan, the position and the broker allow; None when not sent."""
        available = self._available(position)
        quantity = min(plan.quantity, position.quantity, available)
        # Accounts without fractional shares trade whole ones, except to sell all that is held.
        if quantity < position.quantity:
            quantity = whole_units(quantity, fractional=self.ctx.account.fractional_shares)
        if quantity <= 0:
            with self.db.transaction() as tx:
                alert = nothing_to_sell(position, plan.rule)
                alerts.open_alert(tx, alert, now=self.ctx.now())
            return None
        return self._commit_and_send(position, replace(plan, quantity=quantity), quote)

    def _available(self, position: Position) -> Decimal:
        """The quantity that the broker lets us sell: a close never opens a short."""
        if self.gateway.broker is None:
            return position.quantity
        held = self._at_broker(self.gateway.broker, position)
        return max(held.available, Decimal(0)) if held else Decimal(0)

    def _held(self, position: Position) -> Decimal:
        """What the broker holds of it, resting sales included."""
        if self.gateway.broker is None:
            return position.quantity
        held = self._at_broker(self.gateway.broker, position)
        return held.quantity if held else Decimal(0)

    def _at_broker(self, broker: Broker, position: Position) -> BrokerPosition | None:
        """The broker's item for it; None if there is none.

        Raises BrokerUnavailable, with an alert, when an illegible item may be it: that it is
        not held is proven by none.
        """
        listed = broker.positions()
        found = next((held for held in listed if held.symbol == position.symbol), None)
        odd = next((it for it in listed.illegible if it.may_be_of(position.symbol)), None)
        if found is None and odd is not None:
            reason = f"what the broker holds of it is not legible ({odd})"
            with self.db.transaction() as tx:
                alerts.open_alert(tx, not_sellable(position, reason), now=self.ctx.now())
            raise BrokerUnavailable(f"{position.symbol}: {reason}")
        return found

    def _place_stop(self, position: Position) -> Status | None:
        """Keep a stop resting at the broker: it protects while the pipeline is down."""
        price = _stop_of(position)
        quantity = whole_units(position.quantity, fractional=False)
        if self.gateway.broker is None or price is None or quantity <= 0:
            return None
        if position.instrument_type != "STOCK":
            return None
        plan = SalePlan("stop", "stop_loss", quantity, price)
        return self._commit_and_send(position, plan, None)

    def _commit_and_send(
        self, position: Position, plan: SalePlan, quote: Quote | None
    ) -> Status | None:
        with self.db.transaction() as tx:
            order = _commit(tx, self.ctx, position, plan)
        return None if order is None else self.gateway.send(order, quote)


def _commit(
    tx: Transaction, ctx: AccountContext, position: Position, plan: SalePlan
) -> Order | None:
    """Store the intent; None when the position changed meanwhile: the next tick decides again."""
    now = ctx.now()
    facts.lock_account(tx, ctx.name)
    current = positions.lock(tx, position.id)
    if current is None or current.status == "closed" or current.quantity < plan.quantity:
        return None
    attempt = orders.next_attempt(tx, position.id, plan.purpose)
    order = ctx.intents().sale(position, plan, attempt)
    orders.insert(tx, order)
    if plan.purpose == "exit":
        partial = plan.rule == "partial"
        changed = armed(current) if partial else closing(current, plan.rule)
        positions.save(tx, changed, now=now)
        positions.add_event(
            tx,
            position_id=position.id,
            account=ctx.name,
            kind="exit_decided",
            details={
                "rule": plan.rule,
                "order": order.client_order_id,
                "quantity": plan.quantity,
            },
            now=now,
        )
    return order


def _is_to_be_cancelled(entry: Order, now: datetime) -> bool:
    return entry.cancel_requested_at is not None or _waited_long_enough(entry, now)


def _is_this_exit(order: Order, decision: Decision, now: datetime) -> bool:
    """Whether the order is this decision's own live exit, still young enough to wait for."""
    return (
        order.purpose == "exit"
        and decision.rule in {order.reason, "partial"}
        and not _waited_long_enough(order, now)
    )


def _is_stale(order: Order, position: Position, now: datetime) -> bool:
    """A stop at another price or quantity, or an entry or exit that is behind the market."""
    if order.purpose == "stop":
        whole = whole_units(position.quantity, fractional=False)
        return order.price != _stop_of(position) or order.remaining != whole
    return _waited_long_enough(order, now)


def _waited_long_enough(order: Order, now: datetime) -> bool:
    """An order sent again by recovery has its full time from then on."""
    return now - (order.acknowledged_at or order.decided_at) >= _REPRICE_AFTER


def _why_not_sellable(broker: Broker | None, position: Position) -> str | None:
    """Why the broker would refuse a sale of the position; None where nothing speaks against it."""
    if broker is None:
        return None
    if broker.account().trading_blocked:
        return "the broker has blocked trading in the account"
    if not broker.is_tradable(position.symbol):
        return "the broker does not trade the symbol at present"
    return None


def _stop_of(position: Position) -> Decimal | None:
    return None if position.stop_loss is None else stop_price(position.stop_loss)
