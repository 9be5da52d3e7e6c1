"""The book in memory answers as Postgres does, whatever happens in whatever order.

Drawn histories (orders, fills, exits, halts, orders by hand, closes, splits) run on both
stores side by side: each statement's answer and each table after it have to be the same.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from ops_local.backtest.book.database import MemoryDatabase
from ops_local.database import DatabaseUrls
from ops_pipeline.db import accounts, ledger, orders, positions
from ops_pipeline.db.driver.connection import Database, Transaction
from ops_pipeline.db.holdings import corporate_actions
from ops_pipeline.db.ledger import LedgerQuery
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.corporate.adjustments import by_announcement
from ops_pipeline.domain.ledger import LedgerView, OrderView
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.orders import Order
from ops_pipeline.execution import settlement
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport
from ops_pipeline.execution.holdings import adjusting
from tests.support.mirrored_database import MirroredDatabase, load
from tests.support.trading_machine import TICKERS, Trading, broker_may_fail, run_machine

_numbers = count(1)
ACCOUNTS = ("large", "tiny")


def _grown(order: Order) -> ExecutionReport:
    """A report on which one unit more has filled."""
    found = BrokerOrder(
        broker_order_id=order.broker_order_id or "b1",
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        filled_quantity=order.filled_qty + 1,
        filled_average_price=Decimal("99.5"),
        status="working",
        raw_status="partially_filled",
        submitted_at=order.decided_at,
        updated_at=order.decided_at,
    )
    return ExecutionReport(found=found)


class TradingOnBoth(Trading):
    """What dispatcher and guard ask, the book has to know."""

    # These ask whether the trading itself is in order, and a split here is none at the broker:
    # without its mark a rule is none.
    def holds(self) -> None: ...

    def settle_down(self) -> None: ...

    def quotes_fail(self, how: str) -> None: ...

    @initialize()
    def begin(self) -> None:
        """Both accounts hold something already, and one has sold something."""
        super().begin()
        self.buys("CCC", "large")
        self.sells("CCC", "large")
        for ticker, account in (("AAA", "large"), ("BBB", "large"), ("AAA", "tiny")):
            self.buys(ticker, account)

    @rule()
    def dispatch(self) -> None:
        self._only_known(super().dispatch)

    @rule()
    def guard(self) -> None:
        self._only_known(super().guard)

    @rule(ticker=st.sampled_from(TICKERS), account=st.sampled_from(["large", "tiny"]))
    def buys(self, ticker: str, account: str) -> None:
        """A position, if the gates let it pass, with its stop."""
        bench = self.bench
        bench.brokers[account].recover()
        bench.next_minute()
        bench.recommend(ticker, account=account)
        bench.brokers[account].at_once[ticker] = ("100.00", None)
        self._step(lambda: bench.dispatch(account))
        bench.brokers[account].at_once.clear()
        self._step(lambda: bench.guard(account))

    @rule(ticker=st.sampled_from(TICKERS), account=st.sampled_from(["large", "tiny"]))
    def sells(self, ticker: str, account: str) -> None:
        """A signal asks for the exit, which fills within the minutes."""
        bench = self.bench
        bench.recommend(ticker, account=account, action="SELL")
        bench.brokers[account].at_once[ticker] = ("101.10", None)
        for _ in range(2):
            bench.next_minute()
            self._step(lambda: bench.dispatch(account))
            self._step(lambda: bench.guard(account))
        bench.brokers[account].at_once.clear()

    @rule(
        ticker=st.sampled_from(TICKERS),
        ratio=st.sampled_from([("1", "2"), ("3", "1"), ("7", "10")]),
    )
    def splits(self, ticker: str, ratio: tuple[str, str]) -> None:
        """What is held in the ticker is counted anew; the broker's shares follow elsewhere."""
        bench, day = self.bench, new_york_day(self.bench.clock.now())
        split = CorporateAction(
            action_id=f"split-{next(_numbers)}",
            kind="forward_split",
            symbol=ticker,
            new_symbol=None,
            old_rate=Decimal(ratio[0]),
            new_rate=Decimal(ratio[1]),
            cash=None,
            effective_on=day,
            process_on=day,
            payable_on=None,
            reason=None,
            content="{}",
        )
        with bench.db.transaction() as tx:
            corporate_actions.store(tx, [split], now=bench.clock.now())
        with bench.db.transaction() as tx:
            for position in positions.held(tx, "large"):
                if position.ticker == ticker:
                    steps = by_announcement([split], position, now=bench.clock.now(), whole=True)
                    adjusting.book(tx, steps, tick=bench.tick, now=bench.clock.now())

    @invariant()
    def views_are_equal(self) -> None:
        """What decisions are made on, field by field."""
        if not hasattr(self, "bench"):
            return
        with self._database.postgres.transaction() as tx:
            if not self._database.is_loaded:
                load(self._database.book, tx)
            stored = self._views(tx)
        with MemoryDatabase(self._database.book).transaction() as tx:
            assert self._views(tx) == stored

    def _views(self, tx: Transaction) -> list[LedgerView | OrderView]:
        ledgers = [self._view(tx, name, ticker) for name in ACCOUNTS for ticker in TICKERS]
        known = [orders.lock(tx, name) for name in sorted(self._names())]
        return [*ledgers, *(settlement._view(tx, order, _grown(order)) for order in known)]

    def _names(self) -> list[str]:
        return [row["client_order_id"] for row in self._database.book.orders]

    def _view(self, tx: Transaction, account: str, ticker: str) -> LedgerView:
        now = self.bench.clock.now()
        return ledger.read(
            tx,
            LedgerQuery(
                account=accounts.load(tx, account),
                ticker=ticker,
                recommendation_id=1,
                now=now,
                listed_at=now,
                sold=self._names(),
                halts_since=now - timedelta(minutes=10),
                events=(now - timedelta(days=1), now + timedelta(days=1)),
                results=7,
            ),
        )

    @property
    def _database(self) -> MirroredDatabase:
        database = self.bench.db
        assert isinstance(database, MirroredDatabase)
        return database

    def _step(self, run: Callable[[], object]) -> None:
        def step() -> None:
            with broker_may_fail():
                run()

        self._only_known(step)

    def _only_known(self, step: Callable[[], None]) -> None:
        self._database.unknown.clear()
        step()
        assert not self._database.unknown


@pytest.mark.parametrize(
    "examples",
    [pytest.param(3, id="few"), pytest.param(100, id="many", marks=pytest.mark.slow)],
)
def test_both_stores_answer_alike_whatever_happens(
    admin_db: Database, template_urls: DatabaseUrls, examples: int
) -> None:
    run_machine(TradingOnBoth, admin_db, template_urls, examples, MirroredDatabase)
