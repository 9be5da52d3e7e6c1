"""Keeps the rows of what was there before beside what the broker holds of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import external as rows
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, BrokerPosition
from ops_pipeline.domain.holdings.external import ExternalHolding, left_of, quantities
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.orders import may_still_fill
from ops_pipeline.domain.reconciliation import AGREED_AFTER
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.holdings.statement import BrokerStatement

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Before:
    """What was there before the first run, for one comparison.

    Attributes:
        held: Rows of which something is held.
        guarded: Symbols in which shares without an order are nobody's to take.
        undecided: Symbols of which the first look has not decided yet.
        looked_at: When it was found out; what a hand ordered and ended before is in it.
    """

    held: Sequence[ExternalHolding]
    guarded: frozenset[str]
    undecided: frozenset[str]
    looked_at: datetime | None

    @property
    def quantities(self) -> dict[str, Decimal]:
        return quantities(self.held)

    def without_its_orders(
        self, ctx: AccountContext, listed: Sequence[BrokerOrder]
    ) -> list[BrokerOrder]:
        """The orders without those of other hands that made what was there before."""
        return [
            order
            for order in listed
            if ctx.own_order(order.client_order_id) is not None or not self._made_by(order)
        ]

    def _made_by(self, order: BrokerOrder) -> bool:
        ended = not may_still_fill(order)
        before = self.looked_at is not None and order.updated_at < self.looked_at
        return (ended and before) or order.symbol in self.undecided


def read(tx: Transaction, ctx: AccountContext, statement: BrokerStatement) -> Before:
    """What was there before, after the first look was saved."""
    holdings = rows.all_of(tx, ctx.name)
    looked_at = rows.looked_at(tx, ctx.name)
    if looked_at is None and statement.look is not None:
        looked_at = statement.look.at
    return Before(
        held=[it for it in holdings if it.quantity],
        guarded=frozenset(it.symbol for it in holdings if it.guards_its_symbol),
        undecided=frozenset() if statement.look is None else statement.look.undecided,
        looked_at=looked_at,
    )


def follow(
    tx: Transaction,
    ctx: AccountContext,
    holdings: Sequence[ExternalHolding],
    positions: Mapping[str, BrokerPosition],
    *,
    ours: Mapping[str, Decimal],
    fills: Sequence[BrokerFill],
) -> None:
    """Take over prices, and let a row follow down where the operator has sold of it.

    Two looks, a minute apart, must find the same: a list may lack a position for a moment.

    Args:
        holdings: Of symbols in which nothing moves.
        positions: The broker's by symbol.
        ours: What our ledger holds by symbol.
        fills: The broker's newest, which tell what the shares were sold at.
    """
    now = ctx.now()
    for holding in holdings:
        theirs = positions.get(holding.symbol)
        there = _NONE if theirs is None else theirs.quantity
        left = left_of(holding.quantity, there - ours.get(holding.symbol, _NONE))
        if left == holding.quantity:
            rows.save(tx, _priced(_without_doubt(holding), theirs, now))
        elif _is_confirmed(holding, left, now):
            _reduce(tx, ctx, holding, left, _sold_at(holding, fills, now))
        elif holding.less_quantity != left:
            rows.save(tx, replace(holding, less_quantity=left, less_since=now))


def _is_confirmed(holding: ExternalHolding, left: Decimal, now: datetime) -> bool:
    return (
        holding.less_quantity == left
        and holding.less_since is not None
        and now - holding.less_since >= AGREED_AFTER
    )


def _without_doubt(holding: ExternalHolding) -> ExternalHolding:
    return replace(holding, less_quantity=None, less_since=None)


def _priced(
    holding: ExternalHolding, theirs: BrokerPosition | None, now: datetime
) -> ExternalHolding:
    if theirs is None or theirs.price is None:
        return holding
    return replace(holding, price=theirs.price, close_before=theirs.close_before, priced_at=now)


def _reduce(
    tx: Transaction,
    ctx: AccountContext,
    holding: ExternalHolding,
    left: Decimal,
    price: Decimal | None,
) -> None:
    now = ctx.now()
    after = replace(
        _without_doubt(holding),
        quantity=left,
        ended_at=None if left else now,
        end_kind=None if left else "sold",
    )
    gained = holding.gained(holding.quantity - left, price, now)
    rows.save(tx, after)
    rows.add_event(tx, holding, after, "reduced", price=price, day_change=gained, now=now)
    ctx.journal.happened("holding_reduced", account=ctx.name, symbol=holding.symbol, left=str(left))


def _sold_at(
    holding: ExternalHolding, fills: Sequence[BrokerFill], now: datetime
) -> Decimal | None:
    """The average price of today's sales of it (purchases, of a short); None without one."""
    side = "sell" if holding.quantity > 0 else "buy"
    day = new_york_day(now)
    of_it = [
        it
        for it in fills
        if it.symbol == holding.symbol and it.side == side and new_york_day(it.executed_at) == day
    ]
    units = sum((it.quantity for it in of_it), _NONE)
    return sum((it.quantity * it.price for it in of_it), _NONE) / units if units else None
