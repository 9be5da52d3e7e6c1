"""A process suspended between commit and send: nothing is sent into another market.

The clock of these tests jumps where a laptop would sleep: after an order's commit, on its way
to the broker (while keys are proven), and within a run whose lease ends meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ops_pipeline.db.driver.connection import Database, Transaction
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import BrokerOutcomeUnknown, BrokerRejected, BrokerUnavailable, LeaseLost
from ops_pipeline.execution.decisions.sending import SEND_WITHIN
from tests.support.builders_trading import DAY, TradingBench

HOUR = 3600.0
NO_ANSWER = BrokerOutcomeUnknown("no answer")


@dataclass
class SuspendedAfterCommit:
    """Units of work after which the machine sleeps, once an order of this purpose is stored."""

    bench: TradingBench
    purpose: str
    seconds: float = HOUR
    slept: bool = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self.bench.db.transaction() as tx:
            yield tx
        if not self.slept and [o for o in self.bench.orders(self.purpose) if _waits(o)]:
            self.slept = True
            self.bench.clock.advance(self.seconds)


def _waits(order: dict[str, object]) -> bool:
    return order["status"] == "intended"


def sent(bench: TradingBench) -> list[tuple[str, str]]:
    return [(order.side, order.order_type) for order in bench.broker.submitted]


def not_sent(bench: TradingBench) -> str:
    """Why the one order that was not sent was not, as the journal tells."""
    (note,) = bench.notes.of("order_not_executed")
    assert note["status"] == "not_placed"
    return str(note["reason"])


def test_an_entry_is_not_sent_an_hour_later(bench: TradingBench) -> None:
    number = bench.recommend()
    outcome = bench.dispatch(db=SuspendedAfterCommit(bench, "entry"))
    assert sent(bench) == []
    assert (bench.order()["status"], bench.order()["reserved_notional"]) == ("not_placed", 0)
    assert not_sent(bench) == "Not sent: the decision is too old; it was decided 3600 s ago"
    assert bench.recommendation(number)["status"] == "FAILED"
    assert outcome.failed == 1


def test_an_entry_within_its_time_is_sent(bench: TradingBench) -> None:
    bench.recommend()
    asleep = SuspendedAfterCommit(bench, "entry", SEND_WITHIN.total_seconds())
    bench.dispatch(db=asleep)
    assert asleep.slept
    assert sent(bench) == [("buy", "limit")]


def test_a_simulated_entry_does_not_fill_at_a_quote_of_an_hour_ago(bench: TradingBench) -> None:
    bench.set_account(execution_mode="SIMULATED")
    bench.recommend()
    bench.dispatch(db=SuspendedAfterCommit(bench, "entry"))
    assert bench.order()["status"] == "not_placed"
    assert bench.rows("SELECT 1 FROM active_positions") == []


def test_an_exit_is_not_sent_later_and_is_decided_anew(held: TradingBench) -> None:
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    held.next_minute()
    held.guard(db=SuspendedAfterCommit(held, "exit"))
    assert held.order("exit")["status"] == "not_placed"
    assert "sale_not_executed" in held.alerts()
    stop = held.orders("stop")[-1]
    assert stop["status"] == "accepted"  # put back at once: the position is not left naked

    held.next_minute()
    held.guard()
    first, second = held.orders("exit")
    assert (first["status"], second["status"]) == ("not_placed", "accepted")
    assert sent(held)[-1] == ("sell", "limit")


def test_a_stop_is_not_sent_later_and_is_placed_anew(bench: TradingBench) -> None:
    bench.buy()
    bench.next_minute()
    bench.guard(db=SuspendedAfterCommit(bench, "stop"))
    assert ("sell", "stop") not in sent(bench)
    assert bench.order("stop")["status"] == "not_placed"
    bench.next_minute()
    bench.guard()
    assert [order["status"] for order in bench.orders("stop")] == ["not_placed", "accepted"]


@pytest.mark.parametrize("road", ["guard", "dispatcher"])
def test_an_entry_is_not_sent_again_an_hour_later(bench: TradingBench, road: str) -> None:
    """Recovery decides to send it again, and sleeps before it does."""
    bench.broker.fail("submit", NO_ANSWER)
    bench.recommend()
    bench.dispatch()
    bench.next_minute()
    bench.recover()
    bench.next_minute()
    bench.broker.on_the_way = lambda: bench.clock.advance(HOUR)
    bench.guard() if road == "guard" else bench.dispatch()
    assert len(bench.broker.submitted) == 1
    assert bench.order()["status"] == "not_placed"


def test_a_stop_is_not_sent_again_after_a_sleep(bench: TradingBench) -> None:
    bench.buy()
    bench.next_minute()
    bench.broker.fail("submit", NO_ANSWER)
    bench.guard()
    bench.read_after_write = True
    bench.broker.on_the_way = lambda: bench.clock.advance(HOUR)
    bench.recover()
    assert bench.order("stop")["status"] == "not_placed"
    assert sent(bench).count(("sell", "stop")) == 1


@pytest.mark.parametrize("purpose", ["entry", "exit", "stop"])
def test_time_that_passes_inside_the_adapter_counts(held: TradingBench, purpose: str) -> None:
    """Proving the account again and renewing keys take time before the order leaves."""
    before = len(held.broker.submitted)
    if purpose == "entry":
        held.quote("BBB")
        held.recommend("BBB")
    elif purpose == "exit":
        held.run("UPDATE active_positions SET exit_requested = 'operator'")
    else:
        held.run("UPDATE active_positions SET stop_loss = stop_loss + 1")
    held.next_minute()
    held.broker.on_the_way = lambda: held.clock.advance(HOUR)
    held.dispatch() if purpose == "entry" else held.guard()
    assert len(held.broker.submitted) == before
    assert held.orders(purpose)[-1]["status"] == "not_placed"


def test_an_entry_of_a_lease_that_has_ended_is_not_sent(bench: TradingBench) -> None:
    bench.recommend()
    ends_at = bench.clock.now() + timedelta(seconds=10)
    bench.dispatch(db=SuspendedAfterCommit(bench, "entry", 11), lease_expires_at=ends_at)
    assert sent(bench) == []
    assert "the run's lease has ended" in not_sent(bench)


def test_no_stop_is_cancelled_by_a_run_whose_lease_has_ended(held: TradingBench) -> None:
    """It could not put the stop back."""
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    held.next_minute()
    with pytest.raises(LeaseLost):
        held.guard(lease_expires_at=held.clock.now() - timedelta(seconds=1))
    assert held.order("stop")["status"] == "accepted"
    assert "cancel" not in held.broker.calls


def test_an_exit_is_not_sent_into_the_close(held: TradingBench) -> None:
    held.clock.at = new_york_time(DAY, 15, 59)
    held.next_minute()
    held.clock.at = new_york_time(DAY, 15, 59) + timedelta(seconds=44)
    held.quote("AAA")
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    held.guard(db=SuspendedAfterCommit(held, "exit", 20))
    assert held.order("exit")["status"] == "not_placed"
    assert held.orders("stop")[-1]["status"] == "accepted"


def test_an_entry_whose_hour_ends_meanwhile_is_not_sent(bench: TradingBench) -> None:
    bench.clock.at = new_york_time(DAY, 13, 59) + timedelta(seconds=50)
    bench.quote("AAA")
    bench.recommend()
    bench.dispatch(db=SuspendedAfterCommit(bench, "entry", 20))
    assert sent(bench) == []
    assert "its session has ended" in not_sent(bench)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE accounts SET operator_halt = 'a test'", "the account's entries were halted"),
        ("UPDATE accounts SET active = false", "the account was switched off"),
        ("UPDATE orders SET cancel_requested_at = now()", "its cancel was asked for"),
    ],
)
def test_what_an_operator_does_after_the_commit_keeps_the_entry_back(
    bench: TradingBench, owner_db: Database, change: str, reason: str
) -> None:
    class Operator(SuspendedAfterCommit):
        @contextmanager
        def transaction(self) -> Iterator[Transaction]:
            slept = self.slept
            with super().transaction() as tx:
                yield tx
            if self.slept and not slept:
                with owner_db.transaction() as tx:
                    tx.execute(change)

    bench.recommend()
    bench.dispatch(db=Operator(bench, "entry", 0))
    assert sent(bench) == []
    assert reason in not_sent(bench)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE accounts SET operator_halt = 'a test'", "the account's entries were halted"),
        ("UPDATE accounts SET books_halt = 'a test'", "the account's entries were halted"),
        ("UPDATE accounts SET active = false", "the account was switched off"),
        ("UPDATE orders SET cancel_requested_at = now()", "its cancel was asked for"),
    ],
)
def test_what_an_operator_does_while_the_account_is_proven_keeps_the_entry_back(
    bench: TradingBench, change: str, reason: str
) -> None:
    """Keys are renewed and the account is asked for its number: that takes seconds."""
    bench.recommend()
    bench.broker.on_the_way = lambda: bench.run(change)
    bench.dispatch()
    assert sent(bench) == []
    assert reason in not_sent(bench)


def test_an_order_settled_while_the_account_is_proven_is_not_sent(bench: TradingBench) -> None:
    def guard_first() -> None:
        bench.broker.on_the_way = None
        bench.run("UPDATE orders SET status = 'unknown'")
        bench.read_after_write = True
        bench.recover()

    bench.recommend()
    bench.broker.on_the_way = guard_first
    bench.dispatch()
    assert bench.order()["status"] == "accepted"
    assert len(sent(bench)) == 1


def test_a_clock_that_was_set_back_keeps_the_order_back(bench: TradingBench) -> None:
    bench.recommend()
    bench.dispatch(db=SuspendedAfterCommit(bench, "entry", -60))
    assert sent(bench) == []
    assert "the clock was set back" in not_sent(bench)


@pytest.mark.parametrize("answer", [BrokerRejected("403"), BrokerUnavailable("429")])
def test_what_another_run_has_settled_meanwhile_stays(
    bench: TradingBench, answer: Exception
) -> None:
    """The guard sent the order again while the dispatcher's own request was on its way."""

    def guard_first(order: OrderRequest) -> None:
        bench.broker.on_submit = None
        bench.run("UPDATE orders SET status = 'unknown'")
        bench.read_after_write = True
        bench.recover()
        bench.broker.fail("submit", answer)

    bench.recommend()
    bench.broker.on_submit = guard_first
    outcome = bench.dispatch()
    assert bench.order()["status"] == "accepted"
    assert bench.order()["reserved_notional"] > 0
    assert outcome.processed == 1


def test_an_order_that_another_run_has_settled_is_not_sent(bench: TradingBench) -> None:
    class Guard(SuspendedAfterCommit):
        @contextmanager
        def transaction(self) -> Iterator[Transaction]:
            slept = self.slept
            with super().transaction() as tx:
                yield tx
            if self.slept and not slept:
                self.bench.read_after_write = True
                self.bench.recover()

    bench.recommend()
    bench.dispatch(db=Guard(bench, "entry", SEND_WITHIN.total_seconds() + 1))
    assert len(bench.broker.submitted) <= 1
    assert bench.order()["status"] in ("accepted", "not_placed")
    assert len(bench.broker.orders) == (bench.order()["status"] == "accepted")


def test_an_intent_that_another_run_is_about_to_send_is_not_given_up(bench: TradingBench) -> None:
    """Where look-ups are complete one miss suffices, but not a second after the commit."""

    class Guard(SuspendedAfterCommit):
        @contextmanager
        def transaction(self) -> Iterator[Transaction]:
            slept = self.slept
            with super().transaction() as tx:
                yield tx
            if self.slept and not slept:
                self.bench.read_after_write = True
                self.bench.market.latest.clear()
                self.bench.recover()

    bench.recommend()
    bench.dispatch(db=Guard(bench, "entry", 1))
    assert bench.order()["status"] == "accepted"
    assert len(bench.broker.submitted) == 1
