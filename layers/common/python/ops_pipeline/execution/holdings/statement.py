"""One account as its broker reported it, beside our ledger of the same moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import orders, positions
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.broker import BrokerCashActivity, BrokerFill, BrokerOrder, BrokerPosition
from ops_pipeline.domain.holdings.first_look import FirstLook
from ops_pipeline.domain.legible import IllegibleItem, Listing

# A stop's fill shows in the lists; somebody's order says nothing of what we hold.
OURS_FILLING = ("entry", "exit")


@dataclass(frozen=True, slots=True)
class LedgerSymbols:
    """What we hold by symbol, and the symbols in which an order of ours may fill.

    What a person's order filled, the broker's list of orders tells before anything is compared.
    """

    held: Mapping[str, Decimal]
    live: frozenset[str]


@dataclass(frozen=True, slots=True)
class BrokerStatement:
    """One account as its broker reported it, read in this order from `asked_at` on.

    Attributes:
        since: It has all orders and fills from then on.
        before: Our ledger before the first of them was read.
        look: What was there before our first run, where this is that run.
        activities: What moved cash or shares without a trade; none where it was not asked for.
    """

    asked_at: datetime
    since: datetime
    before: LedgerSymbols
    positions: Listing[BrokerPosition]
    orders: Listing[BrokerOrder]
    fills: Listing[BrokerFill]
    positions_again: Listing[BrokerPosition]
    look: FirstLook | None = None
    activities: Sequence[BrokerCashActivity] = ()

    @property
    def illegible_positions(self) -> tuple[IllegibleItem, ...]:
        return (*self.positions.illegible, *self.positions_again.illegible)

    @property
    def illegible_orders(self) -> tuple[IllegibleItem, ...]:
        """Those that may still fill."""
        return tuple(it for it in self.orders.illegible if not it.has_ended)

    @property
    def illegible(self) -> tuple[IllegibleItem, ...]:
        """Every item that could not be read, once."""
        found = (*self.illegible_positions, *self.orders.illegible, *self.fills.illegible)
        return tuple({it.subject: it for it in found}.values())

    @property
    def subjects(self) -> list[str]:
        """Of the legible items, as an illegible one of that id or name would have it."""
        return [
            *(f"position {it.symbol}" for it in self.positions_again),
            *(
                f"order {name}"
                for it in self.orders
                for name in (it.client_order_id, it.broker_order_id)
            ),
            *(f"fill {it.fill_id}" for it in self.fills),
        ]

    def reaches(self, moment: datetime | None) -> bool:
        """Whether it tells of all that happened since; None asks for nothing."""
        return moment is None or self.since <= moment

    def traded_here(self) -> "BrokerStatement":
        """The statement without other asset classes, which are never taken for stock."""
        others = {order.broker_order_id for order in self.orders if not order.is_traded_here}
        return replace(
            self,
            positions=_securities(self.positions),
            positions_again=_securities(self.positions_again),
            orders=Listing((it for it in self.orders if it.is_traded_here), self.orders.illegible),
            fills=Listing(
                (it for it in self.fills if it.broker_order_id not in others),
                self.fills.illegible,
            ),
        )


def _securities(positions: Listing[BrokerPosition]) -> Listing[BrokerPosition]:
    return Listing((it for it in positions if it.is_traded_here), positions.illegible)


def ledger_symbols(tx: Transaction, account: str) -> LedgerSymbols:
    """The ledger before the broker is asked, to see what was settled meanwhile."""
    live = [order.symbol for order in orders.live(tx, account) if order.purpose in OURS_FILLING]
    held = {it.symbol: it.quantity for it in positions.held(tx, account)}
    return LedgerSymbols(held, frozenset(live))
