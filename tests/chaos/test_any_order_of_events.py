"""Signals, fills, faults, clocks and an operator in any order: the invariants hold after each.

Each found failure stays here as an example of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.domain.operations.invariants import BrokerRecords
from ops_pipeline.errors import (
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
    OpsError,
)
from ops_pipeline.stages import control
from ops_pipeline.stages.control import ControlCommand
from tests.conftest import TEMPLATE
from tests.support.builders_trading import TradingBench
from tests.support.fake_broker import ENDED

TICKERS = ("AAA", "BBB", "CCC")
FAULTS: tuple[tuple[Any, OpsError, bool], ...] = (
    ("submit", BrokerOutcomeUnknown("no answer"), True),
    ("submit", BrokerOutcomeUnknown("no answer"), False),
    ("submit", BrokerRejected("40310000: no"), False),
    ("submit", BrokerUnavailable("429"), False),
    ("order_by_client_id", BrokerUnavailable("503"), False),
    ("orders_since", BrokerUnavailable("503"), False),
    ("positions", BrokerUnavailable("503"), False),
    ("cancel", BrokerUnavailable("503"), False),
    ("fills_since", BrokerUnavailable("503"), False),
    ("account", BrokerUnavailable("503"), False),
    ("cash_activities_since", BrokerUnavailable("503"), False),
)
STEPS = 25


@contextmanager
def _broker_may_fail() -> Iterator[None]:
    """What a stage may raise when its broker fails; whatever else it raises is a finding.

    A row that the database refuses is one too, also where a stage goes on with the others.
    """
    try:
        yield
    except OpsError as error:
        told = f"{type(error).__name__}: {error}"
        assert "ConstraintViolated" not in told, told


class Trading(RuleBasedStateMachine):
    """One account at a broker in memory; a step is what happens within a minute."""

    opened: Callable[[], Any]

    @initialize()
    def begin(self) -> None:
        self._context = type(self).opened()
        self.bench = TradingBench(self._context.__enter__())
        for ticker in TICKERS:
            self.bench.quote(ticker)

    def teardown(self) -> None:
        self._context.__exit__(None, None, None)

    @rule(ticker=st.sampled_from(TICKERS))
    def signal(self, ticker: str) -> None:
        self.bench.clock.advance(1)
        self.bench.recommend(ticker)

    @rule()
    def dispatch(self) -> None:
        with _broker_may_fail():
            self.bench.dispatch()

    @rule()
    def guard(self) -> None:
        with _broker_may_fail():
            self.bench.guard()

    @rule()
    def reconcile(self) -> None:
        bench = self.bench
        with _broker_may_fail():
            bench.reconcile()

    @rule(move=st.sampled_from(["-4", "-1.5", "-0.2", "0", "0.2", "1.2", "2.3", "4"]))
    def minute(self, move: str) -> None:
        bid = 99.98 + float(move)
        price = (f"{bid:.2f}", f"{bid + 0.02:.2f}")
        self.bench.next_minute(**dict.fromkeys(TICKERS, price))

    @rule(share=st.sampled_from([1, 2, 3]), withheld=st.booleans())
    def fill(self, share: int, withheld: bool) -> None:
        """All of each live limit order, or a part."""
        broker = self.bench.broker
        broker.fills_withheld = withheld
        for name, order in list(broker.orders.items()):
            left = order.quantity - order.filled_quantity
            if order.status not in ENDED and order.order_type == "limit" and left >= share:
                broker.fill(name, "100.00", str(int(left) // share))

    @rule()
    def stop_fills(self) -> None:
        for name, order in list(self.bench.broker.orders.items()):
            if order.status not in ENDED and order.order_type == "stop":
                self.bench.broker.fill(name, "98.00")

    @rule(status=st.sampled_from(["canceled", "expired", "rejected"]))
    def broker_ends(self, status: str) -> None:
        """The broker ends what lives by its own will."""
        for name, order in list(self.bench.broker.orders.items()):
            if order.status not in ENDED:
                self.bench.broker.end(name, status)

    @rule(pend=st.booleans())
    def cancels_pend(self, pend: bool) -> None:
        self.bench.broker.cancels_pend = pend

    @rule(ticker=st.sampled_from(TICKERS), share=st.sampled_from([1, 2]))
    def somebody_sells(self, ticker: str, share: int) -> None:
        """By hand at the broker, at most what no order of ours holds."""
        broker = self.bench.broker
        free = {held.symbol: held.available for held in broker._positions()}.get(ticker, 0)
        if free >= share:
            name = f"by-hand-{len(broker.orders)}"
            quantity = Decimal(int(free) // share)
            broker._place(OrderRequest(name, ticker, "sell", quantity, "market", None))
            broker.fill(name, "99.00")

    @rule(kind=st.sampled_from(["CSD", "CSW", "FEE", "DIV"]), amount=st.sampled_from(["-3", "40"]))
    def money_moves(self, kind: str, amount: str) -> None:
        self.bench.broker.move_cash(kind, amount)

    @rule(fault=st.sampled_from(FAULTS))
    def fault(self, fault: tuple[Any, OpsError, bool]) -> None:
        call, error, after = fault
        self.bench.broker.fail(call, error, after_effect=after)

    @rule(ticker=st.sampled_from([*TICKERS, None]))
    def close_by_hand(self, ticker: str | None) -> None:
        asked = ControlCommand(action="close", operator="ann", reason="by hand", ticker=ticker)
        control.run(asked, db=self.bench.db, clock=self.bench.clock)

    @rule(halted=st.booleans())
    def halt_or_resume(self, halted: bool) -> None:
        self.bench.set_account(operator_halt="by hand" if halted else None)

    @rule()
    def settle_down(self) -> None:
        """Without faults a few minutes bring our books and the broker's together."""
        broker = self.bench.broker
        broker.fills_withheld = broker.cancels_pend = False
        broker._faults.clear()
        for name, order in list(broker.orders.items()):
            if order.raw_status == "pending_cancel":
                broker.end(name, "canceled")
        for _ in range(6):
            self.bench.next_minute()
            self.bench.dispatch()
            self.bench.guard()
            self.reconcile()
        books = BrokerRecords(
            orders=list(broker.orders.values()), positions=broker.positions(), fills=broker.fills
        )
        with self.bench.db.transaction() as tx:
            found = invariants.check(tx, now=self.bench.clock.now(), broker={"large": books})
        assert found == []

    @invariant()
    def holds(self) -> None:
        """What must hold at any moment, however much is under way."""
        if not hasattr(self, "desk"):
            return
        young = self.bench.clock.now() - timedelta(days=1)
        with self.bench.db.transaction() as tx:
            assert invariants.check(tx, now=young) == []
        bought = [o for o in self.bench.broker.submitted if o.side == "buy"]
        assert len(self.bench.broker.orders) == len({*self.bench.broker.orders})
        assert len({o.client_order_id for o in bought}) <= len(self.bench.orders("entry"))
        assert all(p.quantity >= 0 for p in self.bench.broker._positions())


_numbers = count(1)


@pytest.mark.parametrize(
    "examples",
    [
        pytest.param(6, id="few"),
        pytest.param(200, id="many", marks=pytest.mark.slow),
    ],
)
def test_whatever_happens_in_whatever_order_the_invariants_hold(
    admin_db: Database, template_urls: DatabaseUrls, examples: int
) -> None:
    @contextmanager
    def opened() -> Iterator[Database]:
        name = f"stateful_{next(_numbers)}"
        local.clone_database(admin_db, TEMPLATE, name)
        url = local.url_for(template_urls.writer, database=name)
        with closing(Database(target_from_url(url), application_name="stateful")) as database:
            yield database
        local.drop_database(admin_db, name)

    machine = type("Machine", (Trading,), {"opened": staticmethod(opened)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            # Shrinking costs a database a try: the steps as found are told at once.
            phases=(Phase.explicit, Phase.generate),
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
