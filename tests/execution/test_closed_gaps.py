"""Gaps found by an adversary's reading of the order path, each with the guard that closed it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from ops_pipeline.db.driver.connection import Database, Transaction
from ops_pipeline.db.operations import invariants
from ops_pipeline.errors import BrokerOutcomeUnknown, StageFailed
from ops_pipeline.stages import control
from ops_pipeline.stages.control import ControlCommand
from tests.support.builders_trading import TradingBench

CLAIM = """
UPDATE dispatch_recommendations SET status = 'PROCESSING', claimed_until = :until WHERE id = :id
"""


def close_everything(bench: TradingBench) -> None:
    asked = ControlCommand(action="close", operator="ann", reason="news")
    control.run(asked, db=bench.db, clock=bench.clock)


def breaches(bench: TradingBench) -> list[str]:
    with bench.db.transaction() as tx:
        return [str(it) for it in invariants.check(tx, now=bench.clock.now())]


class Interrupted:
    """A database before each of whose units of work something may happen elsewhere."""

    def __init__(self, db: Database, before: Callable[[], None]) -> None:
        self._db, self._before = db, before

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        self._before()
        with self._db.transaction() as tx:
            yield tx


def test_what_a_dead_dispatcher_had_claimed_is_not_bought_after_the_operator_closed_all(
    bench: TradingBench,
) -> None:
    number = bench.recommend()
    bench.run(CLAIM, id=number, until=bench.clock.now())
    close_everything(bench)
    bench.next_minute()
    bench.dispatch()
    assert not bench.broker.submitted
    assert bench.recommendation(number)["status"] == "CANCELLED"


def test_what_waits_to_be_priced_anew_is_not_bought_after_the_operator_closed_all(
    bench: TradingBench,
) -> None:
    number = bench.recommend()
    bench.dispatch()
    bench.next_minute()
    bench.guard()
    assert bench.order()["status"] == "canceled"
    close_everything(bench)
    bench.next_minute()
    bench.dispatch()
    assert len(bench.broker.submitted) == 1
    assert bench.recommendation(number)["status"] == "CANCELLED"


def test_a_recommendation_that_ended_while_it_was_claimed_is_neither_bought_nor_rewritten(
    bench: TradingBench,
) -> None:
    number = bench.recommend()
    ended = False

    def operator() -> None:
        nonlocal ended
        if not ended and bench.recommendation(number)["status"] == "PROCESSING":
            ended = True
            close_everything(bench)

    bench.dispatch(db=Interrupted(bench.db, operator))
    assert ended
    assert not bench.broker.submitted
    assert bench.recommendation(number)["status"] == "CANCELLED"
    assert bench.recommendation(number)["failure_reason"] == "Closed by ann: news"


def test_a_recommendation_that_comes_during_a_run_waits_for_one_that_asked_for_its_quote(
    bench: TradingBench,
) -> None:
    first, later = bench.recommend(), 0

    def signals() -> None:
        nonlocal later
        if not later and bench.recommendation(first)["status"] == "PROCESSING":
            bench.quote("BBB")
            later = bench.recommend("BBB")

    bench.dispatch(db=Interrupted(bench.db, signals))
    assert bench.recommendation(later)["status"] == "PENDING"
    bench.next_minute()
    bench.dispatch()
    assert [order["ticker"] for order in bench.orders("entry")] == ["AAA", "BBB"]


def test_a_stop_whose_cancel_is_never_confirmed_is_alerted_while_the_exit_waits(
    held: TradingBench,
) -> None:
    held.broker.cancels_pend = True
    stop = str(held.order("stop")["client_order_id"])
    for _ in range(12):
        held.next_minute(AAA=("103.00", "103.10"))
        held.guard()
    assert not held.orders("exit")
    assert "exit_blocked" in held.alerts()
    held.broker.end(stop, "canceled")
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    held.broker.fill(str(held.order("exit")["client_order_id"]), "103.00")
    held.next_minute()
    held.guard()
    assert held.position()["status"] == "closed"
    assert "exit_blocked" not in held.alerts()


def test_an_entry_that_can_not_be_settled_does_not_keep_the_positions_from_their_exits(
    held: TradingBench,
) -> None:
    """The broker reports a price that can't be; the others go on."""
    held.quote("BBB")
    held.recommend("BBB")
    held.dispatch()
    name = str(held.orders("entry")[-1]["client_order_id"])
    order = held.broker.orders[name]
    held.next_minute(AAA=("103.00", "103.10"))
    held.broker.orders[name] = replace(
        order, filled_quantity=order.quantity, filled_average_price=Decimal(0)
    )
    with pytest.raises(StageFailed, match=name):
        held.guard()
    assert [order["ticker"] for order in held.orders("exit")] == ["AAA"]


def test_an_entry_that_goes_on_filling_after_its_position_was_closed_opens_another(
    bench: TradingBench,
) -> None:
    """Somebody sold by hand what the first part bought; the rest is held and guarded."""
    bench.broker.at_once["AAA"] = ("100.00", "9")
    bench.recommend()
    bench.dispatch()
    name = str(bench.order()["client_order_id"])
    (first,) = bench.rows("SELECT id FROM active_positions")
    bench.run(
        "INSERT INTO orders (client_order_id, account_name, purpose, position_id, attempt, ticker,"
        " symbol, instrument_type, multiplier, side, quantity, order_type, time_in_force,"
        " reserved_notional, status, reason, broker_order_id, acknowledged_at, decided_at, tick)"
        " VALUES ('by hand', 'large', 'adopted', :position, 1, 'AAA', 'AAA', 'STOCK', 1, 'sell', 9,"
        " 'market', 'day', 0, 'accepted', 'adopted', 'hand', :now, :now, :now)",
        position=first["id"],
        now=bench.clock.now(),
    )
    by_hand = replace(
        bench.broker.orders[name],
        client_order_id="by hand",
        broker_order_id="hand",
        side="sell",
        quantity=Decimal(9),
        status="filled",
    )
    bench.broker.orders["by hand"] = by_hand
    bench.broker.hold("AAA", "0", "100.00")
    bench.broker.fill(name, "100.00")
    bench.next_minute()
    bench.guard()
    positions = bench.rows(
        "SELECT quantity, status FROM active_positions ORDER BY status, quantity"
    )
    assert positions == [
        {"quantity": 0, "status": "closed"},
        {"quantity": 10, "status": "open"},
    ]
    assert bench.order("stop")["quantity"] == 10
    assert [it for it in breaches(bench) if "fills" not in it] == []


def test_a_fraction_of_a_share_that_was_adopted_is_sold_to_its_end(held: TradingBench) -> None:
    """The account buys whole shares only; what it holds is sold all the same."""
    held.run("UPDATE active_positions SET quantity = 19.5, opened_quantity = 19.5")
    held.broker.hold("AAA", "19.5", "100.00")
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert held.order("exit")["quantity"] == Decimal("19.5")


def test_the_cooldown_counts_trades_whose_fills_are_not_listed_yet(held: TradingBench) -> None:
    held.clock.advance(20 * 60)
    held.quote("AAA")
    held.broker.fills_withheld = True
    held.next_minute(AAA=("103.00", "103.10"))
    held.broker.at_once["AAA"] = ("103.00", None)
    held.guard()
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert held.position()["status"] == "closed"
    number = held.recommend()
    held.dispatch()
    assert held.verdict(number, "cooldown")["passed"] is False


def test_an_order_that_turns_up_after_its_room_was_given_away_is_told_of(
    bench: TradingBench,
) -> None:
    bench.set_account(max_positions=1)
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    bench.recommend()
    bench.dispatch()
    name = str(bench.order()["client_order_id"])
    hidden = bench.broker.orders.pop(name)
    for _ in range(3):
        bench.next_minute(AAA=("109.98", "110.00"))
        bench.dispatch()
    assert bench.order()["status"] == "not_placed"
    bench.quote("BBB")
    bench.buy("BBB")
    bench.broker.orders[name] = hidden
    bench.broker.fill(name, "100.00")
    bench.next_minute(AAA=("100.00", "100.02"))
    bench.guard()
    assert bench.position("AAA")["status"] == "open"
    assert "over_cap" in bench.alerts()
    assert breaches(bench) == []


def test_what_waits_for_an_account_that_was_switched_off_ends_with_the_day(
    bench: TradingBench,
) -> None:
    number = bench.recommend(account="tiny")
    bench.set_account("tiny", active=False)
    bench.clock.advance(600)
    bench.reconcile()
    assert bench.recommendation(number)["status"] == "EXPIRED"
    assert breaches(bench) == []
