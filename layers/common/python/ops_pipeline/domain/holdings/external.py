"""What an account held before its first run: which shares those are, and what they gained today.

Shares of a symbol are one lot at the broker. Ours are those that our own orders account for, what
was there before is left alone, and what is more than both was bought by hand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from ops_pipeline.domain.broker import BrokerPosition
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.trading_terms import multiplier_of

EndKind = Literal["sold", "adopted", "rebound", "renamed"]
_NONE = Decimal(0)
_NOTHING: Mapping[str, Decimal] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalHolding:
    """One row of `external_holdings`. Shares, below 0 for a short; USD a share.

    Attributes:
        quantity: What is left alone now; 0 when it has ended.
        price, close_before: The broker's newest price, and the close before `priced_at`.
        less_quantity, less_since: What the last look found, and since when, where it was less.
        end_kind: How it ended; None while it is held.
    """

    account_name: str
    symbol: str
    asset_class: str
    quantity: Decimal
    quantity_found: Decimal
    average_cost: Decimal
    price_found: Decimal | None
    found_at: datetime
    tick: datetime
    price: Decimal | None
    close_before: Decimal | None
    priced_at: datetime | None
    less_quantity: Decimal | None = None
    less_since: datetime | None = None
    ended_at: datetime | None = None
    end_kind: EndKind | None = None

    @property
    def guards_its_symbol(self) -> bool:
        """Whether shares that no order explains are not ours to take: a split may have made them.

        Also after it was sold: a list that lacked it for a while may show it again.
        """
        return self.end_kind != "adopted"

    def gained(self, quantity: Decimal, price: Decimal | None, now: datetime) -> Decimal | None:
        """What that many of its shares gained today at that price, USD; None: it is not known."""
        known = self.priced_at is not None and new_york_day(self.priced_at) == new_york_day(now)
        if price is None or self.close_before is None or not known:
            return None
        return quantity * (price - self.close_before) * multiplier_of(self.symbol)


def found(
    account: str, theirs: BrokerPosition, quantity: Decimal, *, at: datetime, tick: datetime
) -> ExternalHolding:
    """The row for that many shares of a position."""
    told = theirs.price is not None or theirs.close_before is not None
    return ExternalHolding(
        account_name=account,
        symbol=theirs.symbol,
        asset_class=theirs.asset_class,
        quantity=quantity,
        quantity_found=quantity,
        average_cost=theirs.average_entry_price,
        price_found=theirs.price,
        found_at=at,
        tick=tick,
        price=theirs.price,
        close_before=theirs.close_before,
        priced_at=at if told else None,
    )


def left_of(recorded: Decimal, there: Decimal) -> Decimal:
    """What is left of a recorded quantity where that many are there: never more, never turned."""
    if recorded > 0:
        return min(max(there, _NONE), recorded)
    return max(min(there, _NONE), recorded)


def adjusted(holding: ExternalHolding, quantity: Decimal, ratio: Decimal) -> ExternalHolding:
    """The holding in the shares after a corporate action: other numbers at the same cost.

    Args:
        quantity: Shares there are now.
        ratio: New shares for an old one.
    """

    def restated(price: Decimal | None) -> Decimal | None:
        return None if price is None else price / ratio

    return replace(
        holding,
        quantity=quantity,
        quantity_found=holding.quantity_found * ratio,
        average_cost=holding.average_cost / ratio,
        price_found=restated(holding.price_found),
        price=restated(holding.price),
        close_before=restated(holding.close_before),
        less_quantity=None,
        less_since=None,
    )


def besides(
    theirs: Mapping[str, Decimal], ours: Mapping[str, Decimal], external: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """The broker's quantities without what was there before.

    Where fewer are there than both together, the operator has sold of what was there before.
    """
    without = {}
    for symbol, there in theirs.items():
        mine, recorded = ours.get(symbol, _NONE), external.get(symbol, _NONE)
        rest = there - left_of(recorded, there - mine)
        if rest or symbol in ours:
            without[symbol] = rest
    return without


def quantities(holdings: Iterable[ExternalHolding]) -> dict[str, Decimal]:
    """By symbol, of those that are held."""
    return {it.symbol: it.quantity for it in holdings if it.quantity}


def day_change(
    holdings: Sequence[ExternalHolding],
    positions: Sequence[BrokerPosition],
    sold: Decimal | None,
    *,
    today: date,
    restated: Mapping[str, Decimal] = _NOTHING,
) -> Decimal | None:
    """What was there before has gained since the last close, USD, below 0 for a loss.

    Positions of a class that is not traded here count whole. None where the broker does not
    say, or shows fewer shares than are recorded: what those were sold at is not known yet.

    Args:
        sold: What those had gained that were sold or adopted today; None: it is not known.
        today: Their New York day.
        restated: What makes yesterday's price one of today's shares, by symbol.
    """
    listed = {it.symbol: it for it in positions}
    parts = [sold] + [it.day_gain for it in positions if not it.is_traded_here]
    for holding in holdings:
        theirs = listed.get(holding.symbol)
        if not holding.quantity or (theirs is not None and not theirs.is_traded_here):
            continue
        factor = restated.get(holding.symbol)
        parts.append(None if theirs is None else _gain_of(holding, theirs, today, factor))
    known = [part for part in parts if part is not None]
    return sum(known, _NONE) if len(known) == len(parts) else None


def _gain_of(
    holding: ExternalHolding, theirs: BrokerPosition, today: date, factor: Decimal | None
) -> Decimal | None:
    if factor is not None:
        return _gain_over_action(holding, theirs, factor)
    if left_of(holding.quantity, theirs.quantity) != holding.quantity:
        return None
    if theirs.quantity == holding.quantity and new_york_day(holding.found_at) == today:
        # Some of it may have been bought today, before the first run.
        return theirs.day_gain
    if theirs.price is None or theirs.close_before is None:
        return theirs.day_gain if theirs.quantity == holding.quantity else None
    change = theirs.price - theirs.close_before
    return holding.quantity * change * multiplier_of(holding.symbol)


def _gain_over_action(
    holding: ExternalHolding, theirs: BrokerPosition, factor: Decimal
) -> Decimal | None:
    """The gain since the last close over a corporate action of today.

    Brokers tell that close in the shares of then or of now: the one nearer to the price is meant.
    None while the shares are not those of the row, which is adjusted first.
    """
    if theirs.price is None or theirs.close_before is None or theirs.quantity != holding.quantity:
        return None
    price, closes = theirs.price, (theirs.close_before, theirs.close_before * factor)
    close = min(closes, key=lambda it: abs(it - price))
    return holding.quantity * (price - close)
