"""Sends one account's committed orders and books the broker's replies."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from ops_pipeline.db import accounts, orders
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.market import Quote, new_york_day
from ops_pipeline.domain.operations.alerts import order_vanished, sale_not_executed
from ops_pipeline.domain.orders import UNSETTLED, Order, Status, may_still_fill
from ops_pipeline.domain.simulation import simulate
from ops_pipeline.errors import (
    AccountMismatch,
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
    CommitUnknown,
    DatabaseUnavailable,
    LeaseLost,
)
from ops_pipeline.execution import settlement
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport
from ops_pipeline.execution.decisions.sending import SendWindow, SendWindowClosed, limits_of
from ops_pipeline.execution.isolation import isolated
from ops_pipeline.ports import Broker, Calendar

# One look without a result proves little, the broker may list an order late: "not there" is
# believed at the second look, this much later or more.
BELIEVED_AFTER = timedelta(seconds=60)
# Our clock and the broker's may differ: a list is read from so long before a decision on.
LISTED_BEFORE = timedelta(minutes=10)
# These concern the whole run, not one order: the next order would fare no better.
STOPS_THE_RUN = (AccountMismatch, CommitUnknown, DatabaseUnavailable, LeaseLost)


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """Whether a cancel was requested, and whether the order ended without a further fill."""

    asked: bool
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderGateway:
    """Sends, cancels and settles the orders of one account.

    Attributes:
        broker: None for a SIMULATED account, whose orders fill at a quote.
        read_after_write: The broker finds an accepted order at once when asked for it.
    """

    ctx: AccountContext
    db: UnitsOfWork
    broker: Broker | None
    calendar: Calendar
    read_after_write: bool = False

    def send(
        self, order: Order, quote: Quote | None, *, decided_at: datetime | None = None
    ) -> Status:
        """Send a committed order and book the reply, unless its time has passed meanwhile.

        Args:
            quote: What the order was priced by; a SIMULATED account fills at it.
            decided_at: When sending it was decided on; None means when it was committed.

        Returns the order's status afterwards; "unknown" when there was no answer,
        "not_placed" when it was not sent.
        """
        if order.simulated != (self.broker is None):
            # The account changed its mode between the run's first look and this order.
            reason = f"This run does not trade {order.execution_mode}"
            return self.close(order, "not_placed", reason)
        window = self._window(order, quote, decided_at or order.decided_at)
        try:
            settled = self._settled_meanwhile(order)
            if settled is not None:
                return settled
            window.require_open()
            return self._deliver(order, quote, window)
        except SendWindowClosed as closed:
            return self.close(order, "not_placed", f"Not sent: {closed}")

    def _deliver(self, order: Order, quote: Quote | None, window: SendWindow) -> Status:
        if self.broker is None:
            return self._simulate(order, quote)
        try:
            found = self.broker.submit(order.request(), partial(self._require, order, window))
        except BrokerRejected as error:
            return self.close(order, "rejected", str(error))
        except BrokerUnavailable as error:
            return self.close(order, "not_placed", f"The broker did not take it: {error}")
        except BrokerOutcomeUnknown as error:
            return self._mark_unknown(order, str(error))
        after = self.settle(order, ExecutionReport(found=found)).status
        return self._mark_unknown(order, "another order's reply") if after in UNSETTLED else after

    def _window(self, order: Order, quote: Quote | None, decided_at: datetime) -> SendWindow:
        limits = limits_of(
            order,
            decided_at=decided_at,
            quote=quote,
            session=self.calendar.session(new_york_day(decided_at)),
            lease_expires_at=self.ctx.lease_expires_at,
            rules=self.ctx.rules.gates,
        )
        return SendWindow(self.ctx.now, decided_at, limits)

    def _require(self, order: Order, window: SendWindow) -> None:
        """Raise SendWindowClosed unless the order may leave at this moment.

        Proving the account and renewing its keys take time, in which an operator may halt.
        """
        settled = self._settled_meanwhile(order)
        if settled is not None:
            raise SendWindowClosed(f"it is {settled} already")
        window.require_open()

    def _settled_meanwhile(self, order: Order) -> Status | None:
        """The status of an order that another run has settled or ended since; else None.

        Committing this look fails with LeaseLost where another run took this one over.

        Raises SendWindowClosed for an entry that may not be sent any more: its cancel was
        asked for, or its account halted or switched off.
        """
        with self.db.transaction() as tx:
            current = orders.lock(tx, order.client_order_id)
            account = accounts.load(tx, self.ctx.name) if order.purpose == "entry" else None
        if current.status not in UNSETTLED:
            return current.status
        if current.cancel_requested_at is not None:
            raise SendWindowClosed("its cancel was asked for")
        if account is not None and not account.active:
            raise SendWindowClosed("the account was switched off")
        if account is not None and account.halts(new_york_day(self.ctx.now())):
            raise SendWindowClosed("the account's entries were halted")
        return None

    def settle(self, order: Order, report: ExecutionReport) -> Order:
        """Book the broker's report on an order in a transaction of its own."""
        with self.db.transaction() as tx:
            return self.settle_in(tx, order.client_order_id, report)

    def settle_in(
        self,
        tx: Transaction,
        client_order_id: str,
        report: ExecutionReport,
        *,
        may_be_shown: bool = True,
    ) -> Order:
        """As `settle`, within a transaction; see `settlement.settle` for the arguments."""
        return settlement.settle(
            tx,
            client_order_id,
            report,
            account=self.ctx.account,
            rules=self.ctx.rules.exits,
            now=self.ctx.now(),
            may_be_shown=may_be_shown,
        )

    def close(self, order: Order, status: Status, reason: str) -> Status:
        """End an order that the broker does not hold; alerts if it was a sale.

        Returns its status afterwards: one that another run has settled since stays as it is.
        """
        now = self.ctx.now()
        with self.db.transaction() as tx:
            after = settlement.close_unfilled(
                tx,
                order.client_order_id,
                status=status,
                reason=reason,
                account=self.ctx.account,
                now=now,
            )
            if after == status and order.purpose in ("exit", "stop"):
                alerts.open_alert(tx, sale_not_executed(order, status, reason), now=now)
        self.ctx.journal.went_wrong(
            "order_not_executed", order=order.client_order_id, status=after, reason=reason
        )
        return after

    def cancel(self, order: Order) -> CancelOutcome:
        """Request a cancel and book the order's status, which alone proves that it has ended.

        Raises:
            BrokerUnavailable: it was not requested, or what came of it is not told.
            LeaseLost: the run's lease has ended, it could not put a stop back.
        """
        if self.broker is None or order.broker_order_id is None:
            return CancelOutcome(asked=False, ended=False)
        self._require_lease()
        with self.db.transaction() as tx:
            current = orders.lock(tx, order.client_order_id)
            if not current.live:
                return CancelOutcome(asked=False, ended=True)
            asked_at = current.cancel_requested_at or self.ctx.now()
            orders.save(tx, replace(current, cancel_requested_at=asked_at))
        self._require_lease()
        self.broker.cancel(order.broker_order_id)
        found = self.find(order)
        if found is None:
            return CancelOutcome(asked=True, ended=False)
        after = self.settle(order, ExecutionReport(found=found))
        # A fill before the cancel changes the quantity left to sell: decided next tick.
        ended = not after.live and after.filled_qty == order.filled_qty
        return CancelOutcome(asked=True, ended=ended)

    def _require_lease(self) -> None:
        expires_at = self.ctx.lease_expires_at
        if expires_at is not None and self.ctx.now() > expires_at:
            raise LeaseLost("the lease ended before the cancel was sent")

    def miss(self, order: Order) -> None:
        """The broker shows no trace of an order it had accepted: at the second look, it ended.

        Whatever it filled is still watched for; until then nothing of it rests at the broker,
        and what it protected or sold needs another order.
        """
        now = self.ctx.now()
        with self.db.transaction() as tx:
            current = orders.lock(tx, order.client_order_id)
            if not current.live:
                return
            if current.missed_at is None or now - current.missed_at < BELIEVED_AFTER:
                orders.save(tx, replace(current, missed_at=current.missed_at or now))
                return
            settlement.vanish(tx, current, account=self.ctx.account, now=now)
            alerts.open_alert(tx, order_vanished(current), now=now)

    def is_replaced(self, order: Order) -> bool:
        """Whether another live order of ours took the place of one that had ended here."""
        with self.db.transaction() as tx:
            live = orders.live_in_symbol(tx, order.account_name, order.symbol)
        same = (order.purpose, order.position_id)
        return order.purpose != "adopted" and same in {(it.purpose, it.position_id) for it in live}

    def end_replaced(self, order: Order, report: ExecutionReport) -> Order:
        """Cancel an order that turned up beside the one in its place; booked once it has ended.

        Raises BrokerUnavailable when it was not cancelled, or what came of it is not told.
        """
        if self.broker is None:
            return order
        self._require_lease()
        self.broker.cancel(report.found.broker_order_id)
        found = self.find(order)
        if found is None or may_still_fill(found):
            return order
        return self.settle(order, replace(report, found=found))

    def look_up(self, order: Order) -> BrokerOrder | None:
        """The order as the broker reports it; None if the broker or the account has none."""
        if self.broker is None:
            return None
        return self.broker.order_by_client_id(order.client_order_id)

    def find(self, order: Order) -> BrokerOrder | None:
        """As `look_up`; where that fails or finds nothing, the list may tell of it.

        Raises BrokerUnavailable when neither says whether there is such an order.
        """
        if self.broker is None:
            return None
        looked_up = isolated(partial(self.look_up, order), passing=STOPS_THE_RUN)
        if looked_up is not None and not isinstance(looked_up, Exception):
            return looked_up
        listed = self.broker.orders_since(order.decided_at - LISTED_BEFORE)
        found = next((it for it in listed if it.client_order_id == order.client_order_id), None)
        if found is None and isinstance(looked_up, Exception):
            raise looked_up
        return found

    def _simulate(self, order: Order, quote: Quote | None) -> Status:
        if quote is None or not quote.usable:
            return self.close(order, "not_placed", "No usable quote to simulate a fill with")
        found, fills = simulate(order, quote, self.ctx.now())
        return self.settle(order, ExecutionReport(found=found, fills=fills, simulated=True)).status

    def _mark_unknown(self, order: Order, why: str) -> Status:
        self.ctx.journal.went_wrong("order_outcome_unknown", order=order.client_order_id, error=why)
        with self.db.transaction() as tx:
            current = orders.lock(tx, order.client_order_id)
            if current.status == "intended":
                orders.save(tx, replace(current, status="unknown"))
        return "unknown"
