"""Incident 14: closed trades were lost to learning.

History was inserted in another transaction, after the close. Close, history and event are
one transaction: all of them or none.
"""

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations import invariants
from ops_pipeline.errors import StageFailed
from tests.support.builders_trading import TradingBench


@pytest.fixture
def bench(bench: TradingBench) -> TradingBench:
    bench.buy()
    bench.guard()
    return bench


def sell(bench: TradingBench) -> None:
    """Let the stop's rule sell, and the broker fill it; the next guard closes."""
    for _ in range(2):
        bench.next_minute(AAA=("97.00", "97.02"))
        bench.guard()
    exit_ = bench.orders("exit")[-1]
    bench.broker.fill(exit_["client_order_id"], "97.00")
    bench.next_minute()


def test_a_close_that_cannot_write_its_history_is_no_close(
    bench: TradingBench, owner_db: Database
) -> None:
    sell(bench)
    with owner_db.transaction() as tx:
        tx.script("ALTER TABLE position_history ADD CONSTRAINT no_room CHECK (false) NOT VALID")
    with pytest.raises(StageFailed, match="no_room"):
        bench.guard()
    assert bench.position()["status"] == "closing"
    assert bench.orders("exit")[-1]["status"] == "accepted"
    with owner_db.transaction() as tx:
        tx.script("ALTER TABLE position_history DROP CONSTRAINT no_room")
    bench.next_minute()
    bench.guard()
    assert bench.position()["status"] == "closed"
    assert bench.rows("SELECT count(*) AS n FROM position_history") == [{"n": 1}]


def test_close_history_and_event_carry_one_transaction_s_mark(bench: TradingBench) -> None:
    sell(bench)
    bench.guard()
    (marks,) = bench.rows(
        "SELECT p.xmin = h.xmin AND p.xmin = e.xmin AS one FROM active_positions AS p"
        " JOIN position_history AS h ON h.position_id = p.id"
        " JOIN position_events AS e ON e.position_id = p.id AND e.kind = 'closed'"
    )
    assert marks["one"] is True


def test_every_closed_position_has_its_row_for_learning(bench: TradingBench) -> None:
    sell(bench)
    bench.guard()
    assert bench.rows("SELECT verified, pnl_dollars FROM position_history") == [
        {"verified": True, "pnl_dollars": -57}
    ]
    with bench.db.transaction() as tx:
        assert invariants.check(tx, now=bench.clock.now()) == []
