"""Incident 3: InFailedSqlTransaction.

The error handler wrote its "failed" mark on the aborted transaction: the real error was
lost and every trade after it was blocked.
"""

import pytest

from ops_pipeline.db.connection import Database
from tests.builders_trading import Desk

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
def desk(request: pytest.FixtureRequest, db: Database, owner_db: Database) -> Desk:
    table, operation = request.param
    with owner_db.transaction() as tx:
        tx.script(_BREAK.format(table=table, operation=operation))
    desk = Desk(db)
    desk.quote("BAD")
    return desk


def test_the_first_error_is_what_is_stored_and_the_next_one_is_handled(desk: Desk) -> None:
    bad = desk.recommend("BAD")
    good = desk.recommend("AAA")

    outcome = desk.dispatch()

    assert (outcome.pulled, outcome.failed, outcome.processed) == (2, 1, 1)
    failed = desk.recommendation(bad)
    assert failed["status"] == "FAILED"
    assert "division by zero" in failed["failure_reason"]
    assert failed["processed_at"] == desk.clock.now()
    assert [order.symbol for order in desk.broker.submitted] == ["AAA"]
    assert desk.order()["recommendation_id"] == good


def test_the_first_error_is_what_is_logged(desk: Desk) -> None:
    bad = desk.recommend("BAD")

    desk.dispatch()

    (data,) = desk.notes.of("processing_error")
    assert data["recommendation"] == bad
    assert "division by zero" in str(data["message"])
    assert "transaction is aborted" not in str(desk.notes.told)


def test_nothing_of_the_failed_unit_of_work_is_kept(desk: Desk) -> None:
    bad = desk.recommend("BAD")

    desk.dispatch()

    assert desk.recommendation(bad)["risk_gate_json"] is None
    assert not desk.orders()


def test_twenty_failures_block_no_trade(desk: Desk) -> None:
    for _ in range(20):
        desk.recommend("BAD")
        desk.clock.advance(1)
    good = desk.recommend("AAA")

    assert desk.dispatch().failed == 20
    assert desk.order()["recommendation_id"] == good
