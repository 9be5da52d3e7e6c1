"""What executions are charged: by execution, by day and account, and each order's share of it.

A broker accrues each fee over the day and charges an account its sum, rounded up to the cent,
once a day and fee (Alpaca: "Regulatory fees"). So a single share sold costs a whole cent of
each fee, and the second one often nothing: only the day's sum is known to the cent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ops_pipeline.domain.broker import Side
from ops_pipeline.domain.costs.fee_table import (
    FEE_KINDS,
    FeeInstrument,
    FeeRate,
    FeeTable,
    fee_table,
)
from ops_pipeline.domain.trading_terms import FeeKind

_NONE = Decimal(0)
_CENT = Decimal("0.01")
# Shares of a cent are stored to a millionth of a dollar.
_GRAIN = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTrade:
    """One execution, or several of one order and day.

    Attributes:
        order: What the fees are allocated to, such as a client_order_id.
        day: The trade date in New York.
        quantity: Shares or contracts, >= 0.
        value: Quantity x price x multiplier, USD, >= 0.
        multiplier: Shares that one unit stands for: 1, or 100 for a contract.
    """

    order: str
    day: date
    side: Side
    quantity: Decimal
    value: Decimal
    multiplier: int = 1

    @property
    def instrument(self) -> FeeInstrument:
        return "stock" if self.multiplier == 1 else "option"


def accrued(trade: FeeTrade, table: FeeTable | None = None) -> dict[FeeKind, Decimal]:
    """What a trade adds to the day's fees, unrounded, USD; fees of rate 0 included.

    Raises:
        NoFeeRate: a fee that is charged on such trades has no rate for its day.
    """
    known = fee_table() if table is None else table
    rates = known.rates_on(trade.day, trade.instrument, trade.side)
    return {rate.kind: _amount(rate, trade) for rate in rates}


def charged(amount: Decimal) -> Decimal:
    """What an account is charged for a day's accrued amount of one fee: rounded up to the cent."""
    return amount.quantize(_CENT, rounding=ROUND_CEILING)


def day_fees(trades: Iterable[FeeTrade], table: FeeTable | None = None) -> dict[FeeKind, Decimal]:
    """What one account is charged for one day's trades, USD by fee; those that are 0 left out.

    Raises:
        ValueError: the trades are of several days.
        NoFeeRate: as `accrued`.
    """
    each = list(trades)
    if len({trade.day for trade in each}) > 1:
        raise ValueError("fees are charged a day: these trades are of several")
    amounts = [accrued(trade, table) for trade in each]
    sums = {kind: sum((it.get(kind, _NONE) for it in amounts), _NONE) for kind in FEE_KINDS}
    return {kind: charged(amount) for kind, amount in sums.items() if amount > 0}


def order_fees(
    trades: Sequence[FeeTrade], table: FeeTable | None = None
) -> dict[str, dict[FeeKind, Decimal]]:
    """Each order's share of what one account is charged for one day's trades, USD.

    The shares of a fee add up to what is charged.

    Raises:
        ValueError, NoFeeRate: as `day_fees`.
    """
    shares: dict[str, dict[FeeKind, Decimal]] = {trade.order: {} for trade in trades}
    parts: dict[FeeKind, dict[str, Decimal]] = {kind: {} for kind in FEE_KINDS}
    for trade in trades:
        for kind, amount in accrued(trade, table).items():
            parts[kind][trade.order] = parts[kind].get(trade.order, _NONE) + amount
    for kind, total in day_fees(trades, table).items():
        for order, share in allocated(total, parts[kind]).items():
            shares[order][kind] = share
    return shares


def allocated(total: Decimal, parts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Split what was charged in proportion to what each order had accrued, to the last grain.

    Whoever accrued more never gets less. Each share is rounded down to a millionth of a dollar;
    what is left over goes, one millionth each, to the largest parts, by name among equals.

    Args:
        total: What was charged, USD, in whole cents.
        parts: Accrued by order, USD, >= 0.

    Raises:
        ValueError: nothing accrued, so that the charge belongs to no order.
    """
    whole = sum(parts.values(), _NONE)
    if whole <= 0:
        raise ValueError("what was charged belongs to no order")
    shares = {
        order: (total * part / whole).quantize(_GRAIN, rounding=ROUND_FLOOR)
        for order, part in parts.items()
    }
    grains = int((total - sum(shares.values(), _NONE)) / _GRAIN)
    largest = sorted(parts, key=lambda order: (-parts[order], order))
    for order in largest[:grains]:
        shares[order] += _GRAIN
    return shares


def _amount(rate: FeeRate, trade: FeeTrade) -> Decimal:
    units = {
        "value": trade.value,
        "share": trade.quantity,
        "contract": trade.quantity,
        "equivalent": trade.quantity * trade.multiplier,
    }[rate.basis]
    amount = units * rate.rate
    return amount if rate.cap is None else min(amount, rate.cap)
