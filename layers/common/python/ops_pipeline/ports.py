"""What a stage may ask of the outside world; `adapters` answer, one vendor each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, runtime_checkable

from ops_pipeline.domain.broker import (
    BrokerAccount,
    BrokerCashActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderRequest,
)
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.deployment.transcript import HttpExchange
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import Bar, Quotes, Session
from ops_pipeline.domain.news.items import FeedDocument, FeedState, Sentiment
from ops_pipeline.domain.regime import RegimeSource


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, UTC; in a replay the recording's."""
        ...


class Calendar(Protocol):
    def session(self, day: date) -> Session | None:
        """The regular session of that New York day, or None when the exchange is shut."""
        ...

    def previous_session(self, day: date) -> Session:
        """The last session before that day."""
        ...


class MarketData(Protocol):
    """Raises MarketDataUnavailable when nothing, or nothing legible, came back.

    An item that can't be read is named in the answer and costs no other its place.
    """

    def bars(self, tickers: Sequence[str], start: datetime, end: datetime) -> Listing[Bar]:
        """One-minute bars with start <= ts < end, raw (not adjusted for splits)."""
        ...

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        """The latest quote of each ticker; one that nobody quotes is left out."""
        ...


class CorporateActionFeed(Protocol):
    """Announces splits, dividends, renamings and mergers. Raises MarketDataUnavailable."""

    def announced(
        self, symbols: Sequence[str], first: date, last: date
    ) -> Listing[CorporateAction]:
        """What is processed from the first to the last day of those symbols, all pages of it.

        One whose kind or fields are not understood comes as such, with the reason; one that
        names no symbol is illegible.
        """
        ...


@dataclass(frozen=True, slots=True)
class VixReading:
    """The close of one day of the CBOE volatility index, in index points."""

    day: date
    close: float


class VolatilityIndex(Protocol):
    @property
    def source(self) -> RegimeSource:
        """As it stands in each reading that it gave."""
        ...

    def readings(self, last: Session) -> list[VixReading]:
        """Daily closes, oldest first: that session's, and others if they come with it.

        Raises FeedUnavailable.
        """
        ...


class NewsFeed(Protocol):
    def fetch(self, state: FeedState) -> FeedDocument:
        """The entries of one feed, none when it has not changed. Raises FeedUnavailable."""
        ...


class Classifier(Protocol):
    @property
    def model(self) -> str:
        """Name and version, as it stands in each row it labelled."""
        ...

    def classify(self, texts: Sequence[str]) -> list[Sentiment]:
        """One sentiment a text, in the order given. Raises ClassificationFailed."""
        ...


class Binding(Protocol):
    """Says which account at the broker an account of ours stands for."""

    def require(self, account_number: str) -> None:
        """Raises AccountMismatch unless this is the bound account's number."""
        ...


# Told of each request of an adapter that was answered.
Heard = Callable[[HttpExchange], None]


@runtime_checkable
class MarketHours(Protocol):
    """A broker that tells the time and its trading days. Raises BrokerUnavailable."""

    def market_time(self) -> datetime:
        """The broker's own clock, UTC."""
        ...

    def market_days(self, first: date, last: date) -> Listing[Session]:
        """Its regular sessions from first to last day, both included, oldest first."""
        ...


def send_always() -> None:
    """Sets no condition on sending an order."""


class Broker(Protocol):
    """One account at the broker.

    Reads raise BrokerUnavailable when there is no legible answer: an error is never
    an empty list. Each item of a list stands alone: what can't be read is in `illegible`
    of the Listing, and nothing that it may be counts as absent. `submit` raises
    BrokerRejected when the broker said no, BrokerUnavailable when the request surely was
    not taken, and BrokerOutcomeUnknown whenever it may have been. It calls `before_sending`
    right before each time that the order leaves; what that raises passes through, and nothing
    is sent.
    """

    def account(self) -> BrokerAccount: ...

    def positions(self) -> Listing[BrokerPosition]: ...

    def is_tradable(self, symbol: str) -> bool:
        """Whether the broker takes orders in it at all; False for a symbol it does not know."""
        ...

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """The order placed under that id, or None when the broker answers 404."""
        ...

    def orders_since(self, since: datetime) -> Listing[BrokerOrder]:
        """All orders, open and ended, submitted since then, oldest first."""
        ...

    def resting_orders(self) -> Listing[BrokerOrder]:
        """All orders that may still fill, however long ago they were submitted, oldest first."""
        ...

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder: ...

    def cancel(self, broker_order_id: str) -> None:
        """Ask for a cancel; that it is granted shows only in the order's status."""
        ...

    def fills_since(self, since: datetime) -> Listing[BrokerFill]:
        """Executions since then, oldest first."""
        ...

    def cash_activities_since(self, since: datetime) -> Listing[BrokerCashActivity]:
        """What moved money without a trade since then, each once, oldest first."""
        ...


class Journal(Protocol):
    """Where a stage says what happened: one JSON line each."""

    def happened(self, event: str, **data: object) -> None: ...

    def went_wrong(self, event: str, **data: object) -> None: ...
