"""Incident 3: InFailedSqlTransaction.

The error handler wrote its "failed" mark on the aborted transaction: the real error was
lost and every trade after it was blocked.
"""

import pytest

from ops_pipeline.db.driver.connection import Database
from tests.support.builders_trading import TradingBench

# An error of Postgres itself, in the middle of the unit of work that decides on BAD.
_BREAK = """
CREATE FUNCTION divide_by_zero() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 / (length(NEW.ticker) - 3);
    RETURN NEW;
END $$;
CREATE TRIGGER broken BEFORE {operation} ON {table}
    FOR EACH ROW WHEN (NEW.ticker = 'BAD') EXECUTE FUNCTION divide_by_zero();
"""
WHILE_ASSESSING = ("dispatch_recommendations", "UPDATE OF risk_gate_json")
WHILE_STORING_THE_INTENT = ("orders", "INSERT")


@pytest.fixture(params=[WHILE_ASSESSING, WHILE_STORING_THE_INTENT], ids=["assessing", "storing"])
def bench(request: pytest.FixtureRequest, db: Database, owner_db: Database) -> TradingBench:
    table, operation = request.param
    with owner_db.transaction() as tx:
        tx.script(_BREAK.format(table=table, operation=operation))
    bench = TradingBench(db)
    bench.quote("BAD")
    return bench


def test_the_first_error_is_what_is_stored_and_the_next_one_is_handled(bench: TradingBench) -> None:
    bad = bench.recommend("BAD")
    good = bench.recommend("AAA")

    outcome = bench.dispatch()

    assert (outcome.pulled, outcome.failed, outcome.processed) == (2, 1, 1)
    failed = bench.recommendation(bad)
    assert failed["status"] == "FAILED"
    assert "division by zero" in failed["failure_reason"]
    assert failed["processed_at"] == bench.clock.now()
    assert [order.symbol for order in bench.broker.submitted] == ["AAA"]
    assert bench.order()["recommendation_id"] == good


def test_the_first_error_is_what_is_logged(bench: TradingBench) -> None:
    bad = bench.recommend("BAD")

    bench.dispatch()

    (data,) = bench.notes.of("processing_error")
    assert data["recommendation"] == bad
    assert "division by zero" in str(data["message"])
    assert "transaction is aborted" not in str(bench.notes.entries)


def test_nothing_of_the_failed_unit_of_work_is_kept(bench: TradingBench) -> None:
    bad = bench.recommend("BAD")

    bench.dispatch()

    assert bench.recommendation(bad)["risk_gate_json"] is None
    assert not bench.orders()


def test_twenty_failures_block_no_trade(bench: TradingBench) -> None:
    for _ in range(20):
        bench.recommend("BAD")
        bench.clock.advance(1)
    good = bench.recommend("AAA")

    assert bench.dispatch().failed == 20
    assert bench.order()["recommendation_id"] == good
