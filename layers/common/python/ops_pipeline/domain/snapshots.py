"""What a run fetched from outside before it decides; None is unknown, and refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.market import Quote, Session


@dataclass(frozen=True, slots=True)
class BrokerLists:
    """The broker's lists of positions and orders, asked for in this order from `at` on.

    Attributes:
        positions: What each symbol that is held cost, USD.
        being_bought: Symbols.
        sold: Ids of sales that have executed something.
    """

    at: datetime
    positions: Mapping[str, Decimal]
    being_bought: frozenset[str]
    sold: frozenset[str]


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """One account at its broker. A SIMULATED account has none of it.

    Attributes:
        deposits: Brought into the account since the last session's close, USD.
    """

    account: BrokerAccount | None
    deposits: Decimal | None
    lists: BrokerLists | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSnapshot:
    """Quotes and session of one run, with the account at its broker.

    Attributes:
        tickers: What the run asked quotes for; it decides on nothing else.
    """

    tickers: tuple[str, ...]
    session: Session | None
    previous_session: date
    quotes: Mapping[str, Quote]
    broker: BrokerSnapshot
