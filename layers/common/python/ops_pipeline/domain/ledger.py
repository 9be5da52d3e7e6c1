"""Views of the ledger that decisions are made on: of an account, and of one order.

Decisions take these views and return changes. Postgres fills the views and saves the
changes; any other store that does both gives the same results.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.corporate.adjustments import Adjustment
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.market_state.event_dates import EventDate
from ops_pipeline.domain.market_state.trading_halts import TradingHalt
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.prices.bar_age import UNCOVERED, BarCoverage
from ops_pipeline.domain.trading_terms import Strategy


@dataclass(frozen=True, slots=True)
class Holdings:
    """An account's positions and pending entries. USD at entry cost.

    Attributes:
        symbols: Open, closing or being entered.
        kinds: The same holdings as ticker and instrument type.
        costs: By symbol: what is held at cost, and what live entries reserve.
        unacknowledged: Reserved by entries that the broker has not acknowledged.
    """

    symbols: frozenset[str]
    kinds: frozenset[tuple[str, str]]
    costs: Mapping[str, Decimal]
    unacknowledged: Decimal

    @property
    def exposure(self) -> Decimal:
        return sum(self.costs.values(), Decimal(0))

    def without(self, entry: Order) -> "Holdings":
        """The holdings without what this unacknowledged entry reserves.

        Its symbol is held all the same where something else of it is.
        """
        left = self.costs.get(entry.symbol, Decimal(0)) - entry.reserved_notional
        others = {symbol: cost for symbol, cost in self.costs.items() if symbol != entry.symbol}
        unacknowledged = self.unacknowledged - entry.reserved_notional
        if left > 0:
            costs = {**others, entry.symbol: left}
            return replace(self, costs=costs, unacknowledged=unacknowledged)
        return Holdings(
            symbols=self.symbols - {entry.symbol},
            kinds=self.kinds - {(entry.ticker, entry.instrument_type)},
            costs=others,
            unacknowledged=unacknowledged,
        )


def costs_by_symbol(costs: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """The costs of several rows of a symbol, added up."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for symbol, cost in costs:
        found[symbol] += cost
    return dict(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """One account and one ticker. USD; percent for results, newest last; None is unknown.

    Attributes:
        account: Its limits and halts, read at the same moment.
        pnl_today: Realised and unrealised since the day began.
        entries_in_ticker, entries_in_account: Today's entries that are live or filled.
        vix: Day and value of the newest stored close before today.
        bar_at, features_at: Of the ticker's newest bar and features of the day.
        bar_close: Of that bar, USD.
        guard_ran_at: Tick of the newest succeeded run of its position manager today.
        attempts: Orders that the recommendation has had already.
        open_symbols: Of positions that were stored before the broker was asked for its lists
            and are still open, except those of which a listed sale is not booked yet.
        left_alone: Symbols that the account held before its first run; None: not known yet.
        trading_halts: Of the ticker and of the whole market: those that stand or ended lately.
        events: Of the ticker and of the whole market, within what the query asked for.
        closing: Who asked to close the ticker or everything, and why; until it is done.
        corporate: What of corporate actions is not settled in the ticker, or may end it.
        bar_coverage: Up to when the ticker's bars were asked for, and the market's newest bar.
    """

    account: Account
    holdings: Holdings
    account_results: tuple[float, ...]
    ticker_results: tuple[float, ...]
    last_exit_in_ticker: datetime | None
    pnl_today: Decimal
    entries_in_ticker: int
    entries_in_account: int
    last_trade_at: datetime | None
    vix: tuple[date, float] | None
    bar_at: datetime | None
    bar_close: Decimal | None
    features_at: datetime | None
    guard_ran_at: datetime | None
    attempts: int
    open_symbols: frozenset[str]
    left_alone: frozenset[str] | None
    closing: tuple[str, ...]
    trading_halts: tuple[TradingHalt, ...]
    events: tuple[EventDate, ...]
    corporate: tuple[str, ...] = ()
    bar_coverage: BarCoverage = UNCOVERED

    def without(self, entry: Order) -> "LedgerView":
        """The view as it was before an entry of this ticker, still unacknowledged, was made.

        It counts among the entries of the day that it was decided on.
        """
        return replace(
            self,
            holdings=self.holdings.without(entry),
            entries_in_ticker=max(self.entries_in_ticker - 1, 0),
            entries_in_account=max(self.entries_in_account - 1, 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """What one order sold of a position.

    Attributes:
        fills: Quantity and price of its recorded fills, by fill id.
        beyond: Of `filled_qty`, what exceeds the position: a short, no part of its result.
    """

    client_order_id: str
    filled_qty: Decimal
    filled_avg_price: Decimal | None
    fills: Mapping[str, tuple[Decimal, Decimal]]
    beyond: Decimal = Decimal(0)

    @property
    def quantity(self) -> Decimal:
        """Units of the position itself."""
        return self.filled_qty - self.beyond

    @property
    def value(self) -> Decimal:
        """Units of the position x price, USD a share; by its fills where all are recorded."""
        if sum((units for units, _ in self.fills.values()), Decimal(0)) == self.filled_qty:
            whole = sum((units * price for units, price in self.fills.values()), Decimal(0))
        else:
            whole = self.filled_qty * (self.filled_avg_price or Decimal(0))
        return whole if self.beyond == 0 else whole * self.quantity / self.filled_qty


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """One order with the rows that a report on it may change.

    Attributes:
        position: The open position that a buy adds to, or the one that a sale sells, also
            when it is closed by now; None without one.
        beside: The open position in the symbol where a sale's own is closed, or it has none:
            what the sale sells beyond its own, it sells of this one.
        strategy: Of the recommendation that an entry executes.
        sales: Every order that sells the open one of them, this one included.
        contained_in: The position that shows what the order filled already: its quantity was
            taken from the broker's list since.
        short: What was sold in the symbol and nobody held, for a person's buy to cover.
        sells_of_others: What a person's sale sells is none of ours, nor is a short that it leaves.
        adjustments: What corporate actions did to the open one of them, oldest first.
        held_back: Its shares may not be those at the broker, so that nothing proves a result.
    """

    order: Order
    position: Position | None = None
    beside: Position | None = None
    strategy: Strategy | None = None
    sales: Sequence[Sale] = ()
    contained_in: Position | None = None
    short: Decimal = Decimal(0)
    sells_of_others: bool = False
    adjustments: Sequence[Adjustment] = ()
    held_back: bool = False
