"""Whether the shares that a broker shows may be what a corporate action made of ours."""

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.market import Quotes, new_york_day

# Brokers round fractions of shares.
_PLACES = (Decimal("0.000000001"), Decimal("0.000001"), Decimal("0.0001"))
# The broker rounds its average price, and may round what a share cost.
COST_WITHIN = Decimal("0.01")
# A change of numbers or prices by less than this is no split that anybody announces.
_LEAST_CHANGE = Decimal("0.02")
# A ratio that is read from rounded prices is one of small numbers, as issuers choose them.
_PLAINEST = 100
# A smaller split and a bad morning can't be told apart by the price.
_CLEAR_RATIO = Decimal("1.5")
# How far a share's price of today may be from the last one that is known, in shares of today.
_NEAR = Decimal("0.25")
# Wider quotes, as before the open, say nothing.
_WIDEST = Decimal("0.1")


def is_split_like(position: Position, held: Decimal, price: Decimal) -> bool:
    """Whether the broker counts other shares that cost the same in all: as after a split.

    Args:
        held: Shares at the broker.
        price: What one of them cost on average by the broker, USD.
    """
    if position.instrument_type != "STOCK":
        return False
    return cost_the_same(position.quantity, position.entry_price, held, price)


def cost_the_same(quantity: Decimal, entry_price: Decimal, held: Decimal, price: Decimal) -> bool:
    """Whether so many shares at the one price became others at the other: as after a split."""
    if quantity <= 0 or held <= 0:
        return False
    change, shift = held / quantity - 1, price / entry_price - 1
    if min(abs(change), abs(shift)) < _LEAST_CHANGE or (change > 0) == (shift > 0):
        return False
    ours = quantity * entry_price
    cost = held * price
    # What is over whole shares is paid out: at most one share's cost is missing.
    least = ours - price
    within = ours * COST_WITHIN
    return least - within <= cost <= ours + within


def rates_shown(
    position: Position, held: Decimal, price: Decimal
) -> tuple[Decimal, Decimal] | None:
    """Old and new rate of a split, by what a share costs at the broker; None: no plain ratio.

    A fraction that is paid out changes how many shares are held, and not what one of them costs.
    """
    for old, new in (_plain(position.entry_price / price), (position.quantity, held)):
        if held in possible_quantities(position.quantity * new / old):
            paid_out = position.quantity * new / old - held
            cost = (held + paid_out) * price
            ours = position.quantity * position.entry_price
            if abs(cost - ours) <= ours * COST_WITHIN:
                return old, new
    return None


def _plain(ratio: Decimal) -> tuple[Decimal, Decimal]:
    """The nearest ratio of small numbers, as old and new rate."""
    if ratio < 1:
        inverse = Fraction(1 / ratio).limit_denominator(_PLAINEST)
        return Decimal(inverse.numerator), Decimal(inverse.denominator)
    found = Fraction(ratio).limit_denominator(_PLAINEST)
    return Decimal(found.denominator), Decimal(found.numerator)


def is_rounded_up(wanted: Decimal, held: Decimal, ours: Decimal, theirs: Decimal) -> bool:
    """Whether a fraction became a whole share, as some issuers do where they pay no cash.

    Args:
        ours, theirs: What all shares cost here and by the broker, USD: a share that somebody
            bought beside them costs more.
    """
    return held == wanted.to_integral_value(ROUND_CEILING) and abs(theirs - ours) <= (
        ours * COST_WITHIN
    )


def possible_quantities(wanted: Decimal) -> frozenset[Decimal]:
    """What a broker may hold of so many shares: all, the whole ones, or a rounded fraction."""
    rounded = {
        wanted.quantize(step, mode) for step in _PLACES for mode in (ROUND_DOWN, ROUND_HALF_EVEN)
    }
    return frozenset({wanted, wanted.to_integral_value(ROUND_FLOOR), *rounded})


def prices_told(quotes: Quotes, symbol: str, today: date) -> list[Decimal]:
    """What the market says of a symbol today: its last trade, and a narrow quote, USD a share."""
    told = []
    trade, quote = quotes.trades.get(symbol), quotes.get(symbol)
    if trade is not None and new_york_day(trade.ts) == today:
        told.append(trade.price)
    if quote is not None and quote.usable and new_york_day(quote.ts) == today:
        narrow = quote.ask - quote.bid <= _WIDEST * quote.mid
        told += [quote.mid] if narrow else []
    return told


def says_market(position: Position, ratio: Decimal, prices: Sequence[Decimal]) -> bool:
    """Whether all these prices are of shares of which there are `ratio` for each of ours.

    Without a price nothing is said.
    """
    known = position.current_price or position.entry_price
    near = all(abs(price * ratio / known - 1) <= _NEAR for price in prices)
    return bool(prices) and near and ratio >= _CLEAR_RATIO
