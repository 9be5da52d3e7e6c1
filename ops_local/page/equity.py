"""The gain of each account at each minute: sales less purchases, plus holdings at the mid price."""

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
    """A position as opened; `unproved` means it was closed without a confirmed fill."""

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
    """A fill of one position, in shares or contracts."""

    position_id: UUID
    at: datetime
    side: Literal["buy", "sell"]
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class EquityMark:
    """The mid price for one position at a tick."""

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
    """One position so far: its cash flow (purchases are negative) and its quantity."""

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
            # Until the next mark its last fill is the best estimate.
            self.price = self.price or event.price
        else:
            self.price = event.price


def equity(
    held: Sequence[Held], fills: Iterable[EquityFill], marks: Iterable[EquityMark]
) -> list[Point]:
    """A point for every account at every minute that has a fill or a mark.

    Positions closed without a confirmed fill are left out: their result is unknown.
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
    """Marks before fills of the same minute: a mark is taken at the tick, fills follow it."""
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
