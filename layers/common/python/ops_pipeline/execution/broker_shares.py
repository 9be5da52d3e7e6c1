"""What the broker holds of each symbol and how much of it is for us to sell."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from ops_pipeline.db import orders
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.ports import Broker

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Shares:
    """One symbol at the broker.

    Attributes:
        held: Resting sales included; never below 0.
        free: What our orders may sell or sell already: all but what other sales hold.
        cost: What one of those held cost on average, USD; None where the broker is not asked.
    """

    held: Decimal
    free: Decimal
    cost: Decimal | None = None


_NONE = Shares(_NOTHING, _NOTHING)


@dataclass(slots=True)
class BrokerShares:
    """One account's shares, listed by the broker once in a run, at the first question.

    What our own cancels set free afterwards needs no second look: it counted as free before.
    """

    account: str
    db: UnitsOfWork
    broker: Broker | None
    _listed: dict[str, Shares] | None = field(default=None, init=False)
    _illegible: tuple[IllegibleItem, ...] = field(default=(), init=False)

    def of(self, position: Position) -> Shares:
        """The shares of the position's symbol; of a SIMULATED account, the position's own.

        Raises:
            BrokerUnavailable: the broker does not say.
        """
        if self.broker is None:
            return Shares(position.quantity, position.quantity)
        return self._read(self.broker).get(position.symbol, _NONE)

    def illegible(self, position: Position) -> IllegibleItem | None:
        """An illegible item that may be the symbol, where no legible one is it.

        Raises:
            BrokerUnavailable: the broker does not say.
        """
        if self.broker is None or position.symbol in self._read(self.broker):
            return None
        return next((it for it in self._illegible if it.may_be_of(position.symbol)), None)

    def _read(self, broker: Broker) -> dict[str, Shares]:
        if self._listed is None:
            self._listed = self._list(broker)
        return self._listed

    def _list(self, broker: Broker) -> dict[str, Shares]:
        ours: defaultdict[str, Decimal] = defaultdict(Decimal)
        with self.db.transaction() as tx:
            for order in orders.live(tx, self.account):
                if order.side == "sell" and order.purpose != "adopted":
                    ours[order.symbol] += order.remaining
        listed = broker.positions()
        self._illegible = listed.illegible
        return {
            each.symbol: Shares(
                held=max(each.quantity, _NOTHING),
                free=max(min(each.available + ours[each.symbol], each.quantity), _NOTHING),
                cost=each.average_entry_price,
            )
            for each in listed
        }
