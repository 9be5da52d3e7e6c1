"""Places exits and stops: cancels conflicting orders, then sells at most what is available."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from ops_pipeline.db import facts, orders, positions
from ops_pipeline.db.driver.connection import Transaction, log_message
from ops_pipeline.db.holdings import corporate_actions
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.corporate.adjustments import is_restated
from ops_pipeline.domain.corporate.shares_shown import is_split_like
from ops_pipeline.domain.exits import Decision, Position, armed, closing
from ops_pipeline.domain.market import Quote
from ops_pipeline.domain.market_state.trading_halts import TradingHalt
from ops_pipeline.domain.operations.alerts import (
    AlertKey,
    PositionAlert,
    corporate_action_pending,
    exit_blocked,
    held_by_hand,
    not_sellable,
    nothing_to_sell,
)
from ops_pipeline.domain.orders import (
    UNSETTLED,
    Order,
    Status,
    marketable_limit,
    stop_price,
    whole_units,
)
from ops_pipeline.domain.prices.plausibility import JudgedQuote
from ops_pipeline.domain.trading_terms import TradeReason
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.execution import external_orders
from ops_pipeline.execution.broker_shares import BrokerShares, Shares
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.decisions.intents import SalePlan
from ops_pipeline.execution.isolation import isolated
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN, OrderGateway
from ops_pipeline.ports import Broker

# A marketable order that has not filled by the next tick is behind the market.
_REPRICE_AFTER = timedelta(seconds=55)
_STOP: TradeReason = "stop_loss"
_NOT_SOLD: tuple[PositionAlert, ...] = ("exit_blocked", "nothing_to_sell", "sale_not_executed")
# A cancel is confirmed at once, or the order may be stuck between its two states.
_CONFIRMED_WITHIN = timedelta(minutes=2)


@dataclass(slots=True)
class ExitOrders:
    """Sells one account's positions; a person's own orders are left alone.

    Attributes:
        counts: cancels_asked, exits_sent and stops_placed of the run.
        shares: What the broker holds, read once a run.
        halted: By ticker the halt in which a sale would find no market: nothing that protects is
            cancelled for one.
    """

    ctx: AccountContext
    db: UnitsOfWork
    gateway: OrderGateway
    counts: Counter[str]
    halted: Mapping[str, TradingHalt] = field(default_factory=dict)
    shares: BrokerShares = field(init=False)

    def __post_init__(self) -> None:
        self.shares = BrokerShares(self.ctx.name, self.db, self.gateway.broker)

    def place(self, decision: Decision, quote: JudgedQuote) -> None:
        """Carry out the decision for one position; one step per tick while cancels are pending."""
        position, now = decision.position, self.ctx.now()
        if decision.sell > 0 and (halt := self.halted.get(position.ticker)) is not None:
            return self._wait_for_trading(position, halt)
        live, _ = self._live(position)
        if decision.sell > 0 and decision.rule is not None:
            if self.counts_otherwise(position):
                return None
            in_the_way = [order for order in live if not _is_this_exit(order, decision, now)]
            if in_the_way and not self._may_be_sold(position, decision.rule, in_the_way):
                self.protect(position)
            elif self._cleared_for(position, in_the_way) and len(in_the_way) == len(live):
                price = self._limit(quote)
                self._exit(position, SalePlan("exit", decision.rule, decision.sell, price), quote)
            else:
                self._watch_cancels(position, in_the_way)
            return None
        self.protect(position, quote)
        return self._note_protected(position)

    def _wait_for_trading(self, position: Position, halt: TradingHalt) -> None:
        """An exit is due and nothing can trade: what rests goes on resting, and it is told."""
        with self.db.transaction() as tx:
            alerts.open_alert(tx, not_sellable(position, halt.told), now=self.ctx.now())
        self.protect_out_of_session(position)

    def _is_of_other_shares(self, position: Position) -> bool:
        """Whether a stop that was there before would rest anew at the price of other shares."""
        with self.db.transaction() as tx:
            is_first = orders.newest_stop(tx, position.id) is None
        return not is_first and self.counts_otherwise(position)

    def counts_otherwise(self, position: Position) -> bool:
        """Whether the broker counts other shares that cost as much as ours: as after a split.

        Nothing is decided by the price of one of them until the reconciler knows why.
        """
        try:
            if self.shares.illegible(position) is not None:
                return False
            theirs = self.shares.of(position)
        except BrokerUnavailable:
            return False  # the sale asks again, and puts the stop back where nobody answers
        if theirs.cost is None or not is_split_like(position, theirs.held, theirs.cost):
            return False
        now = self.ctx.now()
        reason = (
            f"the broker counts {theirs.held:f} at ${theirs.cost:f}, {position.quantity:f} here"
        )
        with self.db.transaction() as tx:
            corporate_actions.hold(tx, self.ctx.name, position.symbol, reason, now=now)
            alert = corporate_action_pending(self.ctx.name, position.symbol, reason)
            alerts.open_alert(tx, alert, now=now)
        return True

    def _limit(self, quote: JudgedQuote) -> Decimal:
        rules = self.ctx.rules
        return quote.limit("sell", rules.exits.limit_slippage, rules.prices.exit_collar)

    def protect(self, position: Position, quote: JudgedQuote | None = None) -> None:
        """Keep a stop resting at the broker; a stop needs no quote.

        Args:
            quote: A believed one: a stop that the market has passed is sold at its bid;
                without one at the stop price itself.
        """
        if position.ticker in self.halted:
            return self.protect_out_of_session(position)
        live, by_hand = self._live(position)
        if sales := _sales(by_hand):
            self._tell_of_what_is_held(position, sales)
        if quote is None and any(order.purpose == "exit" for order in live):
            return None  # priced again once there is a quote
        exits = [order for order in live if order.purpose == "exit"]
        now, wanted = self.ctx.now(), self._to_protect(position, live, [*by_hand, *exits])
        stale = [order for order in live if _is_stale(order, position, wanted, now)]
        if any(order.purpose == "stop" for order in stale) and not self._may_be_sold(
            position, "stop_loss", stale
        ):
            return None  # the old stop protects better than none
        if not self._cleared_for(position, stale):
            self._watch_cancels(position, stale)
        elif len(stale) == len(live):
            self._rest_stop(position, quote, by_hand)
        return None

    def _note_protected(self, position: Position) -> None:
        """End the alerts on sales that could not be made: none is due, and a stop rests for all.

        Left open they would stand for the position when nothing protects it later. One that
        names a person's order stays while that rests.
        """
        live, by_hand = self._live(position)
        if by_hand or not any(_covers(order, position) for order in live):
            return
        with self.db.transaction() as tx:
            for kind in _NOT_SOLD:
                key = AlertKey(kind, self.ctx.name, position.symbol)
                alerts.resolve_alert(tx, key, now=self.ctx.now())

    def protect_out_of_session(self, position: Position) -> None:
        """Rest a stop for what has none: it is there when trading goes on.

        Nothing is sold meanwhile, and nothing cancelled but a stop of before a corporate action,
        whose price and number are those of other shares.
        """
        live, by_hand = self._live(position)
        if not live:
            self._place_stop(position, by_hand)
            return
        with self.db.transaction() as tx:
            restated_at = corporate_actions.restated_at(tx, position.id)
        if restated_at is None:
            return
        now, wanted = self.ctx.now(), self._to_protect(position, live, by_hand)
        old = [
            order
            for order in live
            if order.purpose == "stop"
            and order.decided_at < restated_at
            and _is_stale(order, position, wanted, now)
        ]
        if len(old) < len(live) or not self._may_be_sold(position, "stop_loss", old):
            return
        if self._cleared_for(position, old):
            self._place_stop(position, by_hand)
        else:
            self._watch_cancels(position, old)

    def lower_stop(self, position: Position, price: Decimal) -> bool:
        """Rest the stop at a lower price; True once it does.

        The old one stays while its end is not confirmed, or the shares could not be sold.
        """
        lower = stop_price(price)
        live, by_hand = self._live(position)
        above = [it for it in live if it.purpose == "stop" and it.price and it.price > lower]
        if len(above) < len(live) or (above and not self._may_be_sold(position, _STOP, above)):
            return False
        if not self._cleared_for(position, above):
            self._watch_cancels(position, above)
            return False
        quantity = self._to_protect(position, (), by_hand)
        plan = SalePlan("stop", _STOP, quantity, lower)
        return quantity > 0 and self._commit_and_send(position, plan, None) is not None

    def _live(self, position: Position) -> tuple[list[Order], list[Order]]:
        """The live orders in the symbol: ours, and those that a person placed."""
        with self.db.transaction() as tx:
            live = orders.live_in_symbol(tx, self.ctx.name, position.symbol)
        ours = [order for order in live if order.purpose != "adopted"]
        return ours, [order for order in live if order.purpose == "adopted"]

    def _exit(self, position: Position, plan: SalePlan, quote: JudgedQuote) -> None:
        """Sell; where nothing was sent or the broker refused it, the stop rests again at once.

        No second sale follows in the same tick: a broker that refuses everything gets two orders.
        """
        try:
            status = self._sell(position, plan, quote)
            unsent = status is None and self._shares(position).held > 0
        except BrokerUnavailable:
            self._place_stop(position, self._live(position)[1])
            raise
        if unsent or status in ("rejected", "not_placed"):
            by_hand = self._blocking(position) if status == "rejected" else self._live(position)[1]
            self._place_stop(position, by_hand)
        elif status is not None:
            self._protect_rest(position)
        self.counts["exits_sent"] += status is not None

    def _protect_rest(self, position: Position) -> None:
        """Rest a stop for what the sale of a part leaves, in the same tick: it may be the last."""
        with self.db.transaction() as tx:
            current = positions.lock(tx, position.id)
        if current is None or current.status != "open":
            return
        live, by_hand = self._live(current)
        if all(order.purpose == "exit" for order in live):
            self._place_stop(current, [*by_hand, *live])

    def _rest_stop(
        self, position: Position, quote: JudgedQuote | None, by_hand: Sequence[Order]
    ) -> None:
        """Place the stop; one that the broker refuses because the market is past it is sold.

        It refuses one as well for shares that a person's order holds: nothing is sold then.
        """
        status = self._place_stop(position, by_hand)
        if status == "accepted" and not _sales(by_hand):
            with self.db.transaction() as tx:
                alerts.resolve_alert(tx, held_by_hand(position, by_hand).key, now=self.ctx.now())
        if status != "rejected" or self._blocking(position):
            return
        if position.stop_loss is not None and _is_passed(position.stop_loss, quote):
            slippage = self.ctx.rules.exits.limit_slippage
            price = marketable_limit("sell", position.stop_loss, slippage)
            if quote is not None:
                price = self._limit(quote)
            plan = SalePlan("exit", "stop_loss", position.quantity, price)
            self.counts["exits_sent"] += self._sell(position, plan, quote) is not None

    def _may_be_sold(
        self, position: Position, rule: TradeReason, in_the_way: Sequence[Order]
    ) -> bool:
        """Whether the broker would take the sale: asked before anything that protects is cancelled.

        A stop must show, too: the end of one that can't be looked up could not be told.

        Raises BrokerUnavailable when it does not say, which leaves the stop where it is.
        """
        shares = self._shares(position)
        if shares.held > 0 and shares.free <= 0 and self._blocking(position, sales_only=True):
            return False
        alert = nothing_to_sell(position, rule)
        if shares.held > 0:
            reason = _why_not_sellable(self.gateway.broker, position)
            if reason is None:
                stops = [order for order in in_the_way if order.purpose == "stop"]
                return all(self.gateway.find(stop) is not None for stop in stops)
            alert = not_sellable(position, reason)
        with self.db.transaction() as tx:
            alerts.open_alert(tx, alert, now=self.ctx.now())
        return False

    def _blocking(self, position: Position, *, sales_only: bool = False) -> list[Order]:
        """A person's live orders in the symbol, told in an alert; asked of the broker if need be.

        Sales hold shares, and the broker may refuse to sell against a buy. Where the broker does
        not list its orders, only those are known that have a row.
        """
        found = self._by_hand(position, sales_only=sales_only)
        if not found:
            try:
                external_orders.adopt_resting(self.db, self.gateway, {position.symbol})
            except BrokerUnavailable as error:
                name, symbol = self.ctx.name, position.symbol
                self.ctx.journal.went_wrong(
                    "orders_by_hand_unknown", account=name, symbol=symbol, error=str(error)
                )
            found = self._by_hand(position, sales_only=sales_only)
        if found:
            self._tell_of_what_is_held(position, found)
        return found

    def _by_hand(self, position: Position, *, sales_only: bool) -> list[Order]:
        _, by_hand = self._live(position)
        return _sales(by_hand) if sales_only else by_hand

    def _tell_of_what_is_held(self, position: Position, by_hand: Sequence[Order]) -> None:
        with self.db.transaction() as tx:
            alerts.open_alert(tx, held_by_hand(position, by_hand), now=self.ctx.now())

    def cancel_unwanted(self) -> list[str]:
        """Cancel what a close asked for, entries behind the market, and sales of what is sold.

        Only a close requests the cancel of a person's order. An entry's final status settles
        the recommendation. A sale outlives its position when another one, said to be cancelled,
        filled after all: filling too, it would open a short.

        Returns the failures, by order; they do not hold up any position.
        """
        with self.db.transaction() as tx:
            live = orders.live(tx, self.ctx.name)
            held = {position.id for position in positions.held(tx, self.ctx.name)}
        now, failures = self.ctx.now(), []
        for order in live:
            if not _is_unwanted(order, held, now):
                continue
            done = isolated(partial(self._cleared, [order]), passing=STOPS_THE_RUN)
            if isinstance(done, Exception):
                failures.append(f"{order.client_order_id}: not cancelled: {log_message(done)}")
        return failures

    def _cleared(self, in_the_way: Sequence[Order]) -> bool:
        """Cancel these orders; True once the broker says that all of them have ended."""
        outcomes = []
        for order in in_the_way:
            outcome = self.gateway.cancel(order)
            self.counts["cancels_asked"] += outcome.asked
            outcomes.append(outcome)
        return all(outcome.ended for outcome in outcomes)

    def _cleared_for(self, position: Position, in_the_way: Sequence[Order]) -> bool:
        """As `_cleared`; alerts at once when the broker does not say what came of a cancel."""
        try:
            return self._cleared(in_the_way)
        except BrokerUnavailable:
            self._tell_of_unconfirmed(position, in_the_way)
            raise

    def _watch_cancels(self, position: Position, in_the_way: Sequence[Order]) -> None:
        """Alert when a cancel is not confirmed in time: till then nothing sells or protects."""
        now = self.ctx.now()
        late = [
            order
            for order in in_the_way
            if order.cancel_requested_at and now - order.cancel_requested_at >= _CONFIRMED_WITHIN
        ]
        if late:
            self._tell_of_unconfirmed(position, late)

    def _tell_of_unconfirmed(self, position: Position, pending: Sequence[Order]) -> None:
        with self.db.transaction() as tx:
            alerts.open_alert(tx, exit_blocked(position, pending), now=self.ctx.now())

    def _sell(self, position: Position, plan: SalePlan, quote: JudgedQuote | None) -> Status | None:
        """Sell at most what the plan, the position and the broker allow; None when not sent."""
        wanted = min(plan.quantity, position.quantity)
        quantity = min(wanted, self._shares(position).free)
        blocking = self._blocking(position, sales_only=True) if quantity < wanted else []
        # Accounts without fractional shares trade whole ones, except to sell all that is held.
        if quantity < position.quantity:
            quantity = whole_units(quantity, fractional=self.ctx.account.fractional_shares)
        if quantity <= 0:
            if not blocking:
                with self.db.transaction() as tx:
                    alert = nothing_to_sell(position, plan.rule)
                    alerts.open_alert(tx, alert, now=self.ctx.now())
            return None
        return self._commit_and_send(position, replace(plan, quantity=quantity), quote)

    def _shares(self, position: Position) -> Shares:
        """What the broker holds of it.

        Raises BrokerUnavailable, with an alert, when an illegible item may be it: that it is
        not held is proven by none.
        """
        odd = self.shares.illegible(position)
        if odd is None:
            return self.shares.of(position)
        reason = f"what the broker holds of it is not legible ({odd})"
        with self.db.transaction() as tx:
            alerts.open_alert(tx, not_sellable(position, reason), now=self.ctx.now())
        raise BrokerUnavailable(f"{position.symbol}: {reason}")

    def _place_stop(self, position: Position, others: Sequence[Order]) -> Status | None:
        """Keep a stop resting at the broker: it protects while the pipeline is down.

        Args:
            others: Sales of shares that the stop cannot sell.
        """
        price = _stop_of(position)
        quantity = self._to_protect(position, (), others)
        if self.gateway.broker is None or price is None or quantity <= 0:
            return None
        if position.instrument_type != "STOCK" or self._is_of_other_shares(position):
            return None
        plan = SalePlan("stop", "stop_loss", quantity, price)
        status = self._commit_and_send(position, plan, None)
        self.counts["stops_placed"] += status is not None
        return status

    def _to_protect(
        self, position: Position, live: Sequence[Order], others: Sequence[Order]
    ) -> Decimal:
        """The whole shares that a stop can sell: all but those under other sales.

        Where the broker refused a stop for all of them, it may have fewer: as many as it has.
        """
        wanted = _not_sold_by(others, position)
        if not self._fell_short(position, live, wanted):
            return wanted
        try:
            free = whole_units(self.shares.of(position).free, fractional=False)
        except BrokerUnavailable:
            return wanted
        return free if 0 < free < wanted else wanted

    def _fell_short(self, position: Position, live: Sequence[Order], wanted: Decimal) -> bool:
        """Whether the newest stop was refused, or the resting one is for less than is wanted."""
        stop = next((order for order in live if order.purpose == "stop"), None)
        if stop is None:
            with self.db.transaction() as tx:
                stop = orders.newest_stop(tx, position.id)
        if stop is None or stop.live:
            return stop is not None and stop.remaining < wanted
        return stop.status == "rejected"

    def _commit_and_send(
        self, position: Position, plan: SalePlan, quote: JudgedQuote | None
    ) -> Status | None:
        seen = None if quote is None else quote.quote
        with self.db.transaction() as tx:
            order = _commit(tx, self.ctx, position, plan, seen)
        if order is None:
            return None
        return self.gateway.send(order, seen)


def _commit(
    tx: Transaction,
    ctx: AccountContext,
    position: Position,
    plan: SalePlan,
    quote: Quote | None,
) -> Order | None:
    """Store the intent; None when the position changed meanwhile: the next tick decides again."""
    now = ctx.now()
    facts.lock_account(tx, ctx.name)
    current = positions.lock(tx, position.id)
    if current is None or current.status == "closed" or current.quantity < plan.quantity:
        return None
    if is_restated(position, current):
        return None
    attempt = orders.next_attempt(tx, position.id, plan.purpose)
    order = ctx.intents().sale(position, plan, attempt, quote)
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


def _is_unwanted(order: Order, held: Set[UUID], now: datetime) -> bool:
    if order.purpose == "adopted":
        return order.cancel_requested_at is not None
    if order.purpose == "entry":
        return order.cancel_requested_at is not None or _waited_long_enough(order, now)
    return order.position_id not in held


def _is_passed(stop: Decimal, quote: JudgedQuote | None) -> bool:
    """Whether a stop that was refused may be past the market: its broker looks at trades too."""
    if quote is None:
        return True
    return min((quote.quote.bid, *quote.witnesses)) <= stop


def _is_this_exit(order: Order, decision: Decision, now: datetime) -> bool:
    """Whether the order is this decision's own live exit, still young enough to wait for."""
    return (
        order.purpose == "exit"
        and decision.rule in {order.reason, "partial"}
        and not _waited_long_enough(order, now)
    )


def _covers(order: Order, position: Position) -> bool:
    """Whether it is a stop that the broker has, and sells every whole share of a position."""
    rests = order.status not in UNSETTLED and order.cancel_requested_at is None
    return order.purpose == "stop" and rests and order.remaining >= _not_sold_by((), position)


def _sales(by_hand: Sequence[Order]) -> list[Order]:
    return [order for order in by_hand if order.side == "sell"]


def _not_sold_by(others: Sequence[Order], position: Position) -> Decimal:
    """The whole shares of a position that are not under these orders' sales."""
    taken = sum((order.remaining for order in _sales(others)), Decimal(0))
    return whole_units(max(position.quantity - taken, Decimal(0)), fractional=False)


def _is_stale(order: Order, position: Position, wanted: Decimal, now: datetime) -> bool:
    """A stop at another price, quantity or symbol, or an entry or exit that is behind the market.

    And a stop whose cancel was requested: whether it still protects can't be known.

    Args:
        wanted: The shares that a stop should sell.
    """
    if order.purpose == "stop":
        other = order.remaining != wanted or order.symbol != position.symbol
        return order.price != _stop_of(position) or other or order.cancel_requested_at is not None
    return _waited_long_enough(order, now)


def _waited_long_enough(order: Order, now: datetime) -> bool:
    """An order sent again by recovery has its full time from then on."""
    return now - (order.acknowledged_at or order.decided_at) >= _REPRICE_AFTER


def _why_not_sellable(broker: Broker | None, position: Position) -> str | None:
    """Why the broker would refuse a sale of the position; None where nothing speaks against it."""
    if broker is None:
        return None
    account = broker.account()
    if account.trading_blocked:
        why = account.why_blocked or account.raw_status
        return f"the broker takes no orders in the account ({why})"
    if not broker.is_tradable(position.symbol):
        return "the broker does not trade the symbol at present"
    return None


def _stop_of(position: Position) -> Decimal | None:
    return None if position.stop_loss is None else stop_price(position.stop_loss)
