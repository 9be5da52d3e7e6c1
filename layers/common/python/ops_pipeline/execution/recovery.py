"""Recovers orders with unknown outcome before placing new ones.

An order that is found is settled. One that surely was not placed is sent again under the
same id while it is still wanted (the broker refuses a duplicate), else closed as not placed.
An entry passes every gate anew before that, as if it were decided on now.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from ops_pipeline.db import dispatch, orders, positions
from ops_pipeline.db.driver.connection import log_message
from ops_pipeline.db.holdings import external
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.orders import UNSETTLED, Order, disagreement, may_be_listed
from ops_pipeline.domain.resending import Market, entry_is_fresh, sale_is_wanted
from ops_pipeline.execution import entry, price_check, snapshots, unbooked_facts, unresolved_orders
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport
from ops_pipeline.execution.decisions.sending import SEND_WITHIN
from ops_pipeline.execution.isolation import isolated
from ops_pipeline.execution.market_reader import MarketReader
from ops_pipeline.execution.order_gateway import (
    BELIEVED_AFTER,
    LISTED_BEFORE,
    STOPS_THE_RUN,
    OrderGateway,
)

# An outcome that is unknown for longer than this needs a person too.
_UNKNOWN_FOR = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The result; an entry that stays unknown blocks all entries, an exit its position's exits."""

    entries_blocked: bool
    blocked_positions: frozenset[UUID]
    settled: int


NOTHING = Recovery(False, frozenset(), 0)


def recover(
    ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway, market: MarketReader
) -> Recovery:
    """Look up every order whose outcome is unknown, before anything new is done.

    One that can't be settled stays unknown and has an alert; it does not hold up the others.
    """
    with db.transaction() as tx:
        unsettled = [order for order in orders.live(tx, ctx.name) if order.status in UNSETTLED]
    resolver = _Resolver(ctx, db, gateway, market)
    still = [order for order in unsettled if not resolver.resolved(order)]
    return Recovery(
        entries_blocked=any(order.purpose == "entry" for order in still),
        blocked_positions=frozenset(
            order.position_id for order in still if order.position_id is not None
        ),
        settled=len(unsettled) - len(still),
    )


@dataclass(frozen=True, slots=True)
class _Resolver:
    """Looks up unknown orders, one after the other, and settles them."""

    ctx: AccountContext
    db: UnitsOfWork
    gateway: OrderGateway
    market: MarketReader

    def resolved(self, order: Order) -> bool:
        """Whether the order's outcome is known now; alerts when it stays unknown for long."""
        found = isolated(lambda: self._resolve(order), passing=STOPS_THE_RUN)
        settled = found is True
        if isinstance(found, Exception):
            self.ctx.journal.went_wrong(
                "order_not_looked_up",
                order=order.client_order_id,
                error=type(found).__name__,
                message=log_message(found),
            )
        now = self.ctx.now()
        if settled or now - order.decided_at > _UNKNOWN_FOR:
            with self.db.transaction() as tx:
                unresolved_orders.update_alert(tx, order, settled=settled, now=now)
        return settled

    def _resolve(self, order: Order) -> bool:
        """Settle one unknown order by looking it up; False while it stays unknown."""
        broker = self.gateway.broker
        if broker is None:
            return self._send_again(order)
        found = self.gateway.look_up(order)
        if found is None and self._is_conclusive(order):
            listed = broker.orders_since(order.decided_at - LISTED_BEFORE)
            found = next((o for o in listed if o.client_order_id == order.client_order_id), None)
            if found is None and not may_be_listed(order, listed.illegible):
                return self._send_again(order)
        if found is None:
            with self.db.transaction() as tx:
                unresolved_orders.note_miss(tx, order, self.ctx.now())
            return False
        return self._settle(order, found)

    def _settle(self, order: Order, found: BrokerOrder) -> bool:
        why = disagreement(order, found)
        if why is not None:
            self.ctx.journal.went_wrong("order_disagrees", order=order.client_order_id, why=why)
            with self.db.transaction() as tx:
                unbooked_facts.note_disagreement(tx, order, found, why, self.ctx.now())
            return False
        after = self.gateway.settle(order, ExecutionReport(found=found))
        self.ctx.journal.happened(
            "order_recovered", order=order.client_order_id, status=found.raw_status
        )
        return after.status not in UNSETTLED

    def _is_conclusive(self, order: Order) -> bool:
        """Whether a second miss, and absence from the list of all orders, means "not placed".

        Not while the run that committed it may be about to send it.
        """
        if order.status == "intended" and self.ctx.now() - order.decided_at <= SEND_WITHIN:
            return False
        if self.gateway.read_after_write:
            return True
        return order.missed_at is not None and self.ctx.now() - order.missed_at >= BELIEVED_AFTER

    def _send_again(self, order: Order) -> bool:
        """Send an order that was never placed again while it is wanted, else close it."""
        market = self._market(order.symbol)
        refusals = self._refusals(order, market)
        if refusals:
            found = self.gateway.look_up(order)
            if found is not None:
                # It came while the gates were asked, and may be what they refuse.
                return self._settle(order, found)
            self.ctx.journal.happened(
                "order_not_sent_again", order=order.client_order_id, reasons=refusals
            )
            self.gateway.close(order, "not_placed", "The broker never had it")
            return True
        self.ctx.journal.happened("order_sent_again", order=order.client_order_id)
        with self.db.transaction() as tx:
            unresolved_orders.forget_miss(tx, order)
        if self.gateway.send(order, market.quote, decided_at=market.now) not in UNSETTLED:
            return True
        # "Must be unique" means that it had been placed after all.
        found = self.gateway.look_up(order)
        return found is not None and self._settle(order, found)

    def _market(self, symbol: str) -> Market:
        """Session and quote of a symbol; a quote that is not believed counts as none."""
        now, session = self.market.now(), self.market.session()
        quotes = self.market.quotes([symbol])
        with self.db.transaction() as tx:
            judged = price_check.judge_quotes(
                tx, quotes, now=now, session=session, rules=self.ctx.rules
            ).get(symbol)
        believed = judged is not None and judged.believed
        return Market(now=now, session=session, quote=quotes[symbol] if believed else None)

    def _refusals(self, order: Order, market: Market) -> list[str]:
        """Why the order may not be sent again; empty if it may."""
        rules = self.ctx.rules.gates
        if order.purpose == "entry" and order.recommendation_id is not None:
            return self._entry_refusals(order, order.recommendation_id, market)
        if order.position_id is None:
            return ["nothing that it would trade for is known"]
        with self.db.transaction() as tx:
            position = positions.lock(tx, order.position_id)
        return [] if sale_is_wanted(order, position, market, rules) else ["no longer wanted"]

    def _entry_refusals(self, order: Order, recommended_as: int, market: Market) -> list[str]:
        """Its limit must still buy, and every gate pass on facts of this moment."""
        if self.ctx.parameter_fault is not None:
            return [f"entries are refused: {self.ctx.parameter_fault}"]
        if not entry_is_fresh(order, market, self.ctx.rules.gates):
            return ["no longer wanted at its limit"]
        with self.db.transaction() as tx:
            before = external.read(tx, self.ctx.name, day_start=self.ctx.day_start())
        snapshot = snapshots.market_snapshot(
            self.market, self.gateway.broker, [order.ticker], before
        )
        with self.db.transaction() as tx:
            recommendation = dispatch.lock(tx, recommended_as)
            return entry.refusals_of_resend(tx, self.ctx, order, recommendation, snapshot)
