"""A made-up brokerage for examples/toy_broker.py: what its API would be to a real adapter.

It speaks its own words (OPEN, DONE, PULLED, ...), numbers its orders, and answers plain dicts.
Marketable orders trade at once at the prices that `quote` gave; others rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

ENDED = ("DONE", "PULLED", "LAPSED")
ZERO = Decimal(0)


class DeskRefused(Exception):
    """The desk said no."""


class DeskSilent(Exception):
    """No answer; `heard` is False when the desk surely did not get the request."""

    def __init__(self, *, heard: bool) -> None:
        super().__init__("the desk does not answer")
        self.heard = heard


@dataclass
class ToyDesk:
    """One customer's account.

    Attributes:
        silent: Raised by the next request instead of an answer; an order is placed all the
            same where the desk heard of it.
    """

    now: Callable[[], datetime]
    number: str = "TOY-000042"
    cash: Decimal = Decimal(100_000)
    quotes: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    tickets: list[dict[str, Any]] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    silent: DeskSilent | None = None
    _holdings: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)

    def quote(self, symbol: str, bid: str, ask: str) -> None:
        self.quotes[symbol] = (Decimal(bid), Decimal(ask))

    def customer(self) -> dict[str, Any]:
        self._answer()
        held = sum((count * cost for count, cost in self._holdings.values()), ZERO)
        return {"number": self.number, "state": "OK", "cash": self.cash, "worth": self.cash + held,
                "spendable": self._spendable()}  # fmt: skip

    def holdings(self) -> list[dict[str, Any]]:
        self._answer()
        return [
            {"symbol": symbol, "count": count, "free": self._free(symbol), "cost": cost}
            for symbol, (count, cost) in sorted(self._holdings.items())
            if count
        ]

    def lists(self, symbol: str) -> bool:
        self._answer()
        return symbol in self.quotes

    def place(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """Take an order: ref, symbol, way (B or S), count, kind (LIMIT, STOP, MARKET), price."""
        silent, self.silent = self.silent, None
        if silent is not None and not silent.heard:
            raise silent
        if any(known["ref"] == ticket["ref"] for known in self.tickets):
            raise DeskRefused("ref used before")
        cost = ticket["count"] * (ticket["price"] or ZERO)
        if ticket["way"] == "S" and ticket["count"] > self._free(ticket["symbol"]):
            raise DeskRefused("not enough shares")
        if ticket["way"] == "B" and cost > self._spendable():
            raise DeskRefused("not enough money")
        placed = {**ticket, "id": f"T{len(self.tickets) + 1}", "state": "OPEN", "done": ZERO,
                  "average": None, "at": self.now(), "changed": self.now()}  # fmt: skip
        self.tickets.append(placed)
        answer = dict(placed)
        self._trade(placed)
        if silent is not None:
            raise silent
        return answer

    def pull(self, ticket_id: str) -> None:
        self._answer()
        ticket = next((known for known in self.tickets if known["id"] == ticket_id), None)
        if ticket is None:
            raise DeskRefused("no such ticket")
        if ticket["state"] not in ENDED:
            ticket.update(state="PULLED", changed=self.now())

    def book(self, since: datetime) -> list[dict[str, Any]]:
        self._answer()
        return [dict(ticket) for ticket in self.tickets if ticket["at"] >= since]

    def tape(self, since: datetime) -> list[dict[str, Any]]:
        self._answer()
        return [dict(trade) for trade in self.trades if trade["at"] >= since]

    def _answer(self) -> None:
        if self.silent is not None:
            silent, self.silent = self.silent, None
            raise silent

    def _trade(self, ticket: dict[str, Any]) -> None:
        bid, ask = self.quotes.get(ticket["symbol"], (ZERO, ZERO))
        buys = ticket["way"] == "B"
        price = ask if buys else bid
        limit = ticket["price"]
        reached = price > 0 and (limit is None or (price <= limit if buys else price >= limit))
        if ticket["kind"] == "STOP" or not reached:
            return
        self._hold(ticket, price)
        ticket.update(state="DONE", done=ticket["count"], average=price, changed=self.now())
        trade = {key: ticket[key] for key in ("symbol", "way", "count")}
        trade.update(id=f"X{len(self.trades) + 1}", ticket=ticket["id"], price=price, at=self.now())
        self.trades.append(trade)

    def _hold(self, ticket: dict[str, Any], price: Decimal) -> None:
        count, cost = self._holdings.get(ticket["symbol"], (ZERO, ZERO))
        if ticket["way"] == "B":
            after = count + ticket["count"]
            cost = (count * cost + ticket["count"] * price) / after
            self.cash -= ticket["count"] * price
        else:
            after = count - ticket["count"]
            self.cash += ticket["count"] * price
        self._holdings[ticket["symbol"]] = (after, cost)

    def _free(self, symbol: str) -> Decimal:
        count, _ = self._holdings.get(symbol, (ZERO, ZERO))
        return count - sum((t["count"] for t in self._live("S") if t["symbol"] == symbol), ZERO)

    def _spendable(self) -> Decimal:
        return self.cash - sum((t["count"] * (t["price"] or ZERO) for t in self._live("B")), ZERO)

    def _live(self, way: str) -> list[dict[str, Any]]:
        return [t for t in self.tickets if t["way"] == way and t["state"] not in ENDED]
