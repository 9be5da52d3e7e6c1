"""The store of an exchange in the process of its only client: what was read is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ops_local.exchange.faults.order_faults import OrderFault
from ops_local.exchange.records import ExchangeOrder, Holding
from ops_local.exchange.storage.rows import Record, RecordType
from ops_local.exchange.storage.store import Store

MEMORY = Path(":memory:")


class CachedStore(Store):
    """Forgets what it read of a kind of record as soon as one of that kind changes."""

    def __init__(self) -> None:
        super().__init__(MEMORY)
        self._known: dict[type, dict[Any, Any]] = {}
        self._numbers: dict[Any, int] = {}
        self._now: datetime | None = None

    def now(self) -> datetime | None:
        return self._now

    def set_now(self, now: datetime) -> None:
        self._now = now
        super().set_now(now)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        try:
            with super().transaction():
                yield
        except BaseException:
            self._forget(*self._known)
            self._now = super().now()
            raise

    def save(self, record: Record) -> None:
        super().save(record)
        self._forget(type(record))

    def drop_order(self, order: ExchangeOrder) -> None:
        super().drop_order(order)
        self._forget(ExchangeOrder)

    def drop_holding(self, account_number: str, symbol: str) -> None:
        super().drop_holding(account_number, symbol)
        self._forget(Holding)

    def drop_order_fault(self, fault: OrderFault) -> None:
        super().drop_order_fault(fault)
        self._forget(OrderFault)

    def _forget(self, *kinds: type) -> None:
        for kind in kinds:
            self._known.pop(kind, None)
        self._numbers.clear()

    def _all(self, kind: type[RecordType], where: str, *values: object) -> list[RecordType]:
        known, key = self._known.setdefault(kind, {}), (where, values)
        if key not in known:
            known[key] = super()._all(kind, where, *values)
        return list(known[key])

    def _number(self, query: str, *values: object) -> int:
        key = (query, values)
        if key not in self._numbers:
            self._numbers[key] = super()._number(query, *values)
        return self._numbers[key]
