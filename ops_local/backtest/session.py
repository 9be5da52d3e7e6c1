"""One recorded day through dispatcher and guard, minute by minute, on books in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from infra.definitions import load_schedules
from infra.schedule import Schedule, ticks
from ops_local.backtest.book.database import MemoryDatabase
from ops_local.backtest.book.orders import filled_by_fills, is_live
from ops_local.backtest.broker import ExchangeBroker
from ops_local.backtest.day_inputs import DayInputs
from ops_local.backtest.ideas import Ideas
from ops_local.backtest.market import TapeData
from ops_local.exchange.accounts import PaperAccount
from ops_local.exchange.conditions import Behaviour
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.storage.cached import MEMORY
from ops_local.pipeline import ReplayClock
from ops_local.replay_environment import BEHAVIOURS
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db import accounts
from ops_pipeline.db.parameters import Versioned
from ops_pipeline.domain.bars import BAR_OFFSET_S
from ops_pipeline.domain.orders import UNSETTLED
from ops_pipeline.errors import OpsError
from ops_pipeline.execution import order_sync
from ops_pipeline.execution.context import AccountContext, open_context
from ops_pipeline.execution.market_reader import MarketReader
from ops_pipeline.execution.order_gateway import OrderGateway
from ops_pipeline.stages import dispatcher, position_manager
from ops_pipeline.stages.request import AccountRequest

_BARS_AFTER = timedelta(seconds=BAR_OFFSET_S)


@dataclass
class SilentJournal:
    """Keeps what went wrong; what happened stands in the book."""

    wrong: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def happened(self, event: str, **data: object) -> None:
        """Not kept."""

    def went_wrong(self, event: str, **data: object) -> None:
        self.wrong.append((event, data))


class DayTrading:
    """Both accounts of a day: their book, their broker, and the runs that serve them."""

    def __init__(
        self,
        inputs: DayInputs,
        papers: Sequence[PaperAccount],
        parameters: Versioned,
        *,
        deployment: str,
    ) -> None:
        self.inputs, self.parameters, self._deployment = inputs, parameters, deployment
        first, _ = inputs.bounds
        self.clock = ReplayClock(first)
        self.book = inputs.new_book(papers)
        self.db = MemoryDatabase(self.book)
        self.exchange = Exchange(inputs.recording, MEMORY, papers)
        with self.exchange.store.transaction():
            for name, value in BEHAVIOURS.items():
                self.exchange.store.save(Behaviour(name, value))
        self._move_exchange(first)
        self.data = TapeData(self.exchange.tape, self.clock)
        self.brokers = {it.name: ExchangeBroker(self.exchange, it, self.clock) for it in papers}
        self.calendar = NyseCalendar()
        self.journal = SilentJournal()
        self.failures: list[str] = []
        self.ideas = Ideas(inputs, self.book, self.db, parameters)

    def move(self, to: datetime) -> None:
        """Move both clocks, the exchange's first: it fills resting orders on the way."""
        if to > self.clock.at:
            self._move_exchange(to)
            self.clock.at = to

    def _move_exchange(self, to: datetime) -> None:
        with self.exchange.store.transaction():
            self.exchange.session_clock.move(self.exchange.now(), to)

    def guarded(self, tick: datetime) -> list[str]:
        with self.db.transaction() as tx:
            return accounts.guard_accounts(tx, tick)

    def entering(self) -> list[str]:
        with self.db.transaction() as tx:
            return accounts.entry_accounts(tx)

    def is_at_rest(self, account: str) -> bool:
        """Whether a run of the guard finds nothing to do: nothing is held, live or asked for.

        What was there before was looked for, every fill is known, and the broker has nothing.
        """
        paper, store = self.brokers[account].paper, self.exchange.store
        looked = self.book.table("first_looks").get(account) is not None
        if not looked or self.book.held_by(account):
            return False
        if store.live_orders(paper.account_number) or store.holdings(paper.account_number):
            return False
        return not self._has_unsettled(account)

    def _has_unsettled(self, account: str) -> bool:
        """Whether an order is live or lacks fills, or something was asked to be closed."""
        requests = self.book.table("close_requests")
        if any(row["account_name"] == account and row["done_at"] is None for row in requests):
            return True
        return any(
            is_live(row) or row["filled_qty"] > filled_by_fills(self.book, row["client_order_id"])
            for row in self.book.orders_of(account)
        )

    def has_ideas(self, account: str) -> bool:
        """Whether a run of the dispatcher finds something to do."""
        return any(
            row["status"] in ("PENDING", "PROCESSING") and row["account_name"] == account
            for row in self.book.recommendations
        ) or any(row["status"] in UNSETTLED for row in self.book.orders_of(account))

    def guard(self, account: str, tick: datetime) -> None:
        if self.is_at_rest(account) or self._ran(position_manager.run, account, tick):
            self.book.market.guarded[account] = tick

    def sync(self, account: str, tick: datetime) -> None:
        """What of the reconciler's run changes a ledger that agrees with its broker."""
        if self.is_at_rest(account):
            return
        ctx = self._account_context(account, tick)
        order_sync.sync(ctx, self.db, self._gateway(ctx))

    def dispatch(self, account: str, tick: datetime) -> None:
        if self.has_ideas(account):
            self._ran(dispatcher.run, account, tick)

    def _ran(self, run: Callable[..., object], account: str, tick: datetime) -> bool:
        """Whether a stage's run succeeded; a failure is kept."""
        ctx = self._account_context(account, tick)
        try:
            run(
                AccountRequest(tick=tick, account=account),
                ctx,
                db=self.db,
                gateway=self._gateway(ctx),
                market=self._reader(account),
            )
        except OpsError as error:
            stage = run.__module__.rpartition(".")[2]
            self.failures.append(f"{tick:%H:%M} {stage} {account}: {error}")
            return False
        return True

    def _account_context(self, account: str, tick: datetime) -> AccountContext:
        return open_context(
            account,
            tick=tick,
            db=self.db,
            parameters=self.parameters,
            deployment=self._deployment,
            clock=self.clock,
            journal=self.journal,
        )

    def _gateway(self, ctx: AccountContext) -> OrderGateway:
        return OrderGateway(
            ctx=ctx,
            db=self.db,
            calendar=self.calendar,
            broker=None if ctx.account.simulated else self.brokers[ctx.name],
            read_after_write=True,
        )

    def _reader(self, account: str) -> MarketReader:
        return MarketReader(
            account_name=account,
            data=self.data,
            calendar=self.calendar,
            clock=self.clock,
            journal=self.journal,
        )


def run(trading: DayTrading) -> None:
    """Run every tick of the day in the order of the schedules."""
    for tick in ticks(_schedules(), *trading.inputs.bounds):
        trading.move(tick.at)
        _STEPS[tick.target](trading, tick.at)


def _position_cycle(trading: DayTrading, tick: datetime) -> None:
    for account in trading.guarded(tick):
        trading.guard(account, tick)


def _reconcile_cycle(trading: DayTrading, tick: datetime) -> None:
    for account in trading.guarded(tick):
        trading.sync(account, tick)


def _trading_cycle(trading: DayTrading, tick: datetime) -> None:
    session = trading.inputs.session
    if not session.is_open(tick):
        return
    trading.move(tick + _BARS_AFTER)
    trading.ideas.look(tick, trading.clock.at)
    for account in trading.entering():
        trading.dispatch(account, tick)


# News is read for the day at once. What else is scheduled reads, reports or deletes: no trade
# depends on it.
_STEPS: Mapping[str, Callable[[DayTrading, datetime], None]] = {
    "position_cycle": _position_cycle,
    "reconcile_cycle": _reconcile_cycle,
    "trading_cycle": _trading_cycle,
}


@cache
def _schedules() -> tuple[Schedule, ...]:
    return tuple(it for it in load_schedules() if it.target in _STEPS)
