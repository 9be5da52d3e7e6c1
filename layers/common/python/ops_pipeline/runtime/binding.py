"""Whether an account's keys open what an operator bound it to, by what the database says now."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ops_pipeline.db import bindings
from ops_pipeline.db.bindings import StoredMark
from ops_pipeline.errors import AccountMismatch
from ops_pipeline.runtime.settings import BrokerKeys


@dataclass(slots=True)
class KeysInUse:
    """Reads an account's keys and remembers those that were read last."""

    source: Callable[[], BrokerKeys]
    last: BrokerKeys | None = None

    def read(self) -> BrokerKeys:
        self.last = self.source()
        return self.last


@dataclass(slots=True)
class StoredBinding:
    """ports.Binding by the database; read anew whenever the broker tells a number.

    The number that is kept beside the keys must be the same too: it says which account
    their keeper meant, and alone it proves nothing, since it is swapped along with them.

    Attributes:
        find: What the database says at this moment.
    """

    find: Callable[[], StoredMark | None]
    account: str
    broker: str
    keys: KeysInUse
    _proven: StoredMark | None = field(default=None, repr=False)

    def require(self, account_number: str) -> None:
        self._proven = None
        stored = self.find()
        if stored is None:
            raise AccountMismatch(bindings.missing(self.account, self.broker))
        if not stored.fits(self.broker, account_number):
            raise AccountMismatch(
                f"these keys open another account at {self.broker} than {self.account} is bound to"
            )
        if self.keys.last is not None and self.keys.last.account_number != account_number:
            raise AccountMismatch("these keys open another account than the number beside them")
        self._proven = stored

    def holds(self) -> bool:
        """Whether the database still says what the number was proven against."""
        return self._proven is not None and self._proven == self.find()
