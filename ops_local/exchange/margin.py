"""Equity, margin and buying power of an account. Pure; USD.

Reg T as Alpaca applies it: under 2,000 USD of equity there is no margin, from there on
stock is margined at half its value. Fees and interest only come through `cash_activities`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ops_local.exchange.records import ExchangeOrder, Holding

MARGIN_FROM_EQUITY = Decimal(2000)
MAINTENANCE_SHARE = Decimal("0.30")


@dataclass(frozen=True, slots=True)
class Balances:
    """`reserved` is what open buy orders reserve; buying power is never negative."""

    cash: Decimal
    long_market_value: Decimal
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
        return (self.long_market_value + self.reserved) / 2

    @property
    def maintenance_margin(self) -> Decimal:
        share = Decimal(1) if self.multiplier == 1 else MAINTENANCE_SHARE
        return self.long_market_value * share

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
) -> Balances:
    """Compute an account's balances.

    Args:
        prices: The mark of every symbol held.
        live_orders: All open orders of the account.
    """
    return Balances(
        cash=cash,
        long_market_value=sum(
            (holding.qty * prices[holding.symbol] for holding in holdings), Decimal(0)
        ),
        reserved=sum((order.reserved for order in live_orders), Decimal(0)),
    )


def held_for_sale(live_orders: Iterable[ExchangeOrder], symbol: str) -> int:
    """Shares of a symbol that open sell orders have reserved."""
    return sum(
        order.remaining for order in live_orders if order.side == "sell" and order.symbol == symbol
    )
