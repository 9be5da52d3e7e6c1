"""Incident 8: a broker's error was read as "no positions", and all open rows were closed.

Error is not empty, and one empty answer proves nothing: a position is closed only on a
fill, or on two agreeing looks that also find no open order. Then without a price.
"""

import pytest

from ops_pipeline.db.connection import Database
from ops_pipeline.errors import BrokerUnavailable, StageFailed
from ops_pipeline.stages import reconciler
from ops_pipeline.stages.request import TickRequest
from tests.builders_trading import Desk


@pytest.fixture
def desk(db: Database) -> Desk:
    desk = Desk(db)
    desk.buy()
    return desk


def reconcile(desk: Desk) -> reconciler.Outcome:
    desk.next_minute()
    return reconciler.run(
        TickRequest(tick=desk.tick),
        db=desk.db,
        road=desk.road,
        clock=desk.clock,
        journal=desk.notes,
    )


def lose_sight(desk: Desk) -> None:
    """The broker answers well and says that it holds nothing."""
    desk.broker.hold("AAA", "0", "100.00")


def test_an_error_closes_nothing_however_often_it_comes(desk: Desk) -> None:
    desk.broker.fail("positions", BrokerUnavailable("500"), times=99)
    for _ in range(3):
        with pytest.raises(StageFailed, match="BrokerUnavailable"):
            reconcile(desk)
    assert desk.position()["status"] == "open"
    assert not desk.rows("SELECT 1 FROM position_history")


def test_one_empty_answer_closes_nothing_and_alerts(desk: Desk) -> None:
    lose_sight(desk)
    reconcile(desk)
    assert desk.position()["status"] == "open"
    assert "position_missing" in desk.alerts()


def test_an_empty_answer_that_was_an_error_leaves_no_trace_the_next_time(desk: Desk) -> None:
    lose_sight(desk)
    reconcile(desk)
    desk.broker.hold("AAA", "19", "100.00")
    reconcile(desk)
    assert "position_missing" not in desk.alerts()
    lose_sight(desk)
    reconcile(desk)
    assert desk.position()["status"] == "open"


def test_two_agreeing_looks_close_without_a_price_and_out_of_learning(desk: Desk) -> None:
    lose_sight(desk)
    reconcile(desk)
    reconcile(desk)
    (history,) = desk.rows(
        "SELECT verified, exit_price, pnl_dollars, win_loss_label FROM position_history"
    )
    assert history == {
        "verified": False,
        "exit_price": None,
        "pnl_dollars": None,
        "win_loss_label": None,
    }


def test_an_open_order_in_it_keeps_a_position_open(desk: Desk) -> None:
    desk.guard()
    lose_sight(desk)
    for _ in range(3):
        reconcile(desk)
    assert desk.position()["status"] == "open"


def test_the_position_manager_closes_nothing_the_broker_does_not_list(desk: Desk) -> None:
    desk.run("UPDATE active_positions SET exit_requested = 'operator'")
    lose_sight(desk)
    for _ in range(3):
        desk.next_minute()
        desk.guard()
    assert desk.position()["status"] != "closed"
    assert not desk.orders("exit")
    assert "nothing_to_sell" in desk.alerts()
