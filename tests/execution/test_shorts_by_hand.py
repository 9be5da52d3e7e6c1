"""A person sells what nobody here held, and buys it back: neither is a position of ours."""

from datetime import timedelta

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.market import new_york_day
from tests.support.builders_trading import TradingBench


def minutes(bench: TradingBench, number: int) -> None:
    """So many ticks of the guard; the reconciler runs in each fifth minute."""
    for _ in range(number):
        bench.next_minute()
        bench.guard()
        if bench.clock.now().minute % 5 == 0:
            bench.reconcile()


def breaches(bench: TradingBench) -> list[str]:
    now = bench.clock.now() + timedelta(minutes=5)
    with bench.db.transaction() as tx:
        session = bench.calendar.session(new_york_day(now))
        return [str(it) for it in invariants.check(tx, now=now, session=session)]


def open_positions(bench: TradingBench) -> list[int]:
    found = bench.rows("SELECT quantity FROM active_positions WHERE status <> 'closed'")
    return [int(row["quantity"]) for row in found]


def at_the_broker(bench: TradingBench) -> list[int]:
    return [int(it.quantity) for it in bench.broker.positions()]


def shorted(bench: TradingBench, name: str) -> int:
    (row,) = bench.rows("SELECT shorted_qty FROM orders WHERE client_order_id = :id", id=name)
    return int(row["shorted_qty"])


@pytest.mark.parametrize("between", [0, 6], ids=["in one reading", "known as a short"])
def test_a_short_that_is_covered_opens_no_position(bench: TradingBench, between: int) -> None:
    bench.broker.trade_by_hand("short", "AAA", "sell", "10")
    minutes(bench, between)
    bench.broker.trade_by_hand("cover", "AAA", "buy", "10")
    minutes(bench, 11)
    assert open_positions(bench) == at_the_broker(bench) == []
    assert bench.broker.submitted == []
    assert bench.alerts() == []
    assert breaches(bench) == []


def test_a_short_that_is_covered_in_parts_opens_a_position_with_the_rest(
    bench: TradingBench,
) -> None:
    bench.broker.trade_by_hand("short", "AAA", "sell", "10")
    minutes(bench, 6)
    bench.broker.trade_by_hand("cover", "AAA", "buy", "4")
    minutes(bench, 6)
    assert open_positions(bench) == []
    assert at_the_broker(bench) == [-6]
    assert "position_unknown_to_us" in bench.alerts()
    bench.broker.trade_by_hand("more", "AAA", "buy", "9")
    minutes(bench, 6)
    assert open_positions(bench) == at_the_broker(bench) == [3]
    assert breaches(bench) == []


def test_a_short_that_fills_while_it_rests_is_followed(bench: TradingBench) -> None:
    """The reconciler stores the resting sale; the guard books what it fills."""
    bench.broker.place_by_hand("short", "AAA", "sell", "10", order_type="limit")
    minutes(bench, 5)
    bench.broker.fill("short", "100", "4")
    minutes(bench, 1)
    assert shorted(bench, "short") == 4
    bench.broker.fill("short", "100")
    minutes(bench, 1)
    assert shorted(bench, "short") == 10
    bench.broker.trade_by_hand("cover", "AAA", "buy", "10")
    minutes(bench, 6)
    assert open_positions(bench) == []
    assert breaches(bench) == []


def test_a_short_beside_the_exit_of_all_that_was_held_is_one(held: TradingBench) -> None:
    """The position was closed before the person's sale was read: that sold from nothing."""
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    minutes(held, 1)
    held.broker.trade_by_hand("sold", "AAA", "sell", "9")
    held.broker.fill(str(held.order("exit")["client_order_id"]), "99.98")
    minutes(held, 6)
    assert (open_positions(held), at_the_broker(held)) == ([], [-9])
    held.broker.trade_by_hand("cover", "AAA", "buy", "9")
    minutes(held, 6)
    assert open_positions(held) == at_the_broker(held) == []
    assert breaches(held) == []


def test_a_sale_of_what_was_held_before_the_first_run_is_no_short(db: Database) -> None:
    """What a person sells of shares that are left alone is covered by nobody's purchase."""
    bench = TradingBench(db, looked=False)
    bench.broker.hold("OLD", "50", "10")
    minutes(bench, 1)
    bench.broker.trade_by_hand("sold", "OLD", "sell", "20", "10")
    minutes(bench, 12)
    assert shorted(bench, "sold") == 0
    bench.broker.trade_by_hand("bought", "OLD", "buy", "20", "10")
    minutes(bench, 6)
    assert open_positions(bench) == [20]
    assert breaches(bench) == []


def test_a_sale_from_nothing_that_goes_on_sells_what_was_bought_since(
    bench: TradingBench,
) -> None:
    """A resting short that fills on after our entry takes the entry's shares."""
    bench.broker.place_by_hand("short", "AAA", "sell", "10", order_type="limit")
    minutes(bench, 5)
    bench.broker.fill("short", "100", "4")
    minutes(bench, 1)
    bench.broker.trade_by_hand("bought", "AAA", "buy", "24")
    minutes(bench, 5)
    assert open_positions(bench) == at_the_broker(bench) == [20]
    bench.broker.fill("short", "100")
    minutes(bench, 1)
    assert open_positions(bench) == at_the_broker(bench) == [14]
    assert breaches(bench) == []


def test_a_position_where_the_broker_is_short_is_given_up(held: TradingBench) -> None:
    """A person's sales took all of it and more, and no list of orders tells of them."""
    held.broker.end(str(held.order("stop")["client_order_id"]), "canceled")
    held.broker.hold("AAA", "-6", "100")
    minutes(held, 16)
    assert open_positions(held) == []
    assert "position_unknown_to_us" in held.alerts()
    sent = len(held.broker.submitted)
    minutes(held, 3)
    assert len(held.broker.submitted) == sent
    assert breaches(held) == []
