"""Equity, margin and buying power of an account. Pure; USD.

Reg T as Alpaca applies it: under 2,000 USD of equity there is no margin, from there on
stock is margined at half its value. Interest only comes through `cash_activities`, fees through
`fees.charging` as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ops_local.exchange.records import ExchangeOrder, Holding

MARGIN_FROM_EQUITY = Decimal(2000)
MAINTENANCE_SHARE = Decimal("0.30")


@dataclass(frozen=True, slots=True)
class Balances:
    """What an account has.

    Attributes:
        long_market_value: Of all holdings.
        unmarginable: The part of it that is not collateral: other asset classes than shares.
        reserved: What open buy orders reserve.
    """

    cash: Decimal
    long_market_value: Decimal
    unmarginable: Decimal
    reserved: Decimal

    @property
    def equity(self) -> Decimal:
        return self.cash + self.long_market_value

    @property
    def multiplier(self) -> int:
        return 2 if self.equity >= MARGIN_FROM_EQUITY else 1

    @property
    def initial_margin(self) -> Decimal:
        """Equity tied up in holdings and open buy orders."""
        if self.multiplier == 1:
            return self.long_market_value + self.reserved
        return (self._shares + self.reserved) / 2 + self.unmarginable

    @property
    def maintenance_margin(self) -> Decimal:
        share = Decimal(1) if self.multiplier == 1 else MAINTENANCE_SHARE
        return self._shares * share + self.unmarginable

    @property
    def _shares(self) -> Decimal:
        return self.long_market_value - self.unmarginable

    @property
    def buying_power(self) -> Decimal:
        return self.options_buying_power * self.multiplier

    @property
    def options_buying_power(self) -> Decimal:
        """Options are paid in full, so this is the equity that is not tied up."""
        return max(self.equity - self.initial_margin, Decimal(0))

    @property
    def non_marginable_buying_power(self) -> Decimal:
        return max(self.cash - self.reserved, Decimal(0))


def balances(
    cash: Decimal,
    holdings: Iterable[Holding],
    prices: Mapping[str, Decimal],
    live_orders: Iterable[ExchangeOrder],
    *,
    unmarginable: Decimal = Decimal(0),
) -> Balances:
    """Compute an account's balances.

    Args:
        prices: The mark of every symbol held.
        live_orders: All open orders of the account.
        unmarginable: Value of holdings in other asset classes, USD.
    """
    return Balances(
        cash=cash,
        long_market_value=sum(
            (holding.qty * prices[holding.symbol] for holding in holdings), unmarginable
        ),
        unmarginable=unmarginable,
        reserved=sum((order.reserved for order in live_orders), Decimal(0)),
    )


def held_for_sale(live_orders: Iterable[ExchangeOrder], symbol: str) -> int:
    """Shares of a symbol that open sell orders have reserved."""
    return sum(
        order.remaining for order in live_orders if order.side == "sell" and order.symbol == symbol
    )
