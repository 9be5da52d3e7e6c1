"""Quotes and broker data fetched for one run; None is unknown, and refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.market import Quotes, Session

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class BrokerLists:
    """The broker's lists of positions and orders, read in this order from `at` on.

    Attributes:
        positions: Cost of each position by symbol, USD, without what was there before.
        buying: What resting buys may still cost by symbol, USD; None for an order without a price.
        shorting: What resting sales may sell beyond what is held, likewise.
        sold: client_order_ids of sales with a fill.
        listed: client_order_ids of all orders of the last days, and of those that rest.
        since: No order in the lists is older.
        illegible: Positions, and orders that may still fill, that could not be read.
    """

    at: datetime
    positions: Mapping[str, Decimal]
    buying: Mapping[str, Decimal | None]
    shorting: Mapping[str, Decimal | None]
    sold: frozenset[str]
    listed: frozenset[str]
    since: datetime
    illegible: tuple[IllegibleItem, ...] = ()

    @property
    def symbols(self) -> frozenset[str]:
        """What is held or may come to be."""
        return frozenset({*self.positions, *self.buying, *self.shorting})

    def cost(self, symbol: str) -> Decimal | None:
        """Of what is held and of what may still fill on either side, USD; None is unknown."""
        buying, shorting = self.buying.get(symbol, _NONE), self.shorting.get(symbol, _NONE)
        if buying is None or shorting is None:
            return None
        return self.positions.get(symbol, _NONE) + buying + shorting


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """One account at its broker; empty for a SIMULATED account.

    Attributes:
        deposits: Net deposits since the last session's close, USD.
        external: What holdings that are not ours have gained since then, USD.
        dividends: Of our positions, gone ex since then, USD.
    """

    account: BrokerAccount | None
    deposits: Decimal | None
    lists: BrokerLists | None
    external: Decimal | None
    dividends: Decimal = _NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSnapshot:
    """Quotes and session of one run, with the account at its broker.

    Attributes:
        tickers: Those that quotes were read for; the run decides on no others.
        tradable: Whether the broker takes orders in them; one that it was not heard of is absent.
    """

    tickers: tuple[str, ...]
    session: Session | None
    previous_session: date
    quotes: Quotes
    broker: BrokerSnapshot
    tradable: Mapping[str, bool]
