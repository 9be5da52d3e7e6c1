"""Wires the exchange: its store, market data, order entry and clock."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ops_local.exchange.accounts import KeyRing, PaperAccount
from ops_local.exchange.corporate.processing import ActionProcessing
from ops_local.exchange.faults.rules import Faults
from ops_local.exchange.fees.charging import FeeCharging
from ops_local.exchange.market.tape import Tape
from ops_local.exchange.orders.order_ends import OrderEnds
from ops_local.exchange.orders.order_entry import OrderEntry
from ops_local.exchange.orders.order_events import OrderEvents
from ops_local.exchange.orders.settlement import Settlement
from ops_local.exchange.records import ExchangeLedger
from ops_local.exchange.session_clock import SessionClock
from ops_local.exchange.storage.cached import MEMORY, CachedStore
from ops_local.exchange.storage.store import Store
from ops_local.exchange.valuation import Valuation
from ops_local.recordings import recording
from ops_local.recordings.halts import RecordedHalt
from ops_local.recordings.recording import Recording
from ops_pipeline.domain.market import new_york_time


class Exchange:
    """Opens accounts that are new and continues where its store stopped.

    Args:
        day: A recording or its folder; a new store's clock starts at midnight in New York of it.
        store: The SQLite file, created if missing; ":memory:" for none.
        accounts: The accounts that have keys. One that the store knows keeps its cash.
    """

    def __init__(
        self, day: Path | Recording, store: Path, accounts: Sequence[PaperAccount]
    ) -> None:
        if isinstance(day, Path):
            day = recording.load(day)
        self.faults = Faults()
        self.keys = KeyRing(accounts)
        self.store = CachedStore() if store == MEMORY else Store(store)
        self.tape = Tape(day)
        fees = FeeCharging(self.store)
        self.valuation = Valuation(self.store, self.tape, fees)
        ends = OrderEnds(self.store)
        settlement = Settlement(self.store, self.tape, ends)
        self.order_events = OrderEvents(self.store, self.valuation, settlement, ends)
        parts = (self.store, self.tape, self.valuation, settlement, self.order_events)
        self.order_entry = OrderEntry(*parts)
        actions = ActionProcessing(self.store, self.valuation, ends)
        self.session_clock = SessionClock(*parts, actions=actions, fees=fees)
        with self.store.transaction():
            if self.store.now() is None:
                self.store.set_now(new_york_time(day.day, 0))
            self._open_accounts(accounts)
        for symbol in self.store.halted_symbols():
            self.show_halts(symbol)

    def show_halts(self, symbol: str) -> None:
        """Let the market of a symbol stand still as the store says."""
        halts = self.store.symbol_halts(symbol)
        found = [RecordedHalt(symbol, it.halted_at, it.resumed_at, "switched on") for it in halts]
        self.tape.set_halts(symbol, found)

    def now(self) -> datetime:
        """The exchange's current time, UTC; no other clock is read anywhere here."""
        now = self.store.now()
        if now is None:
            raise AssertionError("a store without a clock")
        return now

    def symbols(self) -> frozenset[str]:
        """The shares that are known here: those of the recording, and those held from before.

        And what a held one has become.
        """
        became = (it.new_symbol for it in self.store.announced_actions() if it.new_symbol)
        return frozenset((*self.tape.tickers, *self.store.transferred_symbols(), *became))

    def close(self) -> None:
        self.store.close()

    def _open_accounts(self, accounts: Sequence[PaperAccount]) -> None:
        known = {ledger.account_number for ledger in self.store.ledgers()}
        for account in accounts:
            if account.account_number not in known:
                self.store.save(
                    ExchangeLedger(
                        account_number=account.account_number,
                        name=account.name,
                        opening_cash=account.cash,
                        cash=account.cash,
                        opened_at=self.now(),
                    )
                )
