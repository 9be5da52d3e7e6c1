"""Transaction cost analysis: what an order cost against the market it was decided on."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain.market import NEW_YORK

_SPREADS_BPS = (1, 2, 5, 10, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedOrder:
    """One order from its tick to its last fill; None is unknown.

    Attributes:
        price: Its limit or stop, USD; None for a market order.
        bid, ask: The last quote that was stored before it was decided, USD.
        arrival_bid, arrival_ask: The last one before the broker had it.
        fill_price: Average of its fills, USD.
        filled_at, recorded_at: When its first fill was done, and when it was stored.
    """

    client_order_id: str
    account: str
    ticker: str
    symbol: str
    purpose: str
    side: str
    tick: datetime
    decided_at: datetime
    acknowledged_at: datetime | None
    quantity: Decimal
    filled: Decimal
    price: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    arrival_bid: Decimal | None
    arrival_ask: Decimal | None
    fill_price: Decimal | None
    filled_at: datetime | None
    recorded_at: datetime | None

    @property
    def decision_mid(self) -> Decimal | None:
        return _mid(self.bid, self.ask)

    @property
    def arrival_mid(self) -> Decimal | None:
        return _mid(self.arrival_bid, self.arrival_ask)

    @property
    def half_spread_bps(self) -> float | None:
        """What crossing the quoted spread costs: the fill rule of replays and backtests."""
        mid = self.decision_mid
        if mid is None or self.ask is None:
            return None
        return _bps(self.ask - mid, mid)

    @property
    def shortfall_bps(self) -> float | None:
        """Fill against the mid at the decision, a cost above zero; of what was filled.

        The execution part of Perold's implementation shortfall (1988, The implementation
        shortfall: paper versus reality); what was not filled is told by the fill rate.
        """
        return self._cost_bps(self.decision_mid)

    @property
    def slippage_bps(self) -> float | None:
        """Fill against the mid when the broker had the order, a cost above zero."""
        return self._cost_bps(self.arrival_mid)

    @property
    def beyond_model_bps(self) -> float | None:
        """What the fill cost beyond half the quoted spread."""
        shortfall, half = self.shortfall_bps, self.half_spread_bps
        return None if shortfall is None or half is None else shortfall - half

    def _cost_bps(self, mid: Decimal | None) -> float | None:
        if mid is None or self.fill_price is None:
            return None
        paid = self.fill_price - mid if self.side == "buy" else mid - self.fill_price
        return _bps(paid, mid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Of a group of orders: medians, in basis points and seconds; None is unknown.

    Attributes:
        unfilled: Orders of which nothing was filled.
        fill_rate: Filled over asked for, by quantity, a share of 1.
        priced: Orders whose fill and decision mid are both known: what the medians are of.
        decided_s: From the tick to the decision.
        acknowledged_s: From there until the broker had it.
        filled_s: From there to the first fill.
        recorded_s: From there until it was stored.
    """

    orders: int
    unfilled: int
    fill_rate: float | None
    priced: int
    shortfall_bps: float | None
    half_spread_bps: float | None
    beyond_model_bps: float | None
    slippage_bps: float | None
    decided_s: float | None
    acknowledged_s: float | None
    filled_s: float | None
    recorded_s: float | None


GROUPS: Mapping[str, Callable[[TracedOrder], str]] = {
    "purpose": lambda order: f"{order.purpose} {order.side}",
    "hour": lambda order: f"{order.decided_at.astimezone(NEW_YORK):%H}:00",
    "spread": lambda order: _spread_range(order.half_spread_bps),
    "ticker": lambda order: order.ticker,
    "account": lambda order: order.account,
}


def quality(orders: Sequence[TracedOrder]) -> Quality:
    asked = sum((order.quantity for order in orders), Decimal(0))
    filled = sum((order.filled for order in orders), Decimal(0))
    priced = [order for order in orders if order.shortfall_bps is not None]
    return Quality(
        orders=len(orders),
        unfilled=len([order for order in orders if order.filled == 0]),
        fill_rate=float(filled / asked) if asked else None,
        priced=len(priced),
        shortfall_bps=_median(order.shortfall_bps for order in priced),
        half_spread_bps=_median(order.half_spread_bps for order in priced),
        beyond_model_bps=_median(order.beyond_model_bps for order in priced),
        slippage_bps=_median(order.slippage_bps for order in priced),
        decided_s=_median(_seconds(it.tick, it.decided_at) for it in orders),
        acknowledged_s=_median(_seconds(it.decided_at, it.acknowledged_at) for it in orders),
        filled_s=_median(_seconds(it.acknowledged_at, it.filled_at) for it in orders),
        recorded_s=_median(_seconds(it.filled_at, it.recorded_at) for it in orders),
    )


def grouped(orders: Iterable[TracedOrder], by: str) -> dict[str, Quality]:
    """The quality of each group, by its name.

    Raises:
        KeyError: orders are not grouped by that; see GROUPS.
    """
    key = GROUPS[by]
    groups: dict[str, list[TracedOrder]] = {}
    for order in orders:
        groups.setdefault(key(order), []).append(order)
    return {name: quality(groups[name]) for name in sorted(groups)}


def _mid(bid: Decimal | None, ask: Decimal | None) -> Decimal | None:
    return None if bid is None or ask is None else (bid + ask) / 2


def _bps(amount: Decimal, of: Decimal) -> float:
    return float(amount / of) * 10_000


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _spread_range(half_spread_bps: float | None) -> str:
    """The whole spread's range, written so that names sort by size."""
    if half_spread_bps is None:
        return "unknown"
    for bound in _SPREADS_BPS:
        if 2 * half_spread_bps < bound:
            return f"< {bound:2} bps"
    return f">={_SPREADS_BPS[-1]} bps"
