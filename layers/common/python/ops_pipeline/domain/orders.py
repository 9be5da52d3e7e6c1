"""Orders: ids, statuses, limit prices, and when a broker's order is ours."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Literal, cast
from uuid import UUID

from ops_pipeline.domain.accounts import ExecutionMode
from ops_pipeline.domain.broker import BrokerOrder, OrderRequest, OrderType, Side, TimeInForce
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.trading_terms import Instrument, TradeReason

Purpose = Literal["entry", "exit", "stop", "adopted"]
Status = Literal[
    "intended",
    "unknown",
    "accepted",
    "partially_filled",
    "filled",
    "canceled",
    "expired",
    "rejected",
    "not_placed",
]

LIVE: frozenset[Status] = frozenset({"intended", "unknown", "accepted", "partially_filled"})
UNSETTLED: frozenset[Status] = frozenset({"intended", "unknown"})

_ENDED: dict[str, Status] = {
    "canceled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}

# How long the broker's list is watched for news of an ended order: a weekend with a holiday, and
# the trading day before it. One whose fills are missing is watched for five sessions.
WATCHED_FOR = timedelta(days=4)
FILLS_WATCHED_FOR = timedelta(days=9)

# How far our clock and the broker's may differ.
_TIME_TOLERANCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One row of `orders`; see the comments there. Quantities in shares or contracts."""

    client_order_id: str
    account_name: str
    execution_mode: ExecutionMode
    broker: str
    purpose: Purpose
    recommendation_id: int | None
    position_id: UUID | None
    attempt: int
    ticker: str
    symbol: str
    instrument_type: Instrument
    multiplier: int
    side: Side
    quantity: Decimal
    order_type: OrderType
    price: Decimal | None
    reason: TradeReason
    decided_at: datetime
    tick: datetime
    parameter_version: int | None
    time_in_force: TimeInForce = "day"
    reserved_notional: Decimal = Decimal(0)
    status: Status = "intended"
    broker_order_id: str | None = None
    filled_qty: Decimal = Decimal(0)
    filled_avg_price: Decimal | None = None
    acknowledged_at: datetime | None = None
    missed_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    terminal_at: datetime | None = None
    overfilled_at: datetime | None = None
    recovered_at: datetime | None = None
    covered_qty: Decimal = Decimal(0)
    shorted_qty: Decimal = Decimal(0)
    decision_bid: Decimal | None = None
    decision_ask: Decimal | None = None

    @property
    def live(self) -> bool:
        return self.status in LIVE

    @property
    def vanished(self) -> bool:
        """Whether it ended because its broker showed it no more, and nothing was told since."""
        acknowledged = self.broker_order_id is not None
        return self.status == "canceled" and acknowledged and self.missed_at is not None

    @property
    def simulated(self) -> bool:
        """Whether it fills at a quote here; no broker has it."""
        return self.execution_mode == "SIMULATED"

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled_qty

    def request(self) -> OrderRequest:
        """The order as it is sent to the broker."""
        return OrderRequest(
            client_order_id=self.client_order_id,
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            order_type=self.order_type,
            price=self.price,
            time_in_force=self.time_in_force,
        )


def client_order_id(
    *, deployment: str, account: str, symbol: str, tick: datetime, purpose: Purpose, attempt: int
) -> str:
    """The id of a decision: the same one twice gives the same id, which the broker refuses."""
    minute = tick.astimezone(UTC).strftime("%Y%m%dT%H%M")
    return f"{deployment}-{account}-{symbol}-{minute}-{purpose}-{attempt}"


@dataclass(frozen=True, slots=True)
class OwnOrderId:
    """What the id of an order of ours says of it."""

    symbol: str
    tick: datetime
    purpose: Purpose
    attempt: int


_AFTER_THE_ACCOUNT = re.compile(r"(.+)-(\d{8}T\d{4})-(entry|exit|stop)-([1-9]\d{0,8})", re.ASCII)


def read_client_order_id(text: str, *, deployment: str, account: str) -> OwnOrderId | None:
    """What `client_order_id` made this id of; None for an id that is not this account's.

    Another deployment's or account's order is a stranger's, and so is a hand's.
    """
    prefix = f"{deployment}-{account}-"
    found = _AFTER_THE_ACCOUNT.fullmatch(text.removeprefix(prefix))
    if found is None or not text.startswith(prefix):
        return None
    symbol, minute, purpose, attempt = found.groups()
    try:
        tick = datetime.strptime(minute, "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    return OwnOrderId(symbol, tick, cast("Purpose", purpose), int(attempt))


def is_own_kind(text: str) -> bool:
    """Whether it has the form of an id that some deployment of ours gives."""
    return _AFTER_THE_ACCOUNT.fullmatch(text) is not None


def status_of(found: BrokerOrder) -> Status | None:
    """Our status for the broker's; None if the broker's is unknown, which changes nothing."""
    if found.filled_quantity >= found.quantity:
        return "filled"
    if found.status == "working":
        return "partially_filled" if found.filled_quantity > 0 else "accepted"
    return _ENDED.get(found.status)


def may_still_fill(found: BrokerOrder) -> bool:
    """Whether the order may still fill; an unknown status counts as live.

    An order in dollars has no quantity until it is filled.
    """
    if found.quantity == 0:
        return found.status != "filled" and found.status not in _ENDED
    return (status_of(found) or "accepted") in LIVE


def status_after(order: Order, reported: Status, filled: Decimal) -> Status:
    """Our status after a report, which may be older than what we know.

    An ended order stays ended, unless the broker had never acknowledged it (refused or not
    placed) and turns out to hold it, or it had vanished and is there again.

    Args:
        reported: The broker's status in our terms.
        filled: The larger of the known and the reported quantity.
    """
    if filled >= order.quantity:
        return "filled"
    there_again = order.vanished and reported in LIVE
    if not order.live and order.broker_order_id is not None and not there_again:
        return order.status
    if reported in LIVE:
        return "partially_filled" if filled > 0 else "accepted"
    return reported


def may_be_listed(order: Order, illegible: Iterable[IllegibleItem]) -> bool:
    """Whether an illegible item of the broker's list may be the order: then it is not missing."""
    return any(
        it.may_be_order(order.client_order_id, order.broker_order_id, order.symbol)
        for it in illegible
    )


def other_terms(order: Order, found: BrokerOrder) -> str | None:
    """Which term of the broker's order under this id is not ours; None if all are.

    An adopted order has the broker's terms; one in dollars counts what it filled as its quantity.
    """
    adopted = order.purpose == "adopted"
    for name, ours, theirs in (
        ("symbol", order.symbol, found.symbol),
        ("side", order.side, found.side),
        ("quantity", found.quantity if adopted else order.quantity, found.quantity),
        ("id", order.broker_order_id or found.broker_order_id, found.broker_order_id),
    ):
        if ours != theirs:
            return f"{name}: ours {ours}, the broker's {theirs}"
    return None


def disagreement(order: Order, found: BrokerOrder) -> str | None:
    """Why the broker's order cannot be one of ours that it never acknowledged; None if it is.

    Beside the terms the time counts here: an old order under the same id is not this one.
    """
    if why := other_terms(order, found):
        return why
    if abs(found.submitted_at - order.decided_at) > _TIME_TOLERANCE:
        return f"time: ours {order.decided_at:%H:%M:%S}, the broker's {found.submitted_at:%H:%M:%S}"
    return None


def price_step(price: Decimal) -> Decimal:
    """The smallest step of a US stock's limit price: a cent from $1 on, else 0.0001."""
    return Decimal("0.01") if price >= 1 else Decimal("0.0001")


def marketable_limit(side: Side, far_side: Decimal, slippage: float) -> Decimal:
    """A limit that fills at once: the far side of the quote and a little beyond.

    Rounds against us by less than a step, so that the order stays marketable.
    """
    beyond = Decimal(str(slippage))
    if side == "buy":
        return _to_step(far_side * (1 + beyond), ROUND_CEILING)
    return _to_step(far_side * (1 - beyond), ROUND_FLOOR)


def within_collar(side: Side, limit: Decimal, anchor: Decimal, collar: float) -> Decimal:
    """The limit, at most this fraction worse for us than the anchor."""
    room = Decimal(str(collar))
    if side == "buy":
        return min(limit, _to_step(anchor * (1 + room), ROUND_FLOOR))
    return max(limit, _to_step(anchor * (1 - room), ROUND_CEILING))


def stop_price(price: Decimal) -> Decimal:
    """A stop price rounded down to a step that the broker accepts."""
    return _to_step(price, ROUND_FLOOR)


def whole_units(quantity: Decimal, *, fractional: bool) -> Decimal:
    """Round down to whole shares, or to a millionth of a share where fractions are allowed."""
    step = Decimal("0.000001") if fractional else Decimal(1)
    return quantity.quantize(step, rounding=ROUND_DOWN)


def _to_step(price: Decimal, rounding: str) -> Decimal:
    step = price_step(price)
    return (price / step).to_integral_value(rounding=rounding) * step
