"""What a broker or a simulation reports of one order, made whole by its fills."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.domain.operations.unbooked import why_not_of
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.trading_terms import Evidence

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport:
    """The state of one order by its broker or a simulation, with its executions."""

    found: BrokerOrder
    fills: Sequence[BrokerFill] = ()
    simulated: bool = False

    @property
    def evidence(self) -> Evidence:
        return "simulated" if self.simulated else "broker"

    def first_fill_at(self) -> datetime:
        return min((fill.executed_at for fill in self.fills), default=self.found.updated_at)

    def last_fill_at(self) -> datetime:
        return max((fill.executed_at for fill in self.fills), default=self.found.updated_at)


def own_fills(found: BrokerOrder, fills: Sequence[BrokerFill]) -> list[BrokerFill]:
    """Those that do not contradict the order that they name; the others are never booked on it."""
    return [fill for fill in fills if why_not_of(fill, found.symbol, found.side) is None]


def report_of(found: BrokerOrder, fills: Sequence[BrokerFill]) -> ExecutionReport:
    """The broker's view of an order with all its fills, which may know more than the order does."""
    own = own_fills(found, fills)
    filled = sum((fill.quantity for fill in own), _NONE)
    priced = found.filled_average_price is not None
    if filled > found.filled_quantity or (own and not priced and filled == found.filled_quantity):
        value = sum((fill.quantity * fill.price for fill in own), _NONE)
        found = replace(found, filled_quantity=filled, filled_average_price=value / filled)
    return ExecutionReport(found=found, fills=own)


def beyond_limit(order: Order, report: ExecutionReport) -> Decimal | None:
    """The worst price that is worse than the order's limit, USD; None where all kept to it.

    One execution counts by itself: the others may hide it in the average. Where executions are
    not told yet the average counts.
    """
    if order.order_type != "limit" or order.price is None or report.found.filled_quantity <= 0:
        return None
    told = [fill.price for fill in report.fills]
    average = report.found.filled_average_price
    if sum((fill.quantity for fill in report.fills), _NONE) < report.found.filled_quantity:
        told += [] if average is None else [average]
    if order.side == "buy":
        return max((price for price in told if price > order.price), default=None)
    return min((price for price in told if price < order.price), default=None)


def what_has_a_price(report: ExecutionReport) -> ExecutionReport:
    """The report, without what it calls filled at no price: that waits for its fills.

    Until then the order counts as one that may still fill, so that it is asked for again.
    """
    found = report.found
    if found.filled_quantity <= 0 or found.filled_average_price is not None:
        return report
    filled = sum((fill.quantity for fill in report.fills), _NONE)
    value = sum((fill.quantity * fill.price for fill in report.fills), _NONE)
    average = value / filled if filled else None
    told = replace(found, status="working", filled_quantity=filled, filled_average_price=average)
    return replace(report, found=told)
