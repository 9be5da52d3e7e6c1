"""What can be read: text as Postgres stores it, and lists of which some items can't be read.

A NUL and half a surrogate pair fit no column.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

_ILLEGIBLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

T = TypeVar("T")
ItemKind = Literal[
    "order", "position", "fill", "cash_activity", "quote", "bar", "session", "corporate_action"
]
MARKET_ITEMS: tuple[ItemKind, ...] = ("quote", "bar")


def is_legible(text: str) -> bool:
    return _ILLEGIBLE.search(text) is None


def legible(text: str) -> str:
    """The text with each NUL and each lone surrogate replaced."""
    return _ILLEGIBLE.sub(_REPLACEMENT, text)


def legible_values(value: object) -> object:
    """The same of every text in what JSON will hold."""
    match value:
        case str():
            return legible(value)
        case Mapping():
            return {legible_values(key): legible_values(item) for key, item in value.items()}
        case list() | tuple():
            return [legible_values(item) for item in value]
        case _:
            return value


@dataclass(frozen=True, slots=True, kw_only=True)
class IllegibleItem:
    """One item of a vendor's list that could not be read; the others of the list stand.

    Attributes:
        name: Its id, else its symbol, else a digest of it: the same item has the same name.
        reason: What was wrong, in one line.
        content: The item as JSON, capped, without credentials and account numbers.
        symbol, client_order_id, broker_order_id: Where legible; None may be any.
        has_ended: An order that legibly says that it can fill no more.
    """

    kind: ItemKind
    name: str
    reason: str
    content: str
    symbol: str | None = None
    client_order_id: str | None = None
    broker_order_id: str | None = None
    has_ended: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.reason}"

    @property
    def subject(self) -> str:
        """What an alert is about; one for all bars of a ticker, of which each minute has one."""
        name = self.symbol if self.kind in MARKET_ITEMS and self.symbol else self.name
        return f"{self.kind} {name}"

    def may_be_of(self, symbol: str) -> bool:
        return self.symbol in (None, symbol)

    def may_be_order(self, client_order_id: str, broker_order_id: str | None, symbol: str) -> bool:
        """Whether it may be that order: an id that is legible decides, else the symbol does."""
        if self.client_order_id is not None:
            return self.client_order_id == client_order_id
        if self.broker_order_id is not None and broker_order_id is not None:
            return self.broker_order_id == broker_order_id
        return self.may_be_of(symbol)


class Listing(list[T]):
    """The legible items of a vendor's list, and those that are not.

    What is missing among the items is proven to be absent only if no illegible one may be it.
    """

    def __init__(self, items: Iterable[T] = (), illegible: Iterable[IllegibleItem] = ()) -> None:
        super().__init__(items)
        self.illegible = tuple(illegible)
