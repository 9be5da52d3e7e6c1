"""A run that would send too many orders is stopped by the database, and stays stopped."""

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.stages import control
from tests.support.builders_trading import TradingBench


@pytest.fixture
def bench(db: Database, owner_db: Database) -> TradingBench:
    """Two orders a day in `large`: an entry and its stop."""
    with owner_db.transaction() as tx:
        tx.execute("UPDATE accounts SET max_orders_per_day = 2 WHERE account_name = 'large'")
    return TradingBench(db)


def resume(bench: TradingBench) -> dict[str, object]:
    request = control.Request(action="resume", operator="test", reason="looked at it", confirm=True)
    return control.run(request.command(), db=bench.db, clock=bench.clock)


def test_at_the_limit_entries_halt_with_an_alert_until_somebody_resumes(
    bench: TradingBench, owner_db: Database
) -> None:
    bench.buy("AAA")
    bench.next_minute()
    bench.guard()
    assert len(bench.orders()) == 2
    first, second = bench.recommend("BBB"), bench.recommend("CCC")
    bench.quote("BBB")
    bench.quote("CCC")
    bench.dispatch()
    assert (
        "Order limit: 2 orders of the account today of 2"
        in (bench.recommendation(first)["failure_reason"])
    )
    assert "Halted by order limits" in bench.recommendation(second)["failure_reason"]
    assert bench.alerts() == ["order_limit"]
    with owner_db.transaction() as tx:
        tx.execute("UPDATE accounts SET max_orders_per_day = 10 WHERE account_name = 'large'")
    bench.next_minute()
    third = bench.recommend("CCC")
    bench.dispatch()
    assert "Halted by order limits" in bench.recommendation(third)["failure_reason"]
    resume(bench)
    assert bench.alerts() == []
    bench.next_minute()
    bench.recommend("CCC")
    bench.dispatch()
    assert [order["ticker"] for order in bench.orders("entry")] == ["AAA", "CCC"]


def test_exits_are_counted_and_never_refused(bench: TradingBench) -> None:
    bench.buy("AAA")
    bench.next_minute()
    bench.guard()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    for _ in range(4):
        bench.next_minute()
        bench.guard()
    assert len(bench.orders("exit")) >= 1


def test_an_entry_is_sized_within_the_limit_of_one_order(
    bench: TradingBench, owner_db: Database
) -> None:
    with owner_db.transaction() as tx:
        tx.execute("UPDATE accounts SET max_order_notional = 300 WHERE account_name = 'large'")
    bench.recommend()
    bench.dispatch()
    assert bench.order()["reserved_notional"] <= 300
