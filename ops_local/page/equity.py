"""What each account had gained at each minute: what it sold less what it bought, and what it held
at the middle of the market."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Held:
    """A position as it was opened; `unproved`: it was closed without a fill, at no price."""

    id: UUID
    account: str
    symbol: str
    at: datetime
    multiplier: int
    quantity: Decimal
    price: Decimal
    unproved: bool


@dataclass(frozen=True, slots=True)
class EquityFill:
    """Shares or contracts of one position that changed hands."""

    position_id: UUID
    at: datetime
    side: Literal["buy", "sell"]
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class EquityMark:
    """The middle of the market for one position at a tick."""

    position_id: UUID
    at: datetime
    price: Decimal


@dataclass(frozen=True, slots=True)
class Point:
    """One account at one minute; `gain` is USD since the day began."""

    at: datetime
    account: str
    gain: Decimal


@dataclass
class _Running:
    """One position so far: cash it brought (bought is negative), and what it holds."""

    account: str
    multiplier: int
    cash: Decimal = Decimal(0)
    quantity: Decimal = Decimal(0)
    price: Decimal = field(default=Decimal(0))

    @property
    def gain(self) -> Decimal:
        return (self.cash + self.quantity * self.price) * self.multiplier

    def apply(self, event: EquityFill | EquityMark) -> None:
        if isinstance(event, EquityFill):
            sign = 1 if event.side == "buy" else -1
            self.quantity += sign * event.quantity
            self.cash -= sign * event.quantity * event.price
            # Until the next mark its last trade is the best that is known.
            self.price = self.price or event.price
        else:
            self.price = event.price


def equity(
    held: Sequence[Held], fills: Iterable[EquityFill], marks: Iterable[EquityMark]
) -> list[Point]:
    """A point for every account at every minute in which anything was filled or marked.

    Positions that were closed without proof are left out: nobody knows what they earned.
    The last point of an account is the P&L of its closed positions plus its open ones at
    their last mark.
    """
    running = {
        position.id: _Running(position.account, position.multiplier)
        for position in held
        if not position.unproved
    }
    accounts = sorted({position.account for position in running.values()})
    events = _in_order(held, fills, marks)
    points: list[Point] = []
    for at, happened in groupby(events, key=lambda event: event.at):
        for event in happened:
            if event.position_id in running:
                running[event.position_id].apply(event)
        gains = _by_account(running)
        points += [Point(at, account, gains[account]) for account in accounts]
    return points


def _in_order(
    held: Sequence[Held], fills: Iterable[EquityFill], marks: Iterable[EquityMark]
) -> list[EquityFill | EquityMark]:
    """Marks before fills of the same minute: a mark is of the tick, a fill comes after it."""
    all_fills = list(fills)
    bought = {fill.position_id for fill in all_fills if fill.side == "buy"}
    adopted = [
        EquityFill(position.id, position.at, "buy", position.quantity, position.price)
        for position in held
        if position.id not in bought
    ]
    events: list[EquityFill | EquityMark] = [*marks, *adopted, *all_fills]
    return sorted(events, key=lambda event: event.at)


def _by_account(running: Mapping[UUID, _Running]) -> Mapping[str, Decimal]:
    gains: dict[str, Decimal] = defaultdict(Decimal)
    for position in running.values():
        gains[position.account] += position.gain
    return gains
