"""Signals, fills, faults, clocks and an operator in any order, as a machine that draws them."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any, TypeVar

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
from pg8000.exceptions import DatabaseError

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_pipeline.db import accounts
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import OrderRequest, Side
from ops_pipeline.domain.legible import IllegibleItem, ItemKind
from ops_pipeline.domain.operations.invariants import BrokerRecords
from ops_pipeline.errors import (
    AccountMismatch,
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
    OpsError,
)
from ops_pipeline.stages import control
from ops_pipeline.stages.control import ControlCommand
from tests.conftest import TEMPLATE
from tests.support.builders_trading import DAY, TradingBench
from tests.support.fake_broker import ENDED, Call, FakeBroker
from tests.support.fakes import regular_session
from tests.support.refusals import unless_a_fill_may_be_late

T = TypeVar("T")
TICKERS = ("AAA", "BBB", "CCC")
FAULTS: tuple[tuple[Any, OpsError, bool], ...] = (
    ("submit", BrokerOutcomeUnknown("no answer"), True),
    ("submit", BrokerOutcomeUnknown("no answer"), False),
    ("submit", BrokerRejected("40310000: no"), False),
    ("submit", BrokerUnavailable("429"), False),
    ("order_by_client_id", BrokerUnavailable("503"), False),
    ("orders_since", BrokerUnavailable("503"), False),
    ("resting_orders", BrokerUnavailable("503"), False),
    ("positions", BrokerUnavailable("503"), False),
    ("cancel", BrokerUnavailable("503"), False),
    ("fills_since", BrokerUnavailable("503"), False),
    ("account", BrokerUnavailable("503"), False),
    ("cash_activities_since", BrokerUnavailable("503"), False),
)
STEPS = 25
_numbers = count(1)


def run_machine(
    machine: "type[Trading]",
    admin_db: Database,
    template_urls: DatabaseUrls,
    examples: int,
    store: Callable[[Database], Any] = lambda database: database,
) -> None:
    """Draw so many histories, each in a database of its own.

    Args:
        store: What the stages are given of that database.
    """

    @contextmanager
    def opened() -> Iterator[Any]:
        name = f"stateful_{next(_numbers)}"
        local.clone_database(admin_db, TEMPLATE, name)
        url = local.url_for(template_urls.writer, database=name)
        with closing(Database(target_from_url(url), application_name="stateful")) as database:
            yield store(database)
        local.drop_database(admin_db, name)

    run_state_machine_as_test(
        type("Machine", (machine,), {"opened": staticmethod(opened)}),
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


@contextmanager
def broker_may_fail() -> Iterator[None]:
    """What a stage may raise when its broker fails; whatever else it raises is a finding.

    A row that the database refuses is one too, also where a stage goes on with the others.
    """
    try:
        yield
    except OpsError as error:
        told = f"{type(error).__name__}: {error}"
        assert "ConstraintViolated" not in told, told


class Rotated(FakeBroker):
    """Another account's keys beside our binding, as the adapter answers: before anything else."""

    def _answer(self, call: Call, act: Callable[[], T]) -> T:
        raise AccountMismatch(f"{call}: these keys open another account")


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
        with broker_may_fail():
            self.bench.dispatch()

    @rule()
    def guard(self) -> None:
        with broker_may_fail():
            self.bench.guard()

    @rule()
    def reconcile(self) -> None:
        bench = self.bench
        with broker_may_fail():
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

    @rule(share=st.sampled_from([1, 2]))
    def fills_after_its_end(self, share: int) -> None:
        """An order that the broker had ended turns out to have filled, wholly or in part."""
        broker = self.bench.broker
        for name, order in list(broker.orders.items()):
            left = order.quantity - order.filled_quantity
            covered = order.side == "buy" or self._free(order.symbol) >= left
            if order.status in ENDED and order.status != "filled" and left >= share and covered:
                broker.fill_late(name, "99.00", str(int(left) // share))

    @rule(ticker=st.sampled_from(TICKERS))
    def overfills(self, ticker: str) -> None:
        """The broker fills a share more than was ordered."""
        for name, order in list(self.bench.broker.orders.items()):
            if (order.symbol, order.side) == (ticker, "buy") and order.status not in ENDED:
                self.bench.broker.overfill(name, "100.00")

    @rule(
        kind=st.sampled_from(["order", "position", "fill"]),
        ticker=st.sampled_from([*TICKERS, None]),
    )
    def lists_an_odd_item(self, kind: ItemKind, ticker: str | None) -> None:
        """Beside the others, which stand; without a ticker it may be anything."""
        odd = IllegibleItem(
            kind=kind, name="odd", reason="quantity: not a number", content="{}", symbol=ticker
        )
        self.bench.broker.illegible = [odd]

    @rule()
    def lists_are_legible_again(self) -> None:
        self.bench.broker.illegible = []

    @rule(word=st.sampled_from(["pending_review", "held", "calculated"]))
    def has_an_odd_word(self, word: str) -> None:
        """The broker calls what lives by a word that nobody here knows, until it is through."""
        for name, order in list(self.bench.broker.orders.items()):
            if order.status not in ENDED:
                self.bench.broker.say(name, word)

    @rule(
        ticker=st.sampled_from(TICKERS),
        side=st.sampled_from(["buy", "sell"]),
        in_dollars=st.booleans(),
    )
    def somebody_s_order_rests(self, ticker: str, side: Side, in_dollars: bool) -> None:
        """By hand at the broker, in shares or (a buy) in dollars, which has no quantity yet."""
        broker = self.bench.broker
        if side == "sell" and self._free(ticker) < 3:
            return
        name = f"by-hand-{len(broker.orders)}"
        broker._place(OrderRequest(name, ticker, side, Decimal(3), "limit", Decimal("100.00")))
        if side == "buy" and in_dollars:
            placed = broker.orders[name]
            broker.orders[name] = replace(placed, quantity=Decimal(0), notional=Decimal(300))

    @rule(ours=st.booleans())
    def somebody_cancels(self, ours: bool) -> None:
        """By hand at the broker: what a person placed, or what we did, stops included."""
        for name, order in list(self.bench.broker.orders.items()):
            if order.status not in ENDED and name.startswith("by-hand") != ours:
                self.bench.broker.end(name, "canceled")

    @rule(active=st.booleans())
    def switch(self, active: bool) -> None:
        self.bench.set_account(active=active)

    @rule(mode=st.sampled_from(["SIMULATED", "ALPACA_PAPER"]))
    def change_mode(self, mode: str) -> None:
        """Refused while anything of the account is open, live, unresolved or may fill late."""
        before = self._mode()
        if mode != before and self._anything_open():
            refused = pytest.raises((DatabaseError, OpsError), match="mode and broker stand")
            with refused:
                self.bench.set_account(execution_mode=mode)
            assert self._mode() == before
        else:
            with unless_a_fill_may_be_late():
                self.bench.set_account(execution_mode=mode)

    @rule(minutes=st.sampled_from([1, 3]))
    def keys_open_another_account(self, minutes: int) -> None:
        """Until the secret is put right: nothing is asked of that account, and nothing sent."""
        other = Rotated(self.bench.clock, account_number="PA-other")
        self.bench.connect("large", other)
        for _ in range(minutes):
            self.bench.next_minute()
            for run in (self.bench.dispatch, self.bench.guard, self.bench.reconcile):
                with broker_may_fail():
                    run()
        self.bench.connect("large", self.bench.broker)
        assert (other.submitted, other.calls) == ([], [])

    @rule(hours=st.sampled_from([0.02, 1]))
    def sleeps_before_it_sends(self, hours: float) -> None:
        """The machine is suspended with the next order committed: it is not sent any more."""
        bench, sent = self.bench, len(self.bench.broker.submitted)
        bench.clock.advance(1)  # of a second there is one signal of a ticker
        asleep_from = bench.clock.now()
        old = {order["client_order_id"] for order in bench.orders()}

        def sleep() -> None:
            bench.broker.on_the_way = None
            bench.clock.advance(hours * 3600)

        bench.broker.on_the_way = sleep
        bench.recommend("CCC")
        for run in (bench.dispatch, bench.guard):
            with broker_may_fail():
                run()
        bench.broker.on_the_way = None
        decided = {order["client_order_id"]: order["decided_at"] for order in bench.orders()}
        for name in {order.client_order_id for order in bench.broker.submitted[sent:]} - old:
            assert decided[name] > asleep_from
        bench.next_minute()

    @rule(minutes=st.sampled_from([2, 8]))
    def guard_is_absent(self, minutes: int) -> None:
        """Entries stop with it, once it has been silent for longer than the rules allow."""
        bench, silent_from = self.bench, self.bench.clock.now()
        bench.guard_runs = False
        for _ in range(minutes):
            bench.next_minute()
            before = self._entries()
            bench.recommend("AAA")
            with broker_may_fail():
                bench.dispatch()
            if bench.clock.now() - silent_from > timedelta(minutes=6):
                assert self._entries() == before
        bench.guard_runs = True

    @rule(how=st.sampled_from(["stale", "absent", "down"]))
    def quotes_fail(self, how: str) -> None:
        """For ten minutes: nothing is entered on them, and what is held keeps its stop."""
        market = self.bench.market
        known = dict(market.latest)
        market.down = how == "down"
        if how == "absent":
            market.latest.clear()
        for minute in range(10):
            self.bench.clock.advance(61)
            before = self._entries()
            self.bench.recommend("BBB")
            for run in (self.bench.dispatch, self.bench.guard):
                with broker_may_fail():
                    run()
            assert self._entries() == before, minute
        with self.bench.db.transaction() as tx:
            now, session = self.bench.clock.now(), regular_session(DAY)
            found = invariants.check(tx, now=now, session=session)
        assert [it for it in found if it.invariant == "stock_is_protected"] == []
        market.down, market.latest = False, known
        self.bench.next_minute()

    def _entries(self) -> int:
        return len([o for o in self.bench.broker.submitted if o.side == "buy"])

    def _free(self, symbol: str) -> Decimal:
        """The shares that no order at the broker holds."""
        held = {it.symbol: it.available for it in self.bench.broker._positions()}
        return held.get(symbol, Decimal(0))

    def _mode(self) -> str:
        (row,) = self.bench.rows("SELECT execution_mode FROM accounts WHERE account_name = 'large'")
        return str(row["execution_mode"])

    def _anything_open(self) -> bool:
        held = self.bench.rows(
            "SELECT 1 FROM active_positions WHERE account_name = 'large' AND status <> 'closed'"
            " UNION ALL SELECT 1 FROM orders WHERE account_name = 'large' AND is_live(status)"
        )
        return bool(held)

    @rule(halted=st.booleans())
    def halt_or_resume(self, halted: bool) -> None:
        self.bench.set_account(operator_halt="by hand" if halted else None)

    @rule()
    def settle_down(self) -> None:
        """Without faults a few minutes bring our books and the broker's together."""
        broker = self.bench.broker
        broker.fills_withheld = broker.cancels_pend = False
        broker._faults.clear()
        broker.illegible = []
        for name, order in list(broker.orders.items()):
            if order.raw_status == "pending_cancel":
                broker.end(name, "canceled")
            elif order.status == "unknown":
                broker.say(name, "partially_filled" if order.filled_quantity else "new")
        for _ in range(6):
            self.bench.next_minute()
            self.bench.dispatch()
            self.bench.guard()
            self.reconcile()
        books = BrokerRecords(
            orders=list(broker.orders.values()), positions=broker.positions(), fills=broker.fills
        )
        now = self.bench.clock.now()
        with self.bench.db.transaction() as tx:
            # Not one at no broker, nor one that is switched off with nothing of ours in it.
            asked = "large" in accounts.compared_accounts(tx, now)
            compared = {"large": books} if asked else {}
            found = invariants.check(tx, now=now, broker=compared, session=regular_session(DAY))
        assert found == []

    @invariant()
    def holds(self) -> None:
        """What must hold at any moment, however much is under way."""
        if not hasattr(self, "bench"):
            return
        young = self.bench.clock.now() - timedelta(days=1)
        with self.bench.db.transaction() as tx:
            assert invariants.check(tx, now=young) == []
        bought = [o for o in self.bench.broker.submitted if o.side == "buy"]
        assert len(self.bench.broker.orders) == len({*self.bench.broker.orders})
        assert len({o.client_order_id for o in bought}) <= len(self.bench.orders("entry"))
        assert all(p.quantity >= 0 for p in self.bench.broker._positions())
